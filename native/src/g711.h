/* The codes of G.711 (ITU-T G.711, 1988). */
#ifndef TRUNKLINE_G711_H
#define TRUNKLINE_G711_H

#include "module.h"

enum { MULAW, ALAW, LAWS };

/* The sample of each code. */
extern int16_t g711_samples[LAWS][256];

/* For each sample, taken as unsigned, 1 more than its code; 0 if it has none. */
extern uint16_t g711_codes[LAWS][65536];

/* Fill the tables. */
void g711_module_init(void);

/* A function of the module: see `pack` in streaming/audio/compiled.py. */
PyObject *g711_pack(PyObject *module, PyObject *args);

#endif
