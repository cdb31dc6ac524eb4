// The end of a gated residual block: van den Oord et al., "Conditional image generation with PixelCNN decoders", 2016. ab is all a, then
// all b, n each.
#include "common.cuh"

__device__ __forceinline__ float gate_sigmoid(float x) {
    float e = expf(-fabsf(x));
    return (x > 0 ? 1 : e) / (1 + e);
}

// gate: x[i] += a[i]*sigmoid(b[i]). Launch: flat(n).
KERNEL(256, 4) gate(i64 n, const float *ab, float *x) {
    const float *b = ab + n;
    flat(n, aligned(ab) && aligned(b) && aligned(x), [&](auto way, i64 i, int count) {
        Quad p = load(way, ab + i, count), q = load(way, b + i, count), y = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) y.v[e] = fmaf(p.v[e], gate_sigmoid(q.v[e]), y.v[e]);
        store(way, x + i, y, count);
    });
}

// gate_backward: with s = sigmoid(b): a = dx*s; b = dx*a*s*(1-s). Launch: flat(n).
KERNEL(256, 4) gate_backward(i64 n, float *ab, const float *dx) {
    float *b = ab + n;
    flat(n, aligned(ab) && aligned(b) && aligned(dx), [&](auto way, i64 i, int count) {
        Quad p = load(way, ab + i, count), q = load(way, b + i, count), g = load(way, dx + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float s = gate_sigmoid(q.v[e]), da = g.v[e] * s;
            q.v[e] = da * p.v[e] * (1 - s), p.v[e] = da;
        }
        store(way, ab + i, p, count);
        store(way, b + i, q, count);
    });
}
