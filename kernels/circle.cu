// Angles: flows on circles. Launch of each: flat(n).
#include "common.cuh"

// wrap: x[i] -= 2 pi floor((x[i] + pi)/(2 pi)), in place. 2 pi is taken in two parts, so that a whole turn loses no digits.
KERNEL(256, 4) wrap(i64 n, float *x) {
    constexpr float pi = 3.14159265358979f, turn = 6.28318530717959f, rest = -1.7484555e-7f;
    flat(n, aligned(x), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float k = floorf((q.v[e] + pi) / turn);
            q.v[e] = fmaf(-k, rest, fmaf(-k, turn, q.v[e]));
        }
        store(way, x + i, q, count);
    });
}

// angles: y[i] = cos x[i], y[n+i] = sin x[i].
KERNEL(256, 4) angles(i64 n, const float *x, float *y) {
    float *sines = y + n;
    flat(n, aligned(x) && aligned(y) && aligned(sines), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count), c;
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float halves = q.v[e] * 0.318309886183790672f; // half turns: no reduction of the argument is needed
            sincospif(halves, &q.v[e], &c.v[e]);
        }
        store(way, y + i, c, count);
        store(way, sines + i, q, count);
    });
}

// angles_backward: dx[i] += y[i]*dy[n+i] - y[n+i]*dy[i].
KERNEL(256, 4) angles_backward(i64 n, const float *y, const float *dy, float *dx) {
    const float *sines = y + n, *dsines = dy + n;
    bool wide = aligned(y) && aligned(sines) && aligned(dy) && aligned(dsines) && aligned(dx);
    flat(n, wide, [&](auto way, i64 i, int count) {
        Quad c = load(way, y + i, count), s = load(way, sines + i, count), dc = load(way, dy + i, count),
             ds = load(way, dsines + i, count), d = load(way, dx + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) d.v[e] += c.v[e] * ds.v[e] - s.v[e] * dc.v[e];
        store(way, dx + i, d, count);
    });
}
