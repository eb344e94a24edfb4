/*
 * The kernels of the network of Silero, compiled for several processors in one file; no compiler flags are needed.
 *
 * Multiplications and additions may be fused here: results agree with numpy to 1e-5, not to the last bit.
 */
#if defined(__clang__)
#pragma clang fp contract(fast)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=fast", "no-math-errno", "no-trapping-math")
#endif

#include "kernels.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) /* and Clang */

#define NAME(x) basic_##x
#define WIDTH 16
#define TARGET
#if defined(__aarch64__) /* 32 registers */
#define MANY_ROWS 6
#define MANY_ROWS_COLUMNS 1
#define TWO_ROWS_COLUMNS 2
#define ONE_ROW_COLUMNS 4
#else
#define MANY_ROWS 2
#define MANY_ROWS_COLUMNS 1
#define TWO_ROWS_COLUMNS 1
#define ONE_ROW_COLUMNS 2
#endif
#include "kernels_vector.h"

#if defined(__x86_64__)

#define NAME(x) avx2_##x
#define WIDTH 32
#define TARGET __attribute__((target("avx2,fma")))
#define MANY_ROWS 6
#define MANY_ROWS_COLUMNS 1
#define TWO_ROWS_COLUMNS 2
#define ONE_ROW_COLUMNS 4
#include "kernels_vector.h"

#define NAME(x) avx512_##x
#define WIDTH 64
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma")))
#define MANY_ROWS 6
#define MANY_ROWS_COLUMNS 2
#define TWO_ROWS_COLUMNS 4
#define ONE_ROW_COLUMNS 4
#include "kernels_vector.h"

static const Kernels *of_this_processor(int most)
{
    __builtin_cpu_init();
    /* Processors with VBMI2 are those that do not lower their clock for 512 bits. */
    int is_wide = __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (most >= avx512_kernels.width && is_wide)
        return &avx512_kernels;
    if (most >= avx2_kernels.width && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &avx2_kernels;
    return &basic_kernels;
}

#else

static const Kernels *of_this_processor(int most)
{
    (void)most;
    return &basic_kernels;
}

#endif

const Kernels *kernels_for(int most)
{
    return most >= basic_kernels.width ? of_this_processor(most) : &plain_kernels;
}

#else /* another compiler */

const Kernels *kernels_for(int most)
{
    (void)most;
    return &plain_kernels;
}

#endif
