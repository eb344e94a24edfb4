/*
 * The kernels for one kind of processor.  `kernels.c` includes this once for each, after it has defined
 *
 * NAME(x)            the name of `x` for this processor
 * WIDTH              bytes of a vector register: 16, 32 or 64
 * TARGET             the attribute that lets a function use the registers
 * MANY_ROWS          rows whose sums are in registers at once
 * MANY_ROWS_COLUMNS  columns of `LANES` floats of which they are; the next ones are for two rows and for one row
 * TWO_ROWS_COLUMNS
 * ONE_ROW_COLUMNS
 */
#define VECTOR ((int)(WIDTH / sizeof(float))) /* floats in a register */
#define Floats NAME(Floats)
#define Words NAME(Words)
#define Unaligned NAME(Unaligned)
#define exponential NAME(exponential)
#define to_sigmoid NAME(to_sigmoid)
#define to_tanh NAME(to_tanh)

typedef float Floats __attribute__((vector_size(WIDTH)));
typedef int32_t Words __attribute__((vector_size(WIDTH)));
typedef float Unaligned __attribute__((vector_size(WIDTH), aligned(4), may_alias));

#define INLINE TARGET static inline __attribute__((always_inline))
#define LOAD(at) ((Floats)(*(const Unaligned *)(at)))
#define STORE(at, value) (*(Unaligned *)(at) = (value))
#define SPLAT(value) ((Floats){0} + (value))

/* exp(x) to about 1e-7 of its value; x is limited to +-87 */
INLINE void exponential(Floats *value)
{
    const Floats most = SPLAT(87.0f), magic = SPLAT(12582912.0f);
    Floats x = *value;
    Words above = x > most, below = x < -most;
    x = (Floats)(((Words)x & ~above) | ((Words)most & above));
    x = (Floats)(((Words)x & ~below) | ((Words)(-most) & below));
    Floats shifted = x * 1.44269504088896341f + magic; /* rounds to a whole number */
    Floats whole = shifted - magic;
    Floats rest = x - whole * 0.693359375f;
    rest = rest + whole * 2.12194440e-4f;
    Floats sum = SPLAT(1.9875691500e-4f);
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * rest * rest + rest + 1.0f;
    Words power = ((Words)shifted - (Words)magic) << 23;
    *value = (Floats)((Words)sum + power);
}

INLINE void to_sigmoid(Floats *value)
{
    *value = -*value;
    exponential(value);
    *value = 1.0f / (1.0f + *value);
}

INLINE void to_tanh(Floats *value)
{
    *value = *value * 2.0f;
    exponential(value);
    *value = 1.0f - 2.0f / (1.0f + *value);
}

/* Defines a function for `ROWS` rows at once and `COLUMNS` columns of `LANES` floats, from output `first` on. */
#define BLOCK(FUNCTION, ROWS, COLUMNS)                                                                     \
    INLINE void FUNCTION(const Matrix *matrix, const float *const *from, float *const *to, int first,      \
                         const float *bias, int is_rectified)                                              \
    {                                                                                                      \
        enum { COUNT = COLUMNS * LANES / VECTOR };                                                         \
        const float *weights = matrix->columns + (size_t)first * matrix->inputs;                           \
        const size_t next = (size_t)LANES * matrix->inputs;                                                \
        Floats sums[ROWS][COUNT];                                                                          \
        for (int row = 0; row < ROWS; row++)                                                               \
            for (int at = 0; at < COUNT; at++)                                                             \
                sums[row][at] = LOAD((bias ? bias : to[row]) + first + VECTOR * at);                       \
        for (int input = 0; input < matrix->inputs; input++, weights += LANES) {                           \
            for (int at = 0; at < COUNT; at++) {                                                           \
                const Floats weight = LOAD(weights + VECTOR * at / LANES * next + VECTOR * at % LANES);    \
                for (int row = 0; row < ROWS; row++)                                                       \
                    sums[row][at] += weight * from[row][input];                                            \
            }                                                                                              \
        }                                                                                                  \
        for (int row = 0; row < ROWS; row++)                                                               \
            for (int at = 0; at < COUNT; at++) {                                                           \
                if (is_rectified)                                                                          \
                    sums[row][at] = (Floats)((Words)sums[row][at] & (sums[row][at] > 0.0f));               \
                STORE(to[row] + first + VECTOR * at, sums[row][at]);                                       \
            }                                                                                              \
    }

BLOCK(NAME(block_many_wide), MANY_ROWS, MANY_ROWS_COLUMNS)
BLOCK(NAME(block_many), MANY_ROWS, 1)
BLOCK(NAME(block_2_wide), 2, TWO_ROWS_COLUMNS)
BLOCK(NAME(block_2), 2, 1)
BLOCK(NAME(block_1_wide), 1, ONE_ROW_COLUMNS)
BLOCK(NAME(block_1), 1, 1)

#define ALL_COLUMNS(WIDE, COLUMNS, ONE)                                                                    \
    do {                                                                                                   \
        int first = 0;                                                                                     \
        for (; first + LANES * (COLUMNS) <= matrix->outputs; first += LANES * (COLUMNS))                   \
            WIDE(matrix, from + row, to + row, first, bias, is_rectified);                                 \
        for (; first < matrix->outputs; first += LANES)                                                    \
            ONE(matrix, from + row, to + row, first, bias, is_rectified);                                  \
    } while (0)

TARGET static void NAME(multiply)(const Matrix *matrix, const float *const *from, float *const *to, int count,
                                  const float *bias, int is_rectified)
{
    int row = 0;
    for (; row + MANY_ROWS <= count; row += MANY_ROWS)
        ALL_COLUMNS(NAME(block_many_wide), MANY_ROWS_COLUMNS, NAME(block_many));
    for (; row + 2 <= count; row += 2)
        ALL_COLUMNS(NAME(block_2_wide), TWO_ROWS_COLUMNS, NAME(block_2));
    for (; row < count; row++)
        ALL_COLUMNS(NAME(block_1_wide), ONE_ROW_COLUMNS, NAME(block_1));
}

TARGET static void NAME(magnitudes)(const float *restrict real, const float *restrict imaginary,
                                    float *restrict to, int bins)
{
    for (int bin = 0; bin < bins; bin++)
        to[bin] = sqrtf(real[bin] * real[bin] + imaginary[bin] * imaginary[bin]);
}

TARGET static void NAME(step)(const float *gates, float *hidden, float *cell, int units)
{
    for (int unit = 0; unit < units; unit += VECTOR) {
        Floats input = LOAD(gates + unit), forget = LOAD(gates + units + unit);
        Floats proposed = LOAD(gates + 2 * units + unit), output = LOAD(gates + 3 * units + unit);
        to_sigmoid(&input);
        to_sigmoid(&forget);
        to_sigmoid(&output);
        to_tanh(&proposed);
        Floats memory = forget * LOAD(cell + unit) + input * proposed;
        STORE(cell + unit, memory);
        to_tanh(&memory);
        STORE(hidden + unit, output * memory);
    }
}

static const Kernels NAME(kernels) = {WIDTH, NAME(multiply), NAME(magnitudes), NAME(step)};

#undef VECTOR
#undef Floats
#undef Words
#undef Unaligned
#undef exponential
#undef to_sigmoid
#undef to_tanh
#undef INLINE
#undef LOAD
#undef STORE
#undef SPLAT
#undef BLOCK
#undef ALL_COLUMNS
#undef NAME
#undef WIDTH
#undef TARGET
#undef MANY_ROWS
#undef MANY_ROWS_COLUMNS
#undef TWO_ROWS_COLUMNS
#undef ONE_ROW_COLUMNS
