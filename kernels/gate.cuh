// The function h of planar and Sylvester flows, and the equation that takes them back.
//
// h is increasing with h' <= 1, and s > 0. With it go g(a) = (a-h(a)) + s*h(a) and g'(a) = (1-h'(a)) + s*h'(a), in sums whose terms
// have one sign where h is odd, so that no digits are lost where s is near 0, the bound of what can be inverted.
#pragma once
#include "common.cuh"

enum Bend { tanhBend, softplusBend, leakyBend };

struct Gate {
    int h;       // enum Bend
    float slope; // of the leaky ReLU
    float s;
};

// Point is h(a), a-h(a), their derivatives, and h''(a).
struct Point { float h, d, h1, d1, h2; };

__device__ __forceinline__ float softplus(float x) { return fmaxf(x, 0) + log1pf(expf(-fabsf(x))); }

// unsoftplus is its inverse.
__device__ __forceinline__ float unsoftplus(float y) { return y + logf(-expm1f(-y)); }

__device__ __forceinline__ Point point(Gate g, float a) {
    float b = fabsf(a), e = expf(g.h == tanhBend ? -2 * b : -b);
    if (g.h == tanhBend) {
        float h = tanhf(a), d = a - h, q = a * a;
        if (b < 1.5f) { // (a cosh a - sinh a)/cosh a = (a^3 2/3! + a^5 4/5! + a^7 6/7! + ...)/cosh a
            float sum = fmaf(q, 1.92709e-9f, 2.505211e-7f);
            sum = fmaf(q, fmaf(q, fmaf(q, fmaf(q, sum, 2.204586e-5f), 1.190476190e-3f), 3.333333333e-2f), 3.333333333e-1f);
            d = a * q * sum / coshf(a);
        }
        float h1 = 4 * e / ((1 + e) * (1 + e));
        return {h, d, h1, h * h, -2 * h * h1};
    }
    if (g.h == softplusBend) {
        float l = log1pf(e), near = 1 / (1 + e), far = e / (1 + e);
        return a < 0 ? Point{l, a - l, far, near, near * far} : Point{a + l, -l, near, far, near * far};
    }
    return a < 0 ? Point{g.slope * a, (1 - g.slope) * a, g.slope, 1 - g.slope, 0} : Point{a, 0, 1, 0, 0};
}

// slope_at is g'.
__device__ __forceinline__ float slope_at(Gate g, Point p) { return fmaf(g.s, p.h1, p.d1); }

// solve gives the a with g(a) = q: Newton's method from the side on which it cannot overshoot, in a bracket lo .. hi that is halved where
// a step leaves it, or where 16 steps were not enough.
__device__ __forceinline__ float solve(Gate g, float q) {
    if (q != q) return q;
    if (g.h == leakyBend) return q < 0 ? q / (1 - g.slope + g.s * g.slope) : q / g.s;
    float lo, hi, a, sign = 1;
    if (g.h == tanhBend) {
        sign = q < 0 ? -1 : 1, q = fabsf(q); // h is odd
        if (g.s >= 1) {                      // g is concave: from below
            a = lo = fmaxf(q / g.s, q - (g.s - 1)), hi = q;
        } else { // g is convex: from above; a - tanh(a) > 0.238 a^3 up to a = 1
            hi = fminf(q + 1 - g.s, q / g.s);
            if (q <= 0.238f) hi = fminf(hi, 1.0001f * cbrtf(q / 0.238f));
            lo = 0, a = hi;
        }
        if (q == 0) return 0;
    } else if (g.s >= 1) { // convex, and the solution is below q
        lo = q - (g.s - 1) * softplus(q), hi = a = q;
    } else if (q > 0) { // concave, and s*softplus(a) = q + softplus(-a): each side bounds the other
        a = lo = fmaxf(q, unsoftplus(q / g.s)), hi = fmaxf(lo, fmaxf(-logf(g.s), unsoftplus(q / g.s + 1)));
    } else {
        hi = fmaxf(q + 0.6931472f, fminf(-logf(g.s), (q + 0.6931472f) / g.s)) + 1;
        if (q < 0) hi = fminf(hi, -unsoftplus(-q) * (1 + 1e-6f) + 1e-6f);
        a = lo = fmaxf(q, fminf(-unsoftplus(g.s * softplus(hi) - q) - 1e-6f, hi));
    }
    for (int i = 0; i < 64; i++) {
        Point p = point(g, a);
        float over = p.d + g.s * p.h - q;
        if (over > 0)
            hi = a;
        else
            lo = a;
        float next = a - over / slope_at(g, p);
        if (!(next >= lo && next <= hi) || (i >= 16 && i % 2)) next = lo + 0.5f * (hi - lo);
        float step = fabsf(next - a);
        a = next;
        if (step <= 0x1p-21f * fabsf(next)) break;
    }
    return sign * a;
}
