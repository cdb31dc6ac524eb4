// Activation normalisation: a scale and a shift per channel (Kingma, Dhariwal, "Glow", 2018, section 3.1).
//
// Launch: rows(c, m): a block for each span of columns of a row.
#include "stats.cuh"

// each_row maps the block's part of a row of x in place by f(value).
template <class F> __device__ __forceinline__ void each_row(int m, int span, int tiles, float *x, F f) {
    Part r = part_of(m, span, tiles);
    x += r.start;
    auto g = f(r.c);
    quads(r.count, threadIdx.x, blockDim.x, aligned(x), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] = g(q.v[e]);
        store(way, x + i, q, count);
    });
}

// actnorm: x[c,m] = (x[c,m] + b[c]) * exp(logs[c]).
KERNEL(256, 4) actnorm(int m, int span, int tiles, const float *logs, const float *b, float *x) {
    each_row(m, span, tiles, x, [&](int c) {
        float e = expf(logs[c]), s = b[c];
        return [=](float v) { return (v + s) * e; };
    });
}

// actnorm_inverse: x[c,m] = x[c,m]*exp(-logs[c]) - b[c].
KERNEL(256, 4) actnorm_inverse(int m, int span, int tiles, const float *logs, const float *b, float *x) {
    each_row(m, span, tiles, x, [&](int c) {
        float e = expf(-logs[c]), s = b[c];
        return [=](float v) { return fmaf(v, e, -s); };
    });
}

// actnorm_backward takes y in x and dy in dx and leaves x and its gradient there.
//
//	dlogs[c] += dld + sum_m dy*y;  dx = dy*exp(logs[c]);  db[c] += sum_m dx
//
// Scratch: part [2][C][tiles] where tiles > 1; then row_pairs(C, tiles, dld, part, dlogs, db) finishes.
KERNEL(256, 4)
actnorm_backward(int c, int m, int span, int tiles, float dld, const float *logs, const float *b, float *x, float *dx,
                 float *dlogs, float *db, float *part) {
    Part r = part_of(m, span, tiles);
    x += r.start, dx += r.start;
    float scale = expf(logs[r.c]), back = expf(-logs[r.c]), shift = b[r.c], dl = 0, dsum = 0;
    quads(r.count, threadIdx.x, blockDim.x, aligned(x) && aligned(dx), [&](auto way, i64 i, int count) {
        Quad qx = load(way, x + i, count), qd = load(way, dx + i, count), terms;
#pragma unroll
        for (int e = 0; e < 4; e++) {
            terms.v[e] = qd.v[e] * qx.v[e]; // 0 beyond count: both are
            qd.v[e] *= scale;
            qx.v[e] = fmaf(qx.v[e], back, -shift);
        }
        store(way, x + i, qx, count), store(way, dx + i, qd, count);
        dl += quad_sum(terms), dsum += quad_sum(qd);
    });
    dl = block_sum(dl), dsum = block_sum(dsum);
    row_result(r.c, c, tiles, tiles == 1 ? dl + dld : dl, dsum, dlogs, db, part);
}

// actnorm_init: b[r] = -mean of row r; logs[r] = -log(max(std, 1e-3)), from row_parts (norm.cu). Launch: warps(rows).
KERNEL(128, 4) actnorm_init(int rows, int m, int span, int tiles, const float *x, const float *part, float *logs, float *b) {
    row_moments(rows, m, span, tiles, x, part, [&](int r, Moments s) {
        b[r] = -s.mean;
        logs[r] = -logf(fmaxf(sqrtf(s.variance), 1e-3f));
    });
}
