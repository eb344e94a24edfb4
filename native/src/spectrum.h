/* Power spectra of blocks of line quality. */
#ifndef TRUNKLINE_SPECTRUM_H
#define TRUNKLINE_SPECTRUM_H

#include <stdint.h>

#define BLOCK 2000 /* samples of a block: 250 ms at 8 kHz */
#define QUARTER (BLOCK / 4)
#define BINS (BLOCK / 2 + 1)

/* Compute the tables. */
void spectrum_module_init(void);

/* `power[0]` to `power[BLOCK / 2]`: the power spectrum of `BLOCK` samples under a Hann window. */
void block_spectrum(const int16_t *samples, float *power);

/* The same of `QUARTER` samples: `power[0]` to `power[QUARTER / 2]`. */
void quarter_spectrum(const int16_t *samples, float *power);

#endif
