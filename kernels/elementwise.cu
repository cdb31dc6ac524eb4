// Elementwise flows: x becomes f(x) for an increasing f, and the log-determinant of a sample is the sum of log f'(x).
//
// What a float32 cannot hold stops short of the end of f's interval: at `belowOne` below 1, at `least` above 0. On the way back the end
// itself counts as that number; what lies outside gives NaN.
#include "samples.cuh"

constexpr float least = 0x1p-126f, belowOne = 1 - 0x1p-24f, ln2 = 0.693147180559945309417f;

// at_least and at_most leave NaN as it is.
__device__ __forceinline__ float at_least(float y, float lo) { return y < lo ? lo : y; }
__device__ __forceinline__ float at_most(float y, float hi) { return y > hi ? hi : y; }

__device__ __forceinline__ float softplus(float x) { return fmaxf(x, 0) + log1pf(expf(-fabsf(x))); }

__device__ __forceinline__ float log_cosh(float x) { return fabsf(x) + log1pf(expf(-2 * fabsf(x))) - ln2; }

// sigmoid stops short of 0 and 1.
__device__ __forceinline__ float sigmoid(float x) {
    float e = expf(-fabsf(x));
    return at_most(at_least((x > 0 ? 1 : e) / (1 + e), least), belowOne);
}

// between takes 0 and 1 for their neighbours.
__device__ __forceinline__ float between(float y) { return y == 0 ? least : y == 1 ? belowOne : y; }

// within takes -1 and 1 for their neighbours.
__device__ __forceinline__ float within(float y) { return fabsf(y) == 1 ? copysignf(belowOne, y) : y; }

struct Moved { float y, ls; };         // f(x), log f'(x)
struct Back { float x, slope, bend; }; // x = f^-1(y), f'(x); f''(x)/f'(x), or where f is TURNED that divided by f'(x)

// Each function f has move(x, a), back(y, a); a is the slope of the leaky ReLU. Where f' has no bound, dx is put together as
// (dy + dld*bend)*slope, so that two infinities do not meet.
struct Sigmoid {
    static constexpr bool TURNED = false;
    static __device__ Moved move(float x, float) { return {sigmoid(x), fmaf(-2, log1pf(expf(-fabsf(x))), -fabsf(x))}; }
    static __device__ Back back(float y, float) {
        y = between(y);
        return {logf(y) - log1pf(-y), y * (1 - y), fmaf(-2, y, 1)};
    }
};

struct Logit {
    static constexpr bool TURNED = true;
    static __device__ Moved move(float x, float) {
        x = between(x);
        float p = logf(x), q = log1pf(-x);
        return {p - q, -p - q};
    }
    static __device__ Back back(float y, float) {
        float e = expf(-fabsf(y));
        return {sigmoid(y), (1 + e) * ((1 + e) / e), tanhf(0.5f * y)};
    }
};

struct Tanh {
    static constexpr bool TURNED = false;
    static __device__ Moved move(float x, float) { return {at_most(at_least(tanhf(x), -belowOne), belowOne), -2 * log_cosh(x)}; }
    static __device__ Back back(float y, float) {
        y = within(y);
        return {atanhf(y), (1 - y) * (1 + y), -2 * y};
    }
};

struct Atanh {
    static constexpr bool TURNED = true;
    static __device__ Moved move(float x, float) {
        x = within(x);
        return {atanhf(x), -log1pf(x) - log1pf(-x)};
    }
    static __device__ Back back(float y, float) {
        float t = tanhf(y), c = coshf(y);
        return {at_most(at_least(t, -belowOne), belowOne), c * c, 2 * t};
    }
};

struct Softplus {
    static constexpr bool TURNED = false;
    static __device__ Moved move(float x, float) {
        float l = log1pf(expf(-fabsf(x)));
        return {at_least(fmaxf(x, 0) + l, least), fminf(x, 0) - l};
    }
    static __device__ Back back(float y, float) {
        y = y == 0 ? least : y;
        float slope = -expm1f(-y);
        return {y + logf(slope), slope, expf(-y)};
    }
};

struct LogExpm1 {
    static constexpr bool TURNED = true;
    static __device__ Moved move(float x, float) {
        x = x == 0 ? least : x;
        float l = logf(-expm1f(-x));
        return {x + l, -l};
    }
    static __device__ Back back(float y, float) {
        float e = expf(-fabsf(y));
        return {at_least(softplus(y), least), y > 0 ? 1 + e : (1 + e) / e, -(y > 0 ? e : 1) / (1 + e)};
    }
};

struct Asinh {
    static constexpr bool TURNED = false;
    static __device__ Moved move(float x, float) {
        float a = fabsf(x);
        return {asinhf(x), a > 1e9f ? -logf(a) : -0.5f * log1pf(x * x)};
    }
    static __device__ Back back(float y, float) {
        float slope = 1 / coshf(y);
        return {sinhf(y), slope, -tanhf(y) * slope};
    }
};

struct Sinh {
    static constexpr bool TURNED = true;
    static __device__ Moved move(float x, float) { return {sinhf(x), log_cosh(x)}; }
    static __device__ Back back(float y, float) {
        float slope = fabsf(y) > 1e9f ? fabsf(y) : sqrtf(fmaf(y, y, 1));
        return {asinhf(y), slope, y / slope / slope};
    }
};

struct LeakyReLU {
    static constexpr bool TURNED = false;
    static __device__ Moved move(float x, float a) { return x < 0 ? Moved{a * x, logf(a)} : Moved{x, 0}; }
    static __device__ Back back(float y, float a) { return y < 0 ? Back{y / a, a, 0} : Back{y, 1, 0}; }
};

// map: x = f(x), in place; logdet[n] += sum_{c,p} log f'(x). Launch and scratch: cells(c, n, p) (samples.cuh).
template <class F> __device__ __forceinline__ void map(Cells r, float slope, float *x, float *logdet, float *part) {
    per_sample(r, aligned(x), 1, logdet, part, [&](auto way, int, i64 i, int count) {
        Quad q = load(way, x + i, count), terms;
#pragma unroll
        for (int e = 0; e < 4; e++) {
            Moved m = F::move(q.v[e], slope);
            q.v[e] = m.y, terms.v[e] = m.ls;
        }
        store(way, x + i, q, count);
        return terms;
    });
}

// map_backward takes y in x and dy in dx and leaves x and its gradient there: x = f^-1(y); dx = dy*f'(x) + dld*f''(x)/f'(x).
// Launch: flat(n).
template <class F> __device__ __forceinline__ void map_backward(i64 n, float slope, float dld, float *x, float *dx) {
    flat(n, aligned(x) && aligned(dx), [&](auto way, i64 i, int count) {
        Quad qx = load(way, x + i, count), qd = load(way, dx + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            Back b = F::back(qx.v[e], slope);
            qx.v[e] = b.x;
            qd.v[e] = F::TURNED ? fmaf(dld, b.bend, qd.v[e]) * b.slope : fmaf(qd.v[e], b.slope, dld * b.bend);
        }
        store(way, x + i, qx, count), store(way, dx + i, qd, count);
    });
}

#define MAP_KERNELS(NAME, F)                                                                                               \
    KERNEL(128, 4)                                                                                                         \
    map_##NAME(int c, int n, int p, int group, int tiles, int channels, float slope, float *x, float *logdet, float *part) { \
        map<F>({c, n, p, group, tiles, channels}, slope, x, logdet, part);                                                 \
    }                                                                                                                      \
    KERNEL(256, 4) map_backward_##NAME(i64 n, float slope, float dld, float *x, float *dx) {                               \
        map_backward<F>(n, slope, dld, x, dx);                                                                             \
    }

MAP_KERNELS(sigmoid, Sigmoid)
MAP_KERNELS(logit, Logit)
MAP_KERNELS(tanh, Tanh)
MAP_KERNELS(atanh, Atanh)
MAP_KERNELS(softplus, Softplus)
MAP_KERNELS(logexpm1, LogExpm1)
MAP_KERNELS(asinh, Asinh)
MAP_KERNELS(sinh, Sinh)
MAP_KERNELS(leakyrelu, LeakyReLU)
