// What mixtures' distribution functions are made of, by logarithms: mixcdf.cu, curves.cuh. of says what a component's F0 is, to what takes
// F to the real line: device.Bell and device.Link.
#pragma once
#include "common.cuh"

enum Bell { GaussBell, LogisticBell };
enum Link { LogitLink, NormalLink };

constexpr float halfLog2Pi = 0.918938533204672741780f, rootHalf = 0.707106781186547524401f, rootTwoPi = 2.50662827463100050242f;
constexpr float most = 3e38f; // about the greatest float
constexpr float mixtureFloor = 0x1p-10f; // device.MixtureFloor

// BellAt are log F0, log(1-F0) and log f0 at a point t, and the slope of log f0. The smaller of the tails and f0 are given times
// exp(nearest^2/2), or exp(nearest) for logistic bells: where all components are at least `nearest` scales away, the ratio of a tail and
// a density is then good to the last digits, though either may be below the least float.
struct BellAt { float below, above, bell, slope; };

__device__ __forceinline__ BellAt bell_at(int of, float t, float nearest) {
    float a = fabsf(t), near, far;
    BellAt r;
    if (of == GaussBell) {
        float drop = 0.5f * (a - nearest) * (a + nearest), tail = 0.5f * erfcxf(a * rootHalf); // (1-F0)*exp(t^2/2)
        near = logf(tail) - drop;
        far = log1pf(-tail * expf(-0.5f * a * a));
        r.bell = -drop - halfLog2Pi;
        r.slope = -t;
    } else {
        float e = expf(-a);
        far = -log1pf(e);
        near = far - (a - nearest);
        r.bell = far + near;
        r.slope = -copysignf((1 - e) / (1 + e), t);
    }
    r.below = t > 0 ? far : near;
    r.above = t > 0 ? near : far;
    return r;
}

// LogSum is the logarithm of a growing sum: top + log(sum).
struct LogSum {
    float top = -most, sum = 0;

    // add makes it the logarithm of the sum and exp(v).
    __device__ __forceinline__ void add(float v) {
        float d = v - top, e = expf(-fabsf(d));
        sum = d > 0 ? fmaf(sum, e, 1) : sum + e;
        top = fmaxf(top, v);
    }
    __device__ __forceinline__ float log() const { return top + logf(sum); }
};

// normal_quantile is the z >= 0 with log Phi(-z) = logp, logp <= log(1/2): an approximation to 4.5e-4 (Abramowitz and Stegun,
// 26.2.23) and two Newton steps on the logarithm, each of which squares the error.
__device__ __forceinline__ float normal_quantile(float logp) {
    float t = sqrtf(-2 * logp);
    float z = t - fmaf(t, fmaf(t, 0.010328f, 0.802853f), 2.515517f) / fmaf(t, fmaf(t, fmaf(t, 0.001308f, 0.189269f), 1.432788f), 1);
#pragma unroll 1
    for (int i = 0; i < 2; i++) {
        float tail = 0.5f * erfcxf(z * rootHalf); // Phi(-z)/phi(z) but for sqrt(2 pi)
        z += (logf(tail) - 0.5f * z * z - logp) * (tail * rootTwoPi);
    }
    return z;
}

__device__ __forceinline__ float log_sigmoid(float x) { return fminf(x, 0) - log1pf(expf(-fabsf(x))); }

// Point is a mixture's flow at x: y and ld = log dy/dx. logf and tail are the logarithms of the density and of the smaller tail, times
// what BellAt says of nearest: the distance in scales to the nearest mean where x is beyond all of them, else 0.
struct Point { float y, ld, logf, tail, nearest; bool upper; };

// point_of is the flow where log F, log(1-F) and log f, here, are what they are, times what BellAt says of nearest, and x lies right or left of
// means or between.
__device__ __forceinline__ Point point_of(int of, int to, float below, float above, float here, float nearest, bool left, bool right) {
    Point q;
    q.nearest = nearest;
    q.upper = left && right ? above < below : right;
    q.tail = q.upper ? above : below;
    q.logf = here;
    float tail = q.tail - (of == GaussBell ? 0.5f * nearest * nearest : nearest); // whole
    if (to == LogitLink) {
        float rest = log1pf(-expf(tail));
        q.y = tail - rest;
        q.ld = q.logf - q.tail - rest;
    } else {
        float z = normal_quantile(tail);
        q.y = -z;
        q.ld = q.logf - q.tail + logf(0.5f * rootTwoPi * erfcxf(z * rootHalf)); // the tail is that many times the density at z
    }
    if (q.upper) q.y = -q.y;
    return q;
}

// turn gives the first element of a quad and puts another behind its last.
__device__ __forceinline__ float turn(Quad &q, float last = 0) {
    float first = q.v[0];
    q = {q.v[1], q.v[2], q.v[3], last};
    return first;
}
