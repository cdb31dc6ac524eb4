// Attention of many heads: device.Transformer. Scores are never in memory: a warp owns 16 tokens of a head and a sample, two lanes to a
// token, each with every other quad of its channels in registers, and meets the other tokens 16 at a time from shared memory, where they
// lie as [16][D+4], D the head's channels rounded up to 16, 32 or 64. The softmax goes along with its maximum and sum so far (Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022). Nothing waits but lanes of a
// warp for each other, and every sum is in the order of tokens.
#include "common.cuh"

// Heads is the shape, as device.Heads.
struct Heads {
    int c, h, n, t, causal;
    __device__ int d() const { return c / h; }
    __device__ i64 m() const { return (i64)n * t; }
    __device__ float scale() const { return 1 / sqrtf((float)d()); }
};

constexpr int owned = 16, warps = 4;
#define none __int_as_float(0xff800000) // the score of a token that is not met: minus infinity

// Own is what a lane owns: token at of sample n, channels 8*j+4*half .. +3 of head h.
struct Own {
    int h, n, first, token, half; // first token of the warp
    __device__ bool exists(const Heads &s) const { return h < s.h; }
};

__device__ __forceinline__ Own own(const Heads &s) {
    int tiles = (s.t + owned - 1) / owned, lane = threadIdx.x % 32;
    i64 warp = (i64)blockIdx.x * warps + threadIdx.x / 32;
    Own o;
    o.first = (int)(warp % tiles) * owned, o.n = (int)(warp / tiles % s.n), o.h = (int)(warp / tiles / s.n);
    o.token = o.first + lane / 2, o.half = lane % 2;
    return o;
}

// base is where the first channel of a head has token 0 of the sample: of the kind-th C channels of x.
__device__ __forceinline__ i64 base(const Heads &s, const Own &o, int kind) {
    return ((i64)kind * s.c + o.h * s.d()) * s.m() + (i64)o.n * s.t;
}

// mine reads a lane's channels of its token, zeros where there are none.
template <int D> __device__ __forceinline__ void mine(const Heads &s, const Own &o, const float *x, float (&r)[D / 2]) {
#pragma unroll
    for (int j = 0; j < D / 2; j++) {
        int c = j / 4 * 8 + 4 * o.half + j % 4;
        r[j] = c < s.d() && o.token < s.t ? x[c * s.m() + o.token] : 0;
    }
}

template <int D> __device__ __forceinline__ void keep_mine(const Heads &s, const Own &o, float *x, const float (&r)[D / 2]) {
#pragma unroll
    for (int j = 0; j < D / 2; j++) {
        int c = j / 4 * 8 + 4 * o.half + j % 4;
        if (c < s.d() && o.token < s.t) x[c * s.m() + o.token] = r[j];
    }
}

template <int D> using Others = float[owned][D + 4];

// fetch brings tokens first .. first+15 to shared memory, zeros where there are none. A lane takes four tokens of every eighth channel;
// rows are D+4 apart, so that rows 8 apart are in the same banks: half the lanes write their four tokens in another order.
template <int D> __device__ __forceinline__ void fetch(const Heads &s, const float *x, int first, bool wide, Others<D> &to) {
    int lane = threadIdx.x % 32, u = lane % 4 * 4, count = min(4, s.t - first - u), turn = lane & 2;
#pragma unroll
    for (int i = 0; i < D / 8; i++) {
        int c = lane / 4 + 8 * i;
        Quad q = {};
        if (c < s.d() && count > 0) {
            const float *from = x + c * s.m() + first + u;
            q = wide && count == 4 ? load(Wide{}, from, 4) : load(Narrow{}, from, count);
        }
#pragma unroll
        for (int e = 0; e < 4; e++) to[u + (e ^ turn)][c] = turn ? q.v[e ^ 2] : q.v[e];
    }
}

// dot is the product of a lane's channels with token u's, over both lanes of a pair.
template <int D> __device__ __forceinline__ float dot(const float (&r)[D / 2], const Others<D> &x, int u, int half) {
    float sum = 0;
#pragma unroll
    for (int j = 0; j < D / 2; j += 4) {
        Quad q = load(Wide{}, &x[u][2 * j + 4 * half], 4);
#pragma unroll
        for (int e = 0; e < 4; e++) sum = fmaf(r[j + e], q.v[e], sum);
    }
    return sum + __shfl_xor_sync(allLanes, sum, 1);
}

// add is r += a * token u's channels.
template <int D> __device__ __forceinline__ void add(float (&r)[D / 2], float a, const Others<D> &x, int u, int half) {
#pragma unroll
    for (int j = 0; j < D / 2; j += 4) {
        Quad q = load(Wide{}, &x[u][2 * j + 4 * half], 4);
#pragma unroll
        for (int e = 0; e < 4; e++) r[j + e] = fmaf(a, q.v[e], r[j + e]);
    }
}

__device__ __forceinline__ bool wide_tokens(const Heads &s, const float *x) { return aligned(x) && s.t % 4 == 0; }

// attend: y and lse. Launch: attention(h, n, t).
template <int D> __device__ __forceinline__ void attend(const Heads &s, const float *qkv, float *y, float *lse) {
    __shared__ __align__(16) Others<D> keys[warps], values[warps];
    Own o = own(s);
    if (!o.exists(s)) return;
    Others<D> &k = keys[threadIdx.x / 32], &v = values[threadIdx.x / 32];
    bool wide = wide_tokens(s, qkv);
    float q[D / 2], sum[D / 2] = {}, top = none, all = 0, scale = s.scale();
    mine<D>(s, o, qkv + base(s, o, 0), q);
    int end = s.causal ? min(s.t, o.first + owned) : s.t;
    for (int first = 0; first < end; first += owned) {
        __syncwarp();
        fetch<D>(s, qkv + base(s, o, 1), first, wide, k);
        fetch<D>(s, qkv + base(s, o, 2), first, wide, v);
        __syncwarp();
        constexpr int group = 8; // scores at a time
#pragma unroll 1
        for (int u0 = 0; u0 < owned; u0 += group) {
            float a[group], most = top;
#pragma unroll
            for (int i = 0; i < group; i++) {
                int token = first + u0 + i;
                float score = dot<D>(q, k, u0 + i, o.half) * scale;
                a[i] = token < s.t && !(s.causal && token > o.token) ? score : none;
                most = fmaxf(most, a[i]);
            }
            float fade = most > top ? expf(top - most) : 1; // none - none is no number
            top = most, all *= fade;
#pragma unroll
            for (int j = 0; j < D / 2; j++) sum[j] *= fade;
#pragma unroll
            for (int i = 0; i < group; i++) {
                float w = a[i] > none ? expf(a[i] - top) : 0;
                all += w;
                add<D>(sum, w, v, u0 + i, o.half);
            }
        }
    }
#pragma unroll
    for (int j = 0; j < D / 2; j++) sum[j] /= all;
    keep_mine<D>(s, o, y + base(s, o, 0), sum);
    if (o.token < s.t && o.half == 0) lse[o.h * s.m() + (i64)o.n * s.t + o.token] = top + logf(all);
}

// attend_queries: the queries' gradient, and delta [H][N][T] = sum_c dy*y. Launch: attention(h, n, t).
template <int D>
__device__ __forceinline__ void attend_queries(const Heads &s, const float *qkv, const float *y, const float *lse, const float *dy, float *dqkv,
                                               float *delta) {
    __shared__ __align__(16) Others<D> keys[warps], values[warps];
    Own o = own(s);
    if (!o.exists(s)) return;
    Others<D> &k = keys[threadIdx.x / 32], &v = values[threadIdx.x / 32];
    bool wide = wide_tokens(s, qkv);
    float q[D / 2], g[D / 2], dq[D / 2], along = 0, scale = s.scale();
    mine<D>(s, o, y + base(s, o, 0), q);
    mine<D>(s, o, dy + base(s, o, 0), g);
#pragma unroll
    for (int j = 0; j < D / 2; j++) along = fmaf(q[j], g[j], along), dq[j] = 0;
    along += __shfl_xor_sync(allLanes, along, 1);
    mine<D>(s, o, qkv + base(s, o, 0), q);
    i64 at = o.h * s.m() + (i64)o.n * s.t + o.token;
    float level = o.token < s.t ? lse[at] : 0;
    if (o.token < s.t && o.half == 0) delta[at] = along;
    int end = s.causal ? min(s.t, o.first + owned) : s.t;
    for (int first = 0; first < end; first += owned) {
        __syncwarp();
        fetch<D>(s, qkv + base(s, o, 1), first, wide, k);
        fetch<D>(s, qkv + base(s, o, 2), first, wide, v);
        __syncwarp();
#pragma unroll 2
        for (int u = 0; u < owned; u++) {
            float a = dot<D>(q, k, u, o.half) * scale, b = dot<D>(g, v, u, o.half);
            bool met = first + u < s.t && !(s.causal && first + u > o.token);
            add<D>(dq, met ? expf(a - level) * (b - along) * scale : 0, k, u, o.half);
        }
    }
    keep_mine<D>(s, o, dqkv + base(s, o, 0), dq);
}

// attend_keys: the gradients of keys and values. Launch: attention(h, n, t), after attend_queries.
template <int D>
__device__ __forceinline__ void attend_keys(const Heads &s, const float *qkv, const float *lse, const float *dy, const float *delta, float *dqkv) {
    __shared__ __align__(16) Others<D> queries[warps], grads[warps];
    __shared__ float levels[warps][2][owned];
    Own o = own(s);
    if (!o.exists(s)) return;
    Others<D> &q = queries[threadIdx.x / 32], &g = grads[threadIdx.x / 32];
    float(&level)[2][owned] = levels[threadIdx.x / 32];
    bool wide = wide_tokens(s, qkv), wide_dy = wide_tokens(s, dy);
    float k[D / 2], v[D / 2], dk[D / 2] = {}, dv[D / 2] = {}, scale = s.scale();
    mine<D>(s, o, qkv + base(s, o, 1), k);
    mine<D>(s, o, qkv + base(s, o, 2), v);
    i64 row = o.h * s.m() + (i64)o.n * s.t;
    for (int first = s.causal ? o.first : 0; first < s.t; first += owned) {
        __syncwarp();
        fetch<D>(s, qkv + base(s, o, 0), first, wide, q);
        fetch<D>(s, dy + base(s, o, 0), first, wide_dy, g);
        int lane = threadIdx.x % 32, token = first + lane % owned;
        level[lane / owned][lane % owned] = token < s.t ? (lane < owned ? lse : delta)[row + token] : 0;
        __syncwarp();
#pragma unroll 2
        for (int u = 0; u < owned; u++) {
            float a = dot<D>(k, q, u, o.half) * scale, b = dot<D>(v, g, u, o.half);
            bool met = first + u < s.t && !(s.causal && first + u < o.token);
            float w = met ? expf(a - level[0][u]) : 0;
            add<D>(dv, w, g, u, o.half);
            add<D>(dk, w * (b - level[1][u]) * scale, q, u, o.half);
        }
    }
    keep_mine<D>(s, o, dqkv + base(s, o, 1), dk);
    keep_mine<D>(s, o, dqkv + base(s, o, 2), dv);
}

#define HEADS(D, A, Q)                                                                                                                    \
    KERNEL(128, A) attend_##D(int c, int h, int n, int t, int causal, const float *qkv, float *y, float *lse) {                           \
        attend<D>({c, h, n, t, causal}, qkv, y, lse);                                                                                     \
    }                                                                                                                                     \
    KERNEL(128, Q) attend_queries_##D(int c, int h, int n, int t, int causal, const float *qkv, const float *y, const float *lse,         \
                                      const float *dy, float *dqkv, float *delta) {                                                       \
        attend_queries<D>({c, h, n, t, causal}, qkv, y, lse, dy, dqkv, delta);                                                            \
    }                                                                                                                                     \
    KERNEL(128, 2) attend_keys_##D(int c, int h, int n, int t, int causal, const float *qkv, const float *lse, const float *dy,           \
                                   const float *delta, float *dqkv) {                                                                     \
        attend_keys<D>({c, h, n, t, causal}, qkv, lse, dy, delta, dqkv);                                                                  \
    }

HEADS(16, 4, 4)
HEADS(32, 4, 3)
HEADS(64, 2, 2)

// attend_step is one token of one head and sample to a warp: its key and value join keys and values [C][N][T], and y [C][N] is what it
// gathers. Launch: warps(h*n); scratch: weights [H][N][T].
KERNEL(128, 4)
attend_step(int c, int h, int n, int t, int token, const float *qkv, float *keys, float *values, float *y, float *weights) {
    int item = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32, d = c / h;
    if (item >= h * n) return;
    int sample = item % n, first = item / n * d;
    i64 cells = (i64)c * n;
    qkv += (i64)first * n + sample, y += (i64)first * n + sample;
    keys += ((i64)first * n + sample) * t, values += ((i64)first * n + sample) * t, weights += (i64)item * t;
    i64 row = (i64)n * t;
    for (int i = lane; i < d; i += 32) {
        keys[i * row + token] = qkv[cells + (i64)i * n];
        values[i * row + token] = qkv[2 * cells + (i64)i * n];
    }
    __syncwarp();
    float scale = 1 / sqrtf((float)d), top = none, sum = 0;
    for (int u = lane; u <= token; u += 32) {
        float a = 0;
        for (int i = 0; i < d; i++) a = fmaf(qkv[(i64)i * n], keys[i * row + u], a);
        weights[u] = a * scale;
        top = fmaxf(top, a * scale);
    }
    for (int o = 16; o; o >>= 1) top = fmaxf(top, __shfl_xor_sync(allLanes, top, o));
    for (int u = lane; u <= token; u += 32) sum += weights[u] = expf(weights[u] - top);
    sum = warp_sum(sum);
    for (int i = 0; i < d; i++) {
        float value = 0;
        for (int u = lane; u <= token; u += 32) value = fmaf(weights[u], values[i * row + u], value);
        value = warp_sum(value);
        if (lane == 0) y[(i64)i * n] = value / sum;
    }
}
