/* The codes of G.711.  Equal to protocol/audio.py. */
#include "g711.h"

#include <string.h>

int16_t g711_samples[LAWS][256];

uint16_t g711_codes[LAWS][65536];

static int16_t from_mulaw(int code)
{
    code = ~code & 0xFF;
    int size = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84;
    return (int16_t)(code & 0x80 ? -size : size);
}

static int16_t from_alaw(int code)
{
    code ^= 0x55;
    int part = (code & 0x70) >> 4, size = ((code & 0x0F) << 4) + (part ? 0x108 : 8);
    size = part > 1 ? size << (part - 1) : size;
    return (int16_t)(code & 0x80 ? size : -size);
}

void g711_module_init(void)
{
    for (int code = 255; code >= 0; code--) { /* of two codes for one sample, `encode` takes the first */
        g711_samples[MULAW][code] = from_mulaw(code);
        g711_samples[ALAW][code] = from_alaw(code);
        for (int law = 0; law < LAWS; law++)
            g711_codes[law][(uint16_t)g711_samples[law][code]] = (uint16_t)(code + 1);
    }
}

PyObject *g711_pack(PyObject *module, PyObject *args)
{
    Py_buffer samples;
    int is_alaw;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*p", &samples, &is_alaw))
        return NULL;
    Py_ssize_t count = samples.len / 2, at = 0;
    PyObject *packed = PyBytes_FromStringAndSize(NULL, count);
    char *to = packed == NULL ? NULL : PyBytes_AsString(packed);
    for (; to != NULL && at < count; at++) {
        uint16_t sample;
        memcpy(&sample, (const char *)samples.buf + 2 * at, sizeof sample);
        uint16_t code = g711_codes[is_alaw][sample];
        if (code == 0)
            break;
        to[at] = (char)(code - 1);
    }
    PyBuffer_Release(&samples);
    if (packed == NULL || at == count)
        return packed;
    Py_DECREF(packed);
    Py_RETURN_NONE;
}
