/*
 * A complex Fourier transform for one width of vectors: the self-sorting one of Stockham, radix 8, 5 and 2, with real
 * and imaginary parts apart.  C. Van Loan, Computational Frameworks for the Fast Fourier Transform, 1992, 1.7 and 2.1.
 *
 * `spectrum.c` includes this once for each width, after it has defined
 *
 * NAME(x)  the name of `x` for this width
 * WIDTH    floats in a vector: 1 for any compiler
 */
#define Floats NAME(Floats)
#define Unaligned NAME(Unaligned)
#define Complex NAME(Complex)
#define sum NAME(sum)
#define difference NAME(difference)
#define butterfly_2 NAME(butterfly_2)
#define butterfly_4 NAME(butterfly_4)
#define butterfly_5 NAME(butterfly_5)
#define butterfly_8 NAME(butterfly_8)

#if WIDTH == 1
#define INLINE static inline
typedef float Floats, Unaligned;
#else
#define INLINE static inline __attribute__((always_inline))
typedef float Floats __attribute__((vector_size(WIDTH * sizeof(float))));
typedef float Unaligned __attribute__((vector_size(WIDTH * sizeof(float)), aligned(4), may_alias));
#endif
#define LOAD(at) ((Floats)(*(const Unaligned *)(at)))
#define STORE(at, value) (*(Unaligned *)(at) = (value))

typedef struct {
    Floats re, im;
} Complex;

INLINE void sum(Complex *to, const Complex *a, const Complex *b)
{
    to->re = a->re + b->re;
    to->im = a->im + b->im;
}

INLINE void difference(Complex *to, const Complex *a, const Complex *b)
{
    to->re = a->re - b->re;
    to->im = a->im - b->im;
}

INLINE void butterfly_2(Complex *x)
{
    Complex first = x[0];
    sum(&x[0], &first, &x[1]);
    difference(&x[1], &first, &x[1]);
}

INLINE void butterfly_4(Complex *x)
{
    Complex a, b, c, d;
    sum(&a, &x[0], &x[2]);
    difference(&b, &x[0], &x[2]);
    sum(&c, &x[1], &x[3]);
    difference(&d, &x[1], &x[3]);
    sum(&x[0], &a, &c);
    difference(&x[2], &a, &c);
    x[1] = (Complex){b.re + d.im, b.im - d.re};
    x[3] = (Complex){b.re - d.im, b.im + d.re};
}

INLINE void butterfly_8(Complex *x)
{
    const float half = 0.707106781f;
    Complex even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
    butterfly_4(even);
    butterfly_4(odd);
    odd[1] = (Complex){(odd[1].re + odd[1].im) * half, (odd[1].im - odd[1].re) * half};
    odd[2] = (Complex){odd[2].im, -odd[2].re};
    odd[3] = (Complex){(odd[3].im - odd[3].re) * half, (odd[3].re + odd[3].im) * -half};
    UNROLLED for (int at = 0; at < 4; at++)
    {
        sum(&x[at], &even[at], &odd[at]);
        difference(&x[at + 4], &even[at], &odd[at]);
    }
}

INLINE void butterfly_5(Complex *x)
{
    const float c1 = 0.309016994f, c2 = -0.809016994f, s1 = 0.951056516f, s2 = 0.587785252f;
    Complex a, b, c, d, first = x[0];
    sum(&a, &x[1], &x[4]);
    difference(&b, &x[1], &x[4]);
    sum(&c, &x[2], &x[3]);
    difference(&d, &x[2], &x[3]);
    Complex e = {first.re + c1 * a.re + c2 * c.re, first.im + c1 * a.im + c2 * c.im};
    Complex f = {first.re + c2 * a.re + c1 * c.re, first.im + c2 * a.im + c1 * c.im};
    Complex g = {s1 * b.re + s2 * d.re, s1 * b.im + s2 * d.im};
    Complex h = {s2 * b.re - s1 * d.re, s2 * b.im - s1 * d.im};
    x[0] = (Complex){first.re + a.re + c.re, first.im + a.im + c.im};
    x[1] = (Complex){e.re + g.im, e.im - g.re};
    x[2] = (Complex){f.re + h.im, f.im - h.re};
    x[3] = (Complex){f.re - h.im, f.im + h.re};
    x[4] = (Complex){e.re - g.im, e.im + g.re};
}

/*
 * Defines a stage of one radix: `inner` makes butterflies of one group, `outer` those of neighbouring groups, in a
 * stage of stride 1.  Both return where the whole vectors end.
 */
#define STAGE(RADIX)                                                                                       \
    INLINE int NAME(inner_##RADIX)(const Stage *self, const float *re, const float *im, float *to_re,      \
                                   float *to_im, int p, int q)                                             \
    {                                                                                                      \
        const int stride = self->stride, count = self->count;                                              \
        float c[RADIX], s[RADIX];                                                                          \
        UNROLLED for (int at = 1; at < RADIX; at++)                                                        \
        {                                                                                                  \
            c[at] = self->cosines[(at - 1) * count + p];                                                   \
            s[at] = self->sines[(at - 1) * count + p];                                                     \
        }                                                                                                  \
        re += stride * p, im += stride * p, to_re += stride * RADIX * p, to_im += stride * RADIX * p;      \
        for (; q + WIDTH <= stride; q += WIDTH) {                                                          \
            Complex x[RADIX];                                                                              \
            UNROLLED for (int at = 0; at < RADIX; at++)                                                    \
            {                                                                                              \
                x[at].re = LOAD(re + q + stride * count * at);                                             \
                x[at].im = LOAD(im + q + stride * count * at);                                             \
            }                                                                                              \
            butterfly_##RADIX(x);                                                                          \
            STORE(to_re + q, x[0].re);                                                                     \
            STORE(to_im + q, x[0].im);                                                                     \
            UNROLLED for (int at = 1; at < RADIX; at++)                                                    \
            {                                                                                              \
                STORE(to_re + q + stride * at, x[at].re * c[at] - x[at].im * s[at]);                       \
                STORE(to_im + q + stride * at, x[at].re * s[at] + x[at].im * c[at]);                       \
            }                                                                                              \
        }                                                                                                  \
        return q;                                                                                          \
    }                                                                                                      \
                                                                                                           \
    INLINE int NAME(outer_##RADIX)(const Stage *self, const float *re, const float *im, float *to_re,      \
                                   float *to_im)                                                           \
    {                                                                                                      \
        const int count = self->count;                                                                     \
        int p = 0;                                                                                         \
        for (; p + WIDTH <= count; p += WIDTH) {                                                           \
            Complex x[RADIX];                                                                              \
            float turned[2][RADIX][WIDTH];                                                                 \
            UNROLLED for (int at = 0; at < RADIX; at++)                                                    \
            {                                                                                              \
                x[at].re = LOAD(re + p + count * at);                                                      \
                x[at].im = LOAD(im + p + count * at);                                                      \
            }                                                                                              \
            butterfly_##RADIX(x);                                                                          \
            STORE(turned[0][0], x[0].re);                                                                  \
            STORE(turned[1][0], x[0].im);                                                                  \
            UNROLLED for (int at = 1; at < RADIX; at++)                                                    \
            {                                                                                              \
                Floats c = LOAD(self->cosines + (at - 1) * count + p);                                     \
                Floats s = LOAD(self->sines + (at - 1) * count + p);                                       \
                STORE(turned[0][at], x[at].re * c - x[at].im * s);                                         \
                STORE(turned[1][at], x[at].re * s + x[at].im * c);                                         \
            }                                                                                              \
            for (int lane = 0; lane < WIDTH; lane++)                                                       \
                UNROLLED for (int at = 0; at < RADIX; at++)                                                \
                {                                                                                          \
                    to_re[RADIX * (p + lane) + at] = turned[0][at][lane];                                  \
                    to_im[RADIX * (p + lane) + at] = turned[1][at][lane];                                  \
                }                                                                                          \
        }                                                                                                  \
        return p;                                                                                          \
    }                                                                                                      \
                                                                                                           \
    static void NAME(stage_##RADIX)(const Stage *self, const float *re, const float *im, float *to_re,     \
                                    float *to_im)                                                          \
    {                                                                                                      \
        int first = self->stride == 1 ? NAME(outer_##RADIX)(self, re, im, to_re, to_im) : 0;               \
        for (int p = first; p < self->count; p++)                                                          \
            single_inner_##RADIX(self, re, im, to_re, to_im, p,                                            \
                                 NAME(inner_##RADIX)(self, re, im, to_re, to_im, p, 0));                   \
    }

STAGE(2)
STAGE(5)
STAGE(8)

/* Transform the arrays 0, with the arrays 1 as room.  Returns which of them have the result. */
static inline int NAME(transform)(const Plan *plan, float re[2][BLOCK / 2], float im[2][BLOCK / 2])
{
    int from = 0;
    for (const Stage *stage = plan->stage; stage < plan->stage + plan->stages; stage++, from = !from) {
        if (stage->radix == 8)
            NAME(stage_8)(stage, re[from], im[from], re[!from], im[!from]);
        else if (stage->radix == 5)
            NAME(stage_5)(stage, re[from], im[from], re[!from], im[!from]);
        else
            NAME(stage_2)(stage, re[from], im[from], re[!from], im[!from]);
    }
    return from;
}

#undef Floats
#undef Unaligned
#undef Complex
#undef sum
#undef difference
#undef butterfly_2
#undef butterfly_4
#undef butterfly_5
#undef butterfly_8
#undef INLINE
#undef LOAD
#undef STORE
#undef STAGE
#undef NAME
#undef WIDTH
