// Kernels of device.Curves, over whole batches: see curves.cuh and gaussians.cuh.
#include "curves.cuh"
#include "gaussians.cuh"
#include "rows.cuh"
#include "samples.cuh"

// CURVE_KERNELS(NAME, KIND, Q): curve_NAME: x = y; logdet[n] += sum log dy/dx. uncurve_NAME: the inverse. Launch and scratch: cells(c, n, p).
// curve_backward_NAME: y in x and dy in dx become x and its gradient, params their own. uncurve_backward_NAME: x and dx become y and its
// gradient, through the inverse. Launch: rows(c, m). Q is the number of parameters.
#define CURVE_KERNELS(NAME, KIND, Q)                                                                                              \
    KERNEL(128, 3)                                                                                                                \
    curve_##NAME(int c, int n, int p, int group, int tiles, int channels, int k, int on, float lo, float size, float scale,       \
                 float *params, float *x, float *logdet, float *part) {                                                           \
        Spline s = {k, on, lo, size, scale};                                                                                      \
        i64 m = (i64)n * p, more = m * ((Q) - 1);                                                                                 \
        per_sample({c, n, p, group, tiles, channels}, aligned(params) && aligned(x), 1, logdet, part,                             \
                   [&](auto way, int c, i64 i, int count) {                                                                       \
                       Quad q = load(way, x + i, count);                                                                          \
                       Quad terms = KIND::forward(s, Params<decltype(way)>{params + c * more + i, (int)m, count}, q);             \
                       store(way, x + i, q, count);                                                                               \
                       return terms;                                                                                              \
                   });                                                                                                            \
    }                                                                                                                             \
    KERNEL(128, 3)                                                                                                                \
    uncurve_##NAME(int c, int n, int p, int group, int tiles, int channels, int k, int on, float lo, float size, float scale,     \
                   float *params, float *x, float *logdet, float *part) {                                                         \
        Spline s = {k, on, lo, size, scale};                                                                                      \
        i64 m = (i64)n * p, more = m * ((Q) - 1);                                                                                 \
        per_sample({c, n, p, group, tiles, channels}, aligned(params) && aligned(x), -1, logdet, part,                            \
                   [&](auto way, int c, i64 i, int count) {                                                                       \
                       Quad q = load(way, x + i, count);                                                                          \
                       Quad terms = KIND::inverse(s, Params<decltype(way)>{params + c * more + i, (int)m, count}, q);             \
                       store(way, x + i, q, count);                                                                               \
                       return terms;                                                                                              \
                   });                                                                                                            \
    }                                                                                                                             \
    KERNEL(256, 1)                                                                                                                \
    curve_backward_##NAME(int m, int span, int tiles, int k, int on, float lo, float size, float scale, float dld, float *params, \
                          float *x, float *dx) {                                                                                  \
        Part r = part_of(m, span, tiles);                                                                                         \
        Spline s = {k, on, lo, size, scale};                                                                                      \
        params += (i64)r.c * m * ((Q) - 1) + r.start, x += r.start, dx += r.start;                                                \
        bool wide = aligned(params) && aligned(x) && aligned(dx) && m % 4 == 0;                                                   \
        quads(r.count, threadIdx.x, blockDim.x, wide, [&](auto way, i64 i, int count) {                                           \
            Quad q = load(way, x + i, count), d = load(way, dx + i, count);                                                       \
            KIND::backward(s, Params<decltype(way)>{params + i, m, count}, dld, q, d);                                            \
            store(way, x + i, q, count), store(way, dx + i, d, count);                                                            \
        });                                                                                                                       \
    }                                                                                                                             \
    KERNEL(256, 1)                                                                                                                \
    uncurve_backward_##NAME(int m, int span, int tiles, int k, int on, float lo, float size, float scale, float dld, float *params,\
                          float *x, float *dx) {                                                                                  \
        Part r = part_of(m, span, tiles);                                                                                         \
        Spline s = {k, on, lo, size, scale};                                                                                      \
        params += (i64)r.c * m * ((Q) - 1) + r.start, x += r.start, dx += r.start;                                                \
        bool wide = aligned(params) && aligned(x) && aligned(dx) && m % 4 == 0;                                                   \
        quads(r.count, threadIdx.x, blockDim.x, wide, [&](auto way, i64 i, int count) {                                           \
            Quad q = load(way, x + i, count), d = load(way, dx + i, count);                                                       \
            back<KIND>(s, Params<decltype(way)>{params + i, m, count}, (Q), dld, q, d);                                           \
            store(way, x + i, q, count), store(way, dx + i, d, count);                                                            \
        });                                                                                                                       \
    }

CURVE_KERNELS(affine, Affine, 2)
CURVE_KERNELS(linear, Linear, s.k)
CURVE_KERNELS(quadratic, Quadratic, s.k + s.knots())
CURVE_KERNELS(rational, Rational, 2 * s.k + s.knots())
CURVE_KERNELS(logistic, Logistic, 2 + 3 * s.k)
CURVE_KERNELS(gauss, Gauss, 3 * s.k)
