/* The network of Silero as an object in Python. */
#include "network.h"

#include <string.h>

#define CACHE_LINE 64

static const struct {
    const char *name;
    int inputs, outputs;
} SHAPES[MATRICES] = {
    {"transform", FRAME, 2 * BINS}, {"first", 3 * BINS, 128},
    {"second", 3 * 128, 64},        {"third", 2 * 64, 64},
    {"fourth", 64, 128},            {"input_gates", 128, GATES},
    {"memory_gates", SILERO_UNITS, GATES},
};

PyTypeObject *network_type;

/* Copy the floats of an object with a buffer.  Returns -1 with an error set unless they are `count`. */
static int copy_floats(PyObject *object, float *to, Py_ssize_t count, const char *name)
{
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_ND) < 0)
        return -1;
    int is_right = view.itemsize == sizeof(float) && view.len == count * (Py_ssize_t)sizeof(float);
    if (is_right)
        memcpy(to, view.buf, (size_t)view.len);
    else
        PyErr_Format(PyExc_ValueError, "%s must be %zd numbers of 32 bits", name, count);
    PyBuffer_Release(&view);
    return is_right ? 0 : -1;
}

/* The place of output `column` of a matrix among its columns; the transform is stored as `PARTS` describes. */
static int place_of(int number, int column)
{
    if (number != TRANSFORM)
        return column;
    int is_last = column % BINS == BINS - 1, is_imaginary = column >= BINS;
    return is_last ? 2 * (BINS - 1) + is_imaginary : column - is_imaginary;
}

/* Take a matrix `[inputs, outputs]`.  Returns -1 with an error set. */
static int set_matrix(Network *self, int number, PyObject *object)
{
    int inputs = SHAPES[number].inputs, outputs = SHAPES[number].outputs;
    int columns = number == TRANSFORM ? PARTS : outputs;
    Py_ssize_t count = (Py_ssize_t)inputs * outputs;
    float *rows = PyMem_Malloc((size_t)count * sizeof(float));
    void *room = PyMem_Calloc((size_t)inputs * columns * sizeof(float) + CACHE_LINE, 1);
    if (rows == NULL || room == NULL || copy_floats(object, rows, count, SHAPES[number].name) < 0) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        PyMem_Free(rows);
        PyMem_Free(room);
        return -1;
    }
    float *stored = (float *)(((uintptr_t)room + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    for (int input = 0; input < inputs; input++)
        for (int output = 0; output < outputs; output++) {
            int column = place_of(number, output);
            size_t block = (size_t)(column / LANES) * inputs + input;
            stored[block * LANES + column % LANES] = rows[(size_t)input * outputs + output];
        }
    PyMem_Free(rows);
    self->weights[number] = room;
    self->matrices[number] = (Matrix){stored, inputs, columns};
    return 0;
}

static int network_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"matrices", "biases", "output", "output_bias", "width", NULL};
    Network *self = (Network *)object;
    PyObject *matrices, *biases, *output;
    int width = 64;
    if (self->kernels != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the network has its weights already");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!Of|i", names, &PyTuple_Type, &matrices, &PyTuple_Type,
                                     &biases, &output, &self->output_bias, &width))
        return -1;
    if (PyTuple_Size(matrices) != MATRICES || PyTuple_Size(biases) != INPUT - FIRST + 1) {
        PyErr_SetString(PyExc_ValueError, "the network has 7 matrices and 5 biases");
        return -1;
    }
    for (int number = 0; number < MATRICES; number++)
        if (self->weights[number] == NULL && set_matrix(self, number, PyTuple_GetItem(matrices, number)) < 0)
            return -1;
    for (int number = FIRST; number <= INPUT; number++)
        if (copy_floats(PyTuple_GetItem(biases, number - FIRST), self->biases[number], SHAPES[number].outputs,
                        "a bias") < 0)
            return -1;
    if (copy_floats(output, self->output, SILERO_UNITS, "output") < 0)
        return -1;
    self->kernels = kernels_for(width);
    return 0;
}

static void network_dealloc(PyObject *object)
{
    for (int number = 0; number < MATRICES; number++)
        PyMem_Free(((Network *)object)->weights[number]);
    free_object(object);
}

/* The samples of a query from Python: int16, at most CONTEXT + MOST * WINDOW, the windows at their end. */
static int take_samples(Query *query, PyObject *samples, int16_t *room)
{
    Samples taken = {0};
    Py_ssize_t count = samples_take(&taken, samples);
    int most = SILERO_CONTEXT + query->count * SILERO_WINDOW;
    int is_right = count >= most - SILERO_CONTEXT && count <= most;
    if (is_right) {
        memcpy(room, taken.data, (size_t)count * sizeof(int16_t));
        query->samples = room;
        query->from = (int)count;
    } else if (count >= 0)
        PyErr_SetString(PyExc_ValueError, "samples must be those of the windows, and at most 32 before them");
    samples_free(&taken);
    return is_right ? 0 : -1;
}

static PyObject *network_predict(PyObject *object, PyObject *args)
{
    Query query;
    PyObject *samples;
    const char *memory;
    Py_ssize_t size;
    int16_t room[SILERO_CONTEXT + SILERO_MOST * SILERO_WINDOW];
    if (!PyArg_ParseTuple(args, "Oiy#", &samples, &query.count, &memory, &size))
        return NULL;
    if (query.count < 1 || query.count > SILERO_MOST || size != (Py_ssize_t)sizeof query.memory)
        return PyErr_Format(PyExc_ValueError, "a query has 1 to %d windows, and a memory of 256 floats",
                            SILERO_MOST);
    memcpy(&query.memory, memory, sizeof query.memory);
    Query *queries[] = {&query};
    if (take_samples(&query, samples, room) < 0 ||
        network_answer(object, queries, 1) < 0)
        return NULL;
    PyObject *found = PyList_New(query.count);
    for (int at = 0; found != NULL && at < query.count; at++)
        if (PyList_SetItem(found, at, PyFloat_FromDouble(query.probabilities[at])) < 0)
            Py_CLEAR(found);
    if (found == NULL)
        return NULL;
    return Py_BuildValue("(Ny#)", found, (const char *)&query.memory, (Py_ssize_t)sizeof query.memory);
}

static PyObject *network_width(PyObject *object, void *unused)
{
    const Kernels *kernels = ((Network *)object)->kernels;
    (void)unused;
    return PyLong_FromLong(kernels == NULL ? 0 : kernels->width);
}

static PyMethodDef network_methods[] = {
    {"predict", network_predict, METH_VARARGS,
     "Take samples, the number of windows in them, and the memory before.  Returns the probabilities of speech and "
     "the memory after."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef network_attributes[] = {
    {"width", network_width, NULL, "Bytes of the vector registers in use; 0 for plain C.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot network_slots[] = {
    {Py_tp_doc, "The network of Silero."},
    {Py_tp_init, network_init},
    {Py_tp_dealloc, network_dealloc},
    {Py_tp_methods, network_methods},
    {Py_tp_getset, network_attributes},
    {0, NULL},
};

PyType_Spec network_spec = {"trunkline_native.SileroNetwork", sizeof(Network), 0, Py_TPFLAGS_DEFAULT,
                            network_slots};
