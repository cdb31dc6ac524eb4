// Whole buffers: fill, copy, axpy, blend. Two to three accesses an element and next to no arithmetic.
//
// Launch: flat(n), that is 256 threads, a quad of elements each, at most 2048 blocks that stride over the rest.
#include "common.cuh"

// fill: x[i] = v.
KERNEL(256, 4) fill(i64 n, float v, float *x) {
    flat(n, aligned(x), [&](auto way, i64 i, int count) { store(way, x + i, {v, v, v, v}, count); });
}

// copy: dst[i] = src[i].
KERNEL(256, 4) copy(i64 n, const float *src, float *dst) {
    flat(n, aligned(src) && aligned(dst),
         [&](auto way, i64 i, int count) { store(way, dst + i, load(way, src + i, count), count); });
}

// axpy: y[i] += a*x[i]. Also the additive coupling, forward with a = 1 and inverse with a = -1.
KERNEL(256, 4) axpy(i64 n, float a, const float *x, float *y) {
    flat(n, aligned(x) && aligned(y), [&](auto way, i64 i, int count) {
        Quad u = load(way, x + i, count), v = load(way, y + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) v.v[e] = fmaf(a, u.v[e], v.v[e]);
        store(way, y + i, v, count);
    });
}

// scale: y[i] = a*x[i]. Also the gradient of the Gaussian log-probability, with a = -dlp.
KERNEL(256, 4) scale(i64 n, float a, const float *x, float *y) {
    flat(n, aligned(x) && aligned(y), [&](auto way, i64 i, int count) {
        Quad u = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) u.v[e] *= a;
        store(way, y + i, u, count);
    });
}

// blend: y[i] = rho*y[i] + (1-rho)*x[i].
KERNEL(256, 4) blend(i64 n, float rho, const float *x, float *y) {
    flat(n, aligned(x) && aligned(y), [&](auto way, i64 i, int count) {
        Quad u = load(way, x + i, count), v = load(way, y + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) v.v[e] = fmaf(rho, v.v[e], (1 - rho) * u.v[e]);
        store(way, y + i, v, count);
    });
}

// widen: y[i] = x[i] of bytes, such as intensities; x is on a 4-byte boundary.
KERNEL(256, 4) widen(i64 n, const unsigned char *x, float *y) {
    flat(n, aligned(y), [&](auto way, i64 i, int count) {
        Quad v;
        if (count == 4) {
            uchar4 u = *reinterpret_cast<const uchar4 *>(x + i);
            v = {float(u.x), float(u.y), float(u.z), float(u.w)};
        } else {
#pragma unroll
            for (int e = 0; e < 4; e++) v.v[e] = e < count ? x[i + e] : 0;
        }
        store(way, y + i, v, count);
    });
}
