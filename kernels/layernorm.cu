// Layer normalisation (Ba, Kiros and Hinton, 2016) over the channels of each column, and GELU (Hendrycks and Gimpel, 2016).
#include "rows.cuh"

// Columns is a block's 32 columns of x [C][M]: a thread has four neighbours of them in every 32nd channel.
struct Columns {
    int c, m, first, group, count; // first column and channel of the thread, columns that exist
    bool wide;
    template <class F> __device__ __forceinline__ void each(F f) const {
        if (count <= 0) return;
        for (int i = group; i < c; i += 32)
            if (wide)
                f(Wide{}, i, (i64)i * m + first, 4);
            else
                f(Narrow{}, i, (i64)i * m + first, count);
    }
};

__device__ __forceinline__ Columns columns(int c, int m, bool wide) {
    int first = blockIdx.x * 32 + threadIdx.x % 8 * 4, count = min(4, m - first);
    return {c, m, first, (int)threadIdx.x / 8, count, wide && m % 4 == 0 && count == 4};
}

// over_channels gives every thread the sums of its columns over all channels: threads of a warp, then warps, in fixed order.
__device__ __forceinline__ Quad over_channels(Quad q) {
    __shared__ __align__(16) float sums[8][32];
#pragma unroll
    for (int e = 0; e < 4; e++) {
        q.v[e] += __shfl_xor_sync(allLanes, q.v[e], 8);
        q.v[e] += __shfl_xor_sync(allLanes, q.v[e], 16);
    }
    __syncthreads(); // whoever still reads the last sums
    if (threadIdx.x % 32 < 8) keep(&sums[threadIdx.x / 32][threadIdx.x % 8 * 4], q);
    __syncthreads();
    Quad all = {};
#pragma unroll
    for (int w = 0; w < 8; w++) {
        Quad s = load(Wide{}, &sums[w][threadIdx.x % 8 * 4], 4);
#pragma unroll
        for (int e = 0; e < 4; e++) all.v[e] += s.v[e];
    }
    return all;
}

// layer_norm: stats[0,m] = mean, stats[1,m] = 1/sqrt(variance+eps), y = gamma*(x-mean)*rstd + beta. Launch: columns(m): 256 threads.
KERNEL(256, 4)
layer_norm(int c, int m, float eps, const float *gamma, const float *beta, const float *x, float *y, float *stats) {
    Columns g = columns(c, m, aligned(x) && aligned(y));
    Quad mean = {}, rstd = {};
    g.each([&](auto way, int, i64 at, int count) {
        Quad q = load(way, x + at, count);
#pragma unroll
        for (int e = 0; e < 4; e++) mean.v[e] += q.v[e];
    });
    mean = over_channels(mean);
#pragma unroll
    for (int e = 0; e < 4; e++) mean.v[e] /= c;
    g.each([&](auto way, int, i64 at, int count) {
        Quad q = load(way, x + at, count);
#pragma unroll
        for (int e = 0; e < 4; e++) rstd.v[e] = fmaf(q.v[e] - mean.v[e], q.v[e] - mean.v[e], rstd.v[e]);
    });
    rstd = over_channels(rstd);
#pragma unroll
    for (int e = 0; e < 4; e++) rstd.v[e] = 1 / sqrtf(rstd.v[e] / c + eps);
    g.each([&](auto way, int i, i64 at, int count) {
        Quad q = load(way, x + at, count);
        float k = gamma[i], b = beta[i];
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] = fmaf((q.v[e] - mean.v[e]) * rstd.v[e], k, b);
        store(way, y + at, q, count);
    });
    if (g.group == 0 && g.count > 0) {
        store(Narrow{}, stats + g.first, mean, g.count);
        store(Narrow{}, stats + m + g.first, rstd, g.count);
    }
}

// layer_norm_backward: dx += rstd*(g - mean_c g - xh*mean_c(g*xh)), g = gamma*dy. Launch: columns(m).
KERNEL(256, 4)
layer_norm_backward(int c, int m, const float *gamma, const float *x, const float *stats, const float *dy, float *dx) {
    Columns g = columns(c, m, aligned(x) && aligned(dy) && aligned(dx));
    Quad mean = {}, rstd = {}, s0 = {}, s1 = {};
    if (g.count > 0) mean = load(Narrow{}, stats + g.first, g.count), rstd = load(Narrow{}, stats + m + g.first, g.count);
    g.each([&](auto way, int i, i64 at, int count) {
        Quad qx = load(way, x + at, count), qd = load(way, dy + at, count);
        float k = gamma[i];
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float v = k * qd.v[e];
            s0.v[e] += v;
            s1.v[e] = fmaf(v, (qx.v[e] - mean.v[e]) * rstd.v[e], s1.v[e]);
        }
    });
    s0 = over_channels(s0), s1 = over_channels(s1);
    g.each([&](auto way, int i, i64 at, int count) {
        Quad qx = load(way, x + at, count), qd = load(way, dy + at, count), to = load(way, dx + at, count);
        float k = gamma[i];
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float xh = (qx.v[e] - mean.v[e]) * rstd.v[e];
            to.v[e] = fmaf(rstd.v[e], k * qd.v[e] - fmaf(xh, s1.v[e], s0.v[e]) / c, to.v[e]);
        }
        store(way, dx + at, to, count);
    });
}

// layer_norm_params: dgamma[c] += sum_m dy*xh, dbeta[c] += sum_m dy; where a row has several tiles, row_pairs adds up part
// [2][C][tiles]. Launch: rows(c, m).
KERNEL(256, 4)
layer_norm_params(int c, int m, int span, int tiles, const float *x, const float *stats, const float *dy, float *dgamma, float *dbeta,
                  float *part) {
    Part r = part_of(m, span, tiles);
    const float *mean = stats + r.tile * span, *rstd = mean + m;
    x += r.start, dy += r.start;
    float s0 = 0, s1 = 0;
    quads(r.count, threadIdx.x, blockDim.x, aligned(x) && aligned(dy) && aligned(mean) && aligned(rstd), [&](auto way, i64 i, int count) {
        Quad qx = load(way, x + i, count), qd = load(way, dy + i, count), qm = load(way, mean + i, count), qr = load(way, rstd + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) s0 = fmaf(qd.v[e], (qx.v[e] - qm.v[e]) * qr.v[e], s0), s1 += qd.v[e];
    });
    s0 = block_sum(s0), s1 = block_sum(s1);
    row_result(r.c, c, tiles, s0, s1, dgamma, dbeta, part);
}

// 2u = x*(geluLinear + geluCubic*x^2).
constexpr float geluLinear = 2 * 0.79788456080286535588f, geluCubic = geluLinear * 0.044715f;

// sigmoid_2u is 1/(1+exp(-2u)).
__device__ __forceinline__ float sigmoid_2u(float x) { return 1 / (1 + expf(-x * fmaf(geluCubic, x * x, geluLinear))); }

// gelu: y = x*sigmoid(2u). Launch: flat(n).
KERNEL(256, 4) gelu(i64 n, const float *x, float *y) {
    flat(n, aligned(x) && aligned(y), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] *= sigmoid_2u(q.v[e]);
        store(way, y + i, q, count);
    });
}

// gelu_backward: dy *= the derivative at x. Launch: flat(n).
KERNEL(256, 4) gelu_backward(i64 n, const float *x, float *dy) {
    flat(n, aligned(x) && aligned(dy), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count), g = load(way, dy + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float v = q.v[e], s = sigmoid_2u(v);
            g.v[e] *= fmaf(v * s * (1 - s), fmaf(3 * geluCubic, v * v, geluLinear), s);
        }
        store(way, dy + i, g, count);
    });
}
