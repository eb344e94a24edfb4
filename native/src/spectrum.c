/*
 * Power spectra of blocks of line quality: a real transform of 2n samples as a complex one of n numbers.
 *
 * Multiplications and additions may be fused here: results agree with numpy's to float32 rounding, not to the last bit.
 */
#if defined(__clang__)
#pragma clang fp contract(fast)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=fast", "no-trapping-math")
#endif

#include "spectrum.h"

#include <math.h>

#define MOST_STAGES 4
#define PI 3.14159265358979323846

typedef struct {
    int radix, stride, count;     /* `count` groups of `stride` butterflies */
    const float *cosines, *sines; /* of the output `at` of group `p`: [at - 1][p] */
} Stage;

typedef struct {
    int length; /* complex numbers */
    int stages;
    Stage stage[MOST_STAGES];
    float cosines[BLOCK], sines[BLOCK];                         /* of the stages */
    float turn_cosines[BLOCK / 2 + 1], turn_sines[BLOCK / 2 + 1]; /* of the step from complex to real */
    float window[BLOCK];
} Plan;

static Plan of_block, of_quarter;

#if defined(__GNUC__)
#define UNROLLED _Pragma("GCC unroll 8")
#else
#define UNROLLED
#endif

#define NAME(x) single_##x
#define WIDTH 1
#include "transform.h"

#if defined(__GNUC__) /* and Clang */

#define NAME(x) vector_##x
#define WIDTH 4 /* every 64-bit processor has registers for them */
#include "transform.h"
#define transform vector_transform

#else /* another compiler */

#define transform single_transform

#endif

static void make_stages(Plan *plan, const int *radices)
{
    int stride = 1, filled = 0;
    for (; stride < plan->length; stride *= *radices++) {
        int radix = *radices, count = plan->length / stride / radix;
        plan->stage[plan->stages++] =
            (Stage){radix, stride, count, plan->cosines + filled, plan->sines + filled};
        for (int at = 1; at < radix; at++)
            for (int p = 0; p < count; p++, filled++) {
                double angle = -2 * PI * at * p / (count * radix);
                plan->cosines[filled] = (float)cos(angle);
                plan->sines[filled] = (float)sin(angle);
            }
    }
}

static void make_plan(Plan *plan, int length, const int *radices)
{
    plan->length = length;
    plan->stages = 0;
    make_stages(plan, radices);
    for (int bin = 0; bin <= length; bin++) {
        plan->turn_cosines[bin] = (float)cos(PI * bin / length);
        plan->turn_sines[bin] = (float)sin(PI * bin / length);
    }
    for (int at = 0; at < 2 * length; at++)
        plan->window[at] = (float)(0.5 - 0.5 * cos(2 * PI * at / (2 * length - 1)));
}

void spectrum_module_init(void)
{
    static const int block[] = {8, 5, 5, 5}, quarter[] = {5, 5, 5, 2};
    make_plan(&of_block, BLOCK / 2, block);
    make_plan(&of_quarter, QUARTER / 2, quarter);
}

/* The powers of the real transform, of which `re` and `im` are that of the pairs of samples. */
static void powers(const Plan *plan, const float *re, const float *im, float *power)
{
    const int n = plan->length;
    power[0] = (re[0] + im[0]) * (re[0] + im[0]);
    power[n] = (re[0] - im[0]) * (re[0] - im[0]);
    for (int bin = 1; bin < n; bin++) {
        float even_re = re[bin] + re[n - bin], even_im = im[bin] - im[n - bin];
        float odd_re = im[bin] + im[n - bin], odd_im = re[n - bin] - re[bin];
        float c = plan->turn_cosines[bin], s = plan->turn_sines[bin];
        float whole_re = even_re + odd_re * c + odd_im * s, whole_im = even_im + odd_im * c - odd_re * s;
        power[bin] = 0.25f * (whole_re * whole_re + whole_im * whole_im);
    }
}

static void spectrum(const Plan *plan, const int16_t *samples, float *power)
{
    float re[2][BLOCK / 2], im[2][BLOCK / 2];
    for (int at = 0; at < plan->length; at++) {
        re[0][at] = (float)samples[2 * at] * plan->window[2 * at];
        im[0][at] = (float)samples[2 * at + 1] * plan->window[2 * at + 1];
    }
    int which = transform(plan, re, im);
    powers(plan, re[which], im[which], power);
}

void block_spectrum(const int16_t *samples, float *power) { spectrum(&of_block, samples, power); }

void quarter_spectrum(const int16_t *samples, float *power) { spectrum(&of_quarter, samples, power); }
