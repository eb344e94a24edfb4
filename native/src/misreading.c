/* Equal to streaming/audio/quality/misreading.py, which documents the behaviour. */
#include "g711.h"
#include "quality.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The constants of misreading.py. */
#define FAINT 64
#define SILENT_CODES 8
#define IDLE_COST (-1.0)
#define LIKELY 0.4
#define MOST_BETWEEN_CHANNELS 0.3
#define LEAST_IN_CHANNEL 0.6
#define NOISY 0.15

#define PARALLEL 8
#define FACTORS 7 /* of a float: none exceeds 65,536, so their product stays below its largest value, 2 to the 128 */
#define GROUPS 8  /* of `FACTORS`, in a double: below 2 to the 1024, with some more */

static float step_size(const int16_t *samples) { return (float)(1 + abs(samples[1] - samples[0])); }

/* Mean bits needed for the step from one sample to the next: the logarithm of the product of the steps. */
static double roughness(const int16_t *samples, int count)
{
    const int16_t *end = samples + count - 1;
    double bits = 0.0;
    while (samples < end) {
        double products[PARALLEL] = {1, 1, 1, 1, 1, 1, 1, 1};
        for (int group = 0; group < GROUPS && end - samples >= PARALLEL * FACTORS; group++) {
            float factors[PARALLEL] = {1, 1, 1, 1, 1, 1, 1, 1};
            for (int factor = 0; factor < FACTORS; factor++, samples += PARALLEL)
                for (int lane = 0; lane < PARALLEL; lane++)
                    factors[lane] *= step_size(samples + lane);
            for (int lane = 0; lane < PARALLEL; lane++)
                products[lane] *= factors[lane];
        }
        if (end - samples < PARALLEL * FACTORS)
            for (int lane = 0; samples < end; samples++, lane = (lane + 1) % PARALLEL)
                products[lane] *= step_size(samples);
        for (int lane = 0; lane < PARALLEL; lane++)
            bits += log2(products[lane]);
    }
    return bits / (count - 1);
}

/* Correlation of neighbouring samples without DC: -1 to 1; 0 for digital silence. */
static double neighbourhood(const int16_t *samples, int count)
{
    int64_t squares = 0, products = 0;
    int32_t sum = 0;
    for (int at = 0; at < count; at++) {
        sum += samples[at];
        squares += (int32_t)samples[at] * samples[at];
    }
    for (int at = 0; at < count - 1; at++)
        products += (int32_t)samples[at] * samples[at + 1];
    const double mean = (double)sum / count, ends = samples[0] + samples[count - 1];
    const double power = (double)squares - (double)sum * sum / count;
    const double product = (double)products - mean * (2.0 * sum - ends) + (count - 1) * mean * mean;
    return power > 0 ? product / power : 0.0;
}

static Contrast contrast(const Audio *audio, const int16_t *other, int count)
{
    return (Contrast){roughness(other, count) - audio->roughness,
                      audio->neighbourhood - neighbourhood(other, count)};
}

static int is_against(Contrast contrast)
{
    return contrast.roughness < -0.3 && contrast.smoothness < -0.3;
}

static int is_noise(Audio *audio)
{
    need_spectrum(audio);
    return telephone_flatness(audio->bands) >= NOISY;
}

/* Bits per sample with the other law. */
static double with_other_law(const Audio *audio)
{
    int16_t other[BLOCK];
    for (int at = 0; at < BLOCK; at++)
        other[at] = g711_samples[!audio->law][audio->codes[at]];
    return roughness(other, BLOCK);
}

static void compare_g711(Audio *audio, Measured *found)
{
    audio->roughness = roughness(audio->samples, BLOCK);
    found->law = with_other_law(audio) - audio->roughness;
    if (audio->peak <= FAINT)
        return;
    found->linear = (Contrast){0.0, 0.0};
    audio->neighbourhood = neighbourhood(audio->samples, BLOCK);
    if (audio->neighbourhood > LIKELY || !is_noise(audio))
        return;
    int16_t pairs[BLOCK / 2];
    for (int at = 0; at < BLOCK / 2; at++)
        pairs[at] = (int16_t)(audio->codes[2 * at] | audio->codes[2 * at + 1] << 8);
    found->linear = contrast(audio, pairs, BLOCK / 2);
}

static Contrast with_other_order(const Audio *audio)
{
    int16_t other[BLOCK];
    for (int at = 0; at < BLOCK; at++) {
        const uint16_t sample = (uint16_t)audio->samples[at];
        other[at] = (int16_t)(sample << 8 | sample >> 8);
    }
    return contrast(audio, other, BLOCK);
}

/* Additional bits per sample when the 16 bits are two codes of G.711. */
static double as_packed(const Audio *audio)
{
    uint8_t codes[2 * BLOCK];
    int16_t other[2 * BLOCK];
    double least = INFINITY;
    memcpy(codes, audio->samples, sizeof codes);
    for (int law = 0; law < LAWS; law++) {
        for (int at = 0; at < 2 * BLOCK; at++)
            other[at] = g711_samples[law][codes[at]];
        least = fmin(least, roughness(other, 2 * BLOCK));
    }
    return least - audio->roughness;
}

static int is_stereo(const Audio *audio)
{
    if (fabs(audio->neighbourhood) > MOST_BETWEEN_CHANNELS)
        return 0;
    int16_t sides[2][BLOCK / 2];
    for (int at = 0; at < BLOCK; at++)
        sides[at % 2][at / 2] = audio->samples[at];
    const double left = (double)energy(sides[0], BLOCK / 2), right = (double)energy(sides[1], BLOCK / 2);
    const double of_left = neighbourhood(sides[0], BLOCK / 2), of_right = neighbourhood(sides[1], BLOCK / 2);
    double alike = fmin(of_left, of_right);
    if (left > 4 * right || right > 4 * left)
        alike = left > right ? of_left : of_right;
    return alike > LEAST_IN_CHANNEL;
}

static void compare_linear(Audio *audio, Measured *found)
{
    audio->neighbourhood = neighbourhood(audio->samples, BLOCK);
    audio->roughness = roughness(audio->samples, BLOCK);
    const int is_likely = audio->neighbourhood > LIKELY;
    found->order = is_likely ? (Contrast){0.0, 0.0} : with_other_order(audio);
    found->packed = !is_against(found->order) && is_noise(audio) ? as_packed(audio) : 0.0;
    found->is_stereo = !is_likely && is_stereo(audio);
}

void compare_decodings(Audio *audio, Measured *found)
{
    if (audio->law != LAWS && audio->peak > SILENT_CODES)
        compare_g711(audio, found);
    else if (audio->law == LAWS && audio->peak > FAINT)
        compare_linear(audio, found);
}

void compare_idle(int16_t value, Measured *found)
{
    static const uint8_t idle[] = {[MULAW] = 0xFF, [ALAW] = 0xD5};
    const int law = g711_codes[MULAW][(uint16_t)value] ? MULAW : ALAW;
    /* For a muted channel a bridge sends one code; no device produces exactly the idle code of the other law. */
    if (g711_codes[law][(uint16_t)value] && abs(value) == abs(g711_samples[law][idle[!law]]))
        found->law = IDLE_COST;
}
