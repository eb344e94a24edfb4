/* The kernels of the network of Silero in plain C: for compilers without vectors, and to test the others. */
#include "kernels.h"

#include <math.h>
#include <stddef.h>

static void multiply(const Matrix *matrix, const float *const *from, float *const *to, int count,
                     const float *bias, int is_rectified)
{
    for (int row = 0; row < count; row++)
        for (int column = 0; column < matrix->outputs; column += LANES) {
            const float *weights = matrix->columns + (size_t)column * matrix->inputs;
            float sums[LANES];
            for (int at = 0; at < LANES; at++)
                sums[at] = (bias ? bias : to[row])[column + at];
            for (int input = 0; input < matrix->inputs; input++, weights += LANES)
                for (int at = 0; at < LANES; at++)
                    sums[at] += weights[at] * from[row][input];
            for (int at = 0; at < LANES; at++)
                to[row][column + at] = is_rectified && !(sums[at] > 0.0f) ? 0.0f : sums[at];
        }
}

static void magnitudes(const float *real, const float *imaginary, float *to, int bins)
{
    for (int bin = 0; bin < bins; bin++)
        to[bin] = sqrtf(real[bin] * real[bin] + imaginary[bin] * imaginary[bin]);
}

static float sigmoid(float value)
{
    return 0.5f + 0.5f * tanhf(0.5f * value);
}

static void step(const float *gates, float *hidden, float *cell, int units)
{
    for (int unit = 0; unit < units; unit++) {
        float input = sigmoid(gates[unit]), forget = sigmoid(gates[units + unit]);
        cell[unit] = forget * cell[unit] + input * tanhf(gates[2 * units + unit]);
        hidden[unit] = sigmoid(gates[3 * units + unit]) * tanhf(cell[unit]);
    }
}

const Kernels plain_kernels = {0, multiply, magnitudes, step};
