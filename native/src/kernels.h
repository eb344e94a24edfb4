/*
 * The arithmetic of the network of Silero, for one width of vectors: see `kernels_for`.
 *
 * A vector is sixteen floats here; compilers make of it as many registers as the processor needs for them.
 */
#ifndef TRUNKLINE_KERNELS_H
#define TRUNKLINE_KERNELS_H

#define LANES 16 /* floats in a vector */

/* A matrix `[inputs, outputs]`, stored in columns of `LANES`: `[outputs / LANES][inputs][LANES]`. */
typedef struct {
    const float *columns;
    int inputs, outputs; /* `outputs`: a multiple of `LANES` */
} Matrix;

typedef struct {
    int width; /* of a vector register, in bytes; 0 for the plain kernels */

    /*
     * `to[n] = from[n] x matrix + bias`, for `count` rows; with `bias` NULL, what `to` has is added to instead.
     * `is_rectified`: negative results become 0.
     */
    void (*multiply)(const Matrix *matrix, const float *const *from, float *const *to, int count,
                     const float *bias, int is_rectified);

    /* Magnitudes of `bins` complex numbers. */
    void (*magnitudes)(const float *real, const float *imaginary, float *to, int bins);

    /*
     * One step of an LSTM of `units` (a multiple of `LANES`) for one channel.  `gates`: input, forget, cell, output,
     * before their functions; `hidden` and `cell` are replaced.
     */
    void (*step)(const float *gates, float *hidden, float *cell, int units);
} Kernels;

/* The kernels in plain C, for any compiler. */
extern const Kernels plain_kernels;

/* The fastest kernels of this processor whose registers have at most `most` bytes. */
const Kernels *kernels_for(int most);

#endif
