// Couplings: two parameters t, s per element move x by a scale exp(ls) and a shift, and sum ls is the log-determinant.
// The laws are those of device.Law, e = exp(ls):
//
//	sigmoid  y = (x+t)*e   ls = log sigmoid(s+2)    Kingma, Dhariwal, "Glow", 2018
//	exp      y = x*e + t   ls = 2*tanh(s/2)
//	tanh     y = x*e + t   ls = g[c]*tanh(s)        Dinh, Sohl-Dickstein, Bengio, "Density estimation using Real NVP", 2017
//	gauss    y = (x+t)*e   ls = 6*tanh(s/6)
//
// The additive law has no scale: its forward and inverse are axpy. x is [C][N][P], st is [2][C][N][P]: t, then s.
#include "rows.cuh"
#include "samples.cuh"

enum Law { Sigmoid, Exp, Tanh, Gauss };

// Shift says that t is added before the scale.
__device__ constexpr bool shift_first(Law law) { return law == Sigmoid || law == Gauss; }

// Scale is ls and its derivatives by s and, for Tanh, by g.
struct Scale { float ls, ds, dg; };

template <Law LAW> __device__ __forceinline__ Scale scale_of(float s, float g) {
    if (LAW == Sigmoid) { // log sigmoid(z) = min(z, 0) - log(1 + exp(-|z|)), its derivative sigmoid(-z)
        float z = s + 2, q = expf(-fabsf(z));
        return {fminf(z, 0) - log1pf(q), (z > 0 ? q : 1) / (1 + q), 0};
    }
    float most = LAW == Exp ? 2 : LAW == Gauss ? 6 : g;
    float inner = LAW == Exp ? 0.5f : LAW == Gauss ? 1.0f / 6 : 1;
    float t = tanhf(inner * s);
    return {most * t, (LAW == Tanh ? g : 1) * fmaf(-t, t, 1), t};
}

// forward: x = y; logdet[n] += sum_{c,p} ls.
template <Law LAW>
__device__ __forceinline__ void forward(Cells r, const float *g, const float *st, float *x, float *logdet, float *part) {
    const float *t = st, *s = st + (i64)r.c * r.n * r.p;
    per_sample(r, aligned(t) && aligned(s) && aligned(x), 1, logdet, part, [&](auto way, int c, i64 i, int count) {
        Quad qx = load(way, x + i, count), qt = load(way, t + i, count), qs = load(way, s + i, count);
        float gc = LAW == Tanh ? g[c] : 0;
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float ls = scale_of<LAW>(qs.v[e], gc).ls, scale = expf(ls);
            qx.v[e] = shift_first(LAW) ? (qx.v[e] + qt.v[e]) * scale : fmaf(qx.v[e], scale, qt.v[e]);
            qs.v[e] = ls;
        }
        store(way, x + i, qx, count);
        return qs;
    });
}

// inverse: y in x becomes x; logdet[n] -= sum_{c,p} ls.
template <Law LAW>
__device__ __forceinline__ void inverse(Cells r, const float *g, const float *st, float *x, float *logdet, float *part) {
    const float *t = st, *s = st + (i64)r.c * r.n * r.p;
    per_sample(r, aligned(t) && aligned(s) && aligned(x), -1, logdet, part, [&](auto way, int c, i64 i, int count) {
        Quad qx = load(way, x + i, count), qt = load(way, t + i, count), qs = load(way, s + i, count);
        float gc = LAW == Tanh ? g[c] : 0;
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float ls = scale_of<LAW>(qs.v[e], gc).ls, scale = expf(-ls);
            qx.v[e] = shift_first(LAW) ? fmaf(qx.v[e], scale, -qt.v[e]) : (qx.v[e] - qt.v[e]) * scale;
            qs.v[e] = ls;
        }
        store(way, x + i, qx, count);
        return qs;
    });
}

// backward takes y in x and dy in dx and leaves x and its gradient there; st becomes its gradient:
//
//	(x+t)*e: x = y/e - t; dt = dx' = dy*e; dls = dy*y + dld
//	x*e + t: x = (y-t)/e; dt = dy; dx' = dy*e; dls = dy*(y-t) + dld
//	ds = dls * dls/ds;  Tanh: dg[c] += sum_{n,p} dls*tanh(s)
//
// Launch: rows(c, m). Scratch for Tanh: part [C][tiles] where tiles > 1, and then row_sums(C, tiles, 0, part, dg) finishes.
template <Law LAW>
__device__ __forceinline__ void backward(int rows, int m, int span, int tiles, float dld, const float *g, float *st, float *x,
                                         float *dx, float *dg, float *part) {
    Part r = part_of(m, span, tiles);
    float *t = st + r.start, *s = st + (i64)rows * m + r.start, gc = LAW == Tanh ? g[r.c] : 0, sum = 0;
    x += r.start, dx += r.start;
    bool wide = aligned(t) && aligned(s) && aligned(x) && aligned(dx);
    quads(r.count, threadIdx.x, blockDim.x, wide, [&](auto way, i64 i, int count) {
        Quad qx = load(way, x + i, count), qd = load(way, dx + i, count);
        Quad qt = load(way, t + i, count), qs = load(way, s + i, count), terms = {};
#pragma unroll
        for (int e = 0; e < 4; e++) {
            Scale k = scale_of<LAW>(qs.v[e], gc);
            float scale = expf(k.ls), back = expf(-k.ls), y = qx.v[e], dy = qd.v[e], t = qt.v[e];
            float dls = fmaf(dy, shift_first(LAW) ? y : y - t, dld);
            qx.v[e] = shift_first(LAW) ? fmaf(y, back, -t) : (y - t) * back;
            qd.v[e] = dy * scale;
            qt.v[e] = shift_first(LAW) ? dy * scale : dy;
            qs.v[e] = dls * k.ds;
            terms.v[e] = e < count ? dls * k.dg : 0;
        }
        store(way, x + i, qx, count), store(way, dx + i, qd, count);
        store(way, t + i, qt, count), store(way, s + i, qs, count);
        sum += quad_sum(terms);
    });
    if (LAW != Tanh) return;
    sum = block_sum(sum);
    if (threadIdx.x) return;
    if (tiles == 1)
        dg[r.c] += sum;
    else
        part[blockIdx.x] = sum;
}

// g, dg and the scratch of backward are for Tanh only.
#define LAW_KERNELS(NAME, LAW)                                                                                             \
    KERNEL(128, 4)                                                                                                         \
    coupling_forward_##NAME(int c, int n, int p, int group, int tiles, int channels, const float *g, const float *st,      \
                            float *x, float *logdet, float *part) {                                                        \
        forward<LAW>({c, n, p, group, tiles, channels}, g, st, x, logdet, part);                                           \
    }                                                                                                                      \
    KERNEL(128, 4)                                                                                                         \
    coupling_inverse_##NAME(int c, int n, int p, int group, int tiles, int channels, const float *g, const float *st,      \
                            float *x, float *logdet, float *part) {                                                        \
        inverse<LAW>({c, n, p, group, tiles, channels}, g, st, x, logdet, part);                                           \
    }                                                                                                                      \
    KERNEL(256, 2)                                                                                                         \
    coupling_backward_##NAME(int c, int m, int span, int tiles, float dld, const float *g, float *st, float *x, float *dx, \
                             float *dg, float *part) {                                                                     \
        backward<LAW>(c, m, span, tiles, dld, g, st, x, dx, dg, part);                                                     \
    }

LAW_KERNELS(sigmoid, Sigmoid)
LAW_KERNELS(exp, Exp)
LAW_KERNELS(tanh, Tanh)
LAW_KERNELS(gauss, Gauss)

// coupling_backward_additive: y = x + t: x = y - t in place, t becomes dt = dy; dy is dx already. Launch: flat(n).
KERNEL(256, 4) coupling_backward_additive(i64 n, const float *dx, float *t, float *x) {
    flat(n, aligned(dx) && aligned(t) && aligned(x), [&](auto way, i64 i, int count) {
        Quad qd = load(way, dx + i, count), qt = load(way, t + i, count), qx = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) qx.v[e] -= qt.v[e];
        store(way, x + i, qx, count), store(way, t + i, qd, count);
    });
}
