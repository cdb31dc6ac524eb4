// Random numbers by counter: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011), the same words as device.Stream. Element e = c*P+p of sample n is word e%4 at counter (e/4, first+n, step, id),
// where at = [step, first] is read from the device. Nothing is stored between steps.
//
// Launch: counters(c, n, p): 256 threads, a counter (four elements of a sample) each; fewer than 2^32 counters.
#include "common.cuh"

struct Words { u32 w[4]; };

__device__ __forceinline__ Words philox(u32 c0, u32 c1, u32 c2, u32 c3, u32 k0, u32 k1) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        u64 p0 = (u64)0xD2511F53u * c0, p1 = (u64)0xCD9E8D57u * c2;
        c0 = (u32)(p1 >> 32) ^ c1 ^ k0, c1 = (u32)p1;
        c2 = (u32)(p0 >> 32) ^ c3 ^ k1, c3 = (u32)p0;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

struct Stream { u32 seedLow, seedHigh, id; };

// noise writes f(words, q), the elements made of a counter's words; q is v's elements at the same places where v is read.
// Threads are neighbours in x: along a sample's pixels, or along samples where those have fewer than 4.
template <bool READ, class F>
__device__ __forceinline__ void noise(int c, int n, int p, Stream s, const float *at, const float *v, float *x, F f) {
    u32 elements = (u32)c * p, counters = (elements + 3) / 4, item = blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= counters * n) return;
    u32 counter = p < 4 ? item / n : item % counters, sample = p < 4 ? item % n : item / counters;
    Words w = philox(counter, (u32)at[1] + sample, (u32)at[0], s.id, s.seedLow, s.seedHigh);
    i64 m = (i64)n * p, first = (i64)sample * p;
    u32 e = 4 * counter;
    Quad q = {};
    if (p % 4 == 0 && aligned(x) && (!READ || aligned(v))) { // the four elements are pixels of one row
        i64 i = e / p * m + first + e % p;
        if (READ) q = load(Wide{}, v + i, 4);
        store(Wide{}, x + i, f(w, q), 4);
        return;
    }
    i64 i[4];
#pragma unroll
    for (int k = 0; k < 4; k++) {
        i[k] = (e + k) / p * m + first + (e + k) % p;
        if (READ && e + k < elements) q.v[k] = v[i[k]];
    }
    q = f(w, q);
#pragma unroll
    for (int k = 0; k < 4; k++)
        if (e + k < elements) x[i[k]] = q.v[k];
}

// uniform_of maps a word to [0, 1): 24 bits, exact.
__device__ __forceinline__ float uniform_of(u32 w) { return (float)(w >> 8) * 0x1p-24f; }

// uniform: x = u.
KERNEL(256, 4) uniform(int c, int n, int p, u32 seedLow, u32 seedHigh, u32 id, const float *at, float *x) {
    noise<false>(c, n, p, {seedLow, seedHigh, id}, at, nullptr, x, [](const Words &w, const Quad &) {
        return Quad{uniform_of(w.w[0]), uniform_of(w.w[1]), uniform_of(w.w[2]), uniform_of(w.w[3])};
    });
}

// dequantize: x = (v + u)/levels - 1/2.
KERNEL(256, 4)
dequantize(int c, int n, int p, u32 seedLow, u32 seedHigh, u32 id, float levels, const float *at, const float *v, float *x) {
    noise<true>(c, n, p, {seedLow, seedHigh, id}, at, v, x, [=](const Words &w, Quad q) {
#pragma unroll
        for (int k = 0; k < 4; k++) q.v[k] = (q.v[k] + uniform_of(w.w[k])) / levels - 0.5f;
        return q;
    });
}

// dropout: x = u < rate ? 0 : x*scale, in place.
KERNEL(256, 4)
dropout(int c, int n, int p, u32 seedLow, u32 seedHigh, u32 id, float rate, float scale, const float *at, float *x) {
    noise<true>(c, n, p, {seedLow, seedHigh, id}, at, x, x, [=](const Words &w, Quad q) {
#pragma unroll
        for (int k = 0; k < 4; k++) q.v[k] = uniform_of(w.w[k]) < rate ? 0 : q.v[k] * scale;
        return q;
    });
}

// gauss makes two normal numbers of a pair of words by Box and Muller: device.NormalOf. The angle is given in half turns,
// and log takes a whole number of 2^-24: both exact.
__device__ __forceinline__ void gauss(u32 even, u32 odd, float std, float &a, float &b) {
    float r = std * sqrtf(-2 * logf((float)((even >> 8) + 1) * 0x1p-24f)), sin, cos;
    sincospif((float)(odd >> 8) * 0x1p-23f, &sin, &cos);
    a = r * cos, b = r * sin;
}

// normal: x = std * N(0, 1).
KERNEL(256, 4)
normal(int c, int n, int p, u32 seedLow, u32 seedHigh, u32 id, float std, const float *at, float *x) {
    noise<false>(c, n, p, {seedLow, seedHigh, id}, at, nullptr, x, [=](const Words &w, Quad q) {
        gauss(w.w[0], w.w[1], std, q.v[0], q.v[1]);
        gauss(w.w[2], w.w[3], std, q.v[2], q.v[3]);
        return q;
    });
}

// logit_of is log u - log(1-u) for u = (k + 1/2) 2^-24, k = word>>8. With d = 2^24 - (2k+1), |d| odd and exact,
// u/(1-u) = (2^24 - d)/(2^24 + d): odd in d, and its logarithm near 0 comes from log1p.
__device__ __forceinline__ float logit_of(u32 w) {
    int d = (1 << 24) - (2 * (int)(w >> 8) + 1);
    u32 far = abs(d), near = (1 << 24) - far; // near is odd: (1-u) or u, in units of 2^-25, the smaller
    float a = near > (1 << 22) ? log1pf(-2 * (float)far / (float)((1 << 24) + far))
                               : logf((float)near * 0x1p-25f) - log1pf(-(float)near * 0x1p-25f);
    return d > 0 ? a : -a;
}

// logistic: x = scale*(log u - log(1-u)).
KERNEL(256, 4)
logistic(int c, int n, int p, u32 seedLow, u32 seedHigh, u32 id, float scale, const float *at, float *x) {
    noise<false>(c, n, p, {seedLow, seedHigh, id}, at, nullptr, x, [=](const Words &w, const Quad &) {
        return Quad{scale * logit_of(w.w[0]), scale * logit_of(w.w[1]), scale * logit_of(w.w[2]), scale * logit_of(w.w[3])};
    });
}
