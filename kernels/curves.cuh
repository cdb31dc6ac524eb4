// Monotone functions of one variable with parameters for each element: device.Curves, whose formulas these are. params is
// [C][Q][N][P], so that a thread's four columns of a parameter are one access. Nothing of the size of the bins is kept: softmax and
// knots are gone through row by row, again where they are needed again, and a bin is found on the way.
#pragma once
#include "bells.cuh"

enum Domain { Tails, Circle, Interval };

constexpr float minBin = 1e-3f, minSlope = 1e-3f, maxLogScale = 9.210340372f;

// Spline is what all elements have in common.
struct Spline {
    int k, on;
    float lo, size, scale;
    __device__ float rest() const { return 1 - k * minBin; }
    __device__ int knots() const { return k + on - 1; }
    __device__ bool outside(float x) const { return x < lo || x > lo + size; }
};

// Params are the parameters of four neighbouring elements.
template <class Way> struct Params {
    float *p;
    int m, count;
    __device__ Quad row(int j) const { return load(Way{}, p + (i64)j * m, count); }
    __device__ void set(int j, const Quad &q) const { store(Way{}, p + (i64)j * m, q, count); }
};

#define EACH _Pragma("unroll") for (int e = 0; e < 4; e++)

__device__ __forceinline__ float sigmoid(float z) { return 1 / (1 + expf(-z)); }
__device__ __forceinline__ float slope_of(float u) { return minSlope + fmaxf(u, 0) + log1pf(expf(-fabsf(u))); }

// Sum is the logarithm of a sum of exponentials, by its greatest term and the sum over that.
struct Sum {
    float top = __int_as_float(0xff800000), sum = 0;
    __device__ void add(float v) {
        float q = expf(-fabsf(v - top));
        sum = v > top ? fmaf(sum, q, 1) : sum + q;
        top = fmaxf(top, v);
    }
    __device__ float log() const { return top + logf(sum); }
    __device__ float share(float v) const { return expf(v - top) / sum; }
};

// shares is the softmax of rows [j, j+k) of four elements.
template <class Way> __device__ __forceinline__ void shares(const Spline &s, Params<Way> p, int j, Sum *all) {
#pragma unroll 1
    for (int i = 0; i < s.k; i++) {
        Quad q = p.row(j + i);
        EACH all[e].add(s.scale * q.v[e]);
    }
}

// Place is a bin: which, where it begins and how long it is; and what the shares of those before it add up to, and its own.
struct Place {
    int bin;
    float at, length, before, share;
};

// walk goes along the parts whose logits are rows [j, j+k). It finds the bin of v, or the place of a bin that is known.
template <bool SEARCH, class Way>
__device__ __forceinline__ void walk(const Spline &s, Params<Way> p, int j, const Sum *all, const Quad &v, Place *place) {
    float left[4], before[4];
    bool found[4];
    EACH left[e] = s.lo, before[e] = 0, found[e] = false;
#pragma unroll 1
    for (int i = 0; i < s.k; i++) {
        Quad q = p.row(j + i);
        EACH {
            float share = all[e].share(s.scale * q.v[e]), length = s.size * fmaf(s.rest(), share, minBin);
            bool last = i == s.k - 1;
            if (!found[e] && (last || (SEARCH ? v.v[e] < left[e] + length : i == place[e].bin))) {
                found[e] = true;
                place[e] = {i, left[e], last ? s.lo + s.size - left[e] : length, before[e], share};
            }
            left[e] += length, before[e] += share;
        }
    }
}

// set_shares leaves the gradients of the logits of rows [j, j+k): before is the gradient of every part before the bin, here that of its own.
template <class Way>
__device__ __forceinline__ void set_shares(const Spline &s, Params<Way> p, int j, const Sum *all, const Place *place,
                                           const Quad &before, const Quad &here, const bool *skip) {
    float mean[4];
    EACH mean[e] = fmaf(before.v[e], place[e].before, here.v[e] * place[e].share);
#pragma unroll 1
    for (int i = 0; i < s.k; i++) {
        Quad q = p.row(j + i);
        EACH {
            float g = i < place[e].bin ? before.v[e] : i == place[e].bin ? here.v[e] : 0;
            float share = all[e].share(s.scale * q.v[e]);
            q.v[e] = skip[e] ? 0 : s.scale * s.size * s.rest() * share * (g - mean[e]);
        }
        p.set(j + i, q);
    }
}

// Slopes are those at both ends of a bin, as the parameters have them, and whether they are free.
struct Slopes {
    float u0, u1;
    bool free0, free1;
    __device__ float d0() const { return free0 ? slope_of(u0) : 1; }
    __device__ float d1() const { return free1 ? slope_of(u1) : 1; }
};

// hits says whether row i of the slopes is that at knot number knot.
__device__ __forceinline__ bool hits(const Spline &s, int i, int knot) {
    return s.on == Tails ? i + 1 == knot : i == knot || (s.on == Circle && i == 0 && knot == s.k);
}

template <class Way>
__device__ __forceinline__ void slopes(const Spline &s, Params<Way> p, int j, const Place *place, Slopes *d) {
    EACH d[e] = {0, 0, !(s.on == Tails && place[e].bin == 0), !(s.on == Tails && place[e].bin == s.k - 1)};
#pragma unroll 1
    for (int i = 0; i < s.knots(); i++) {
        Quad q = p.row(j + i);
        EACH {
            if (hits(s, i, place[e].bin)) d[e].u0 = q.v[e];
            if (hits(s, i, place[e].bin + 1)) d[e].u1 = q.v[e];
        }
    }
}

// ---- RationalSpline -------------------------------------------------------------------------------------------------

struct Rational {
    template <class Way>
    static __device__ __forceinline__ void find(bool search_heights, const Spline &s, Params<Way> p, const Quad &v, Sum *wide, Sum *high,
                                                Place *w, Place *h, Slopes *d) {
        shares(s, p, 0, wide);
        shares(s, p, s.k, high);
        if (search_heights) {
            walk<true>(s, p, s.k, high, v, h);
            EACH w[e].bin = h[e].bin;
            walk<false>(s, p, 0, wide, v, w);
        } else {
            walk<true>(s, p, 0, wide, v, w);
            EACH h[e].bin = w[e].bin;
            walk<false>(s, p, s.k, high, v, h);
        }
        slopes(s, p, 2 * s.k, w, d);
    }

    // log_slope is log dy/dx at xi, of slopes d0 and d1 and the bin's mean slope.
    static __device__ __forceinline__ float log_slope(float xi, float mean, float d0, float d1) {
        float rest = 1 - xi, q = xi * rest, den = fmaf(d0 + d1 - 2 * mean, q, mean), scale = mean / den;
        return logf(scale * scale * (d1 * xi * xi + 2 * mean * q + d0 * rest * rest));
    }

    static __device__ __forceinline__ float solve(float rise, float h, float mean, float d0, float d1) {
        float bend = d0 + d1 - 2 * mean;
        float a = fmaf(rise, bend, h * (mean - d0)), b = fmaf(-rise, bend, h * d0), c = -mean * rise;
        float root = sqrtf(fmaxf(fmaf(b, b, -4 * a * c), 0));
        return fminf(fmaxf(-2 * c / (b + root), 0), 1);
    }

    template <class Way> static __device__ __forceinline__ Quad forward(const Spline &s, Params<Way> p, Quad &x) {
        Sum wide[4], high[4];
        Place w[4], h[4];
        Slopes d[4];
        find(false, s, p, x, wide, high, w, h, d);
        Quad terms = {};
        EACH {
            float mean = h[e].length / w[e].length, d0 = d[e].d0(), d1 = d[e].d1();
            float xi = fminf((x.v[e] - w[e].at) / w[e].length, 1), q = xi * (1 - xi), den = fmaf(d0 + d1 - 2 * mean, q, mean);
            float y = fmaf(h[e].length, (mean * xi * xi + d0 * q) / den, h[e].at);
            if (!s.outside(x.v[e])) x.v[e] = y, terms.v[e] = log_slope(xi, mean, d0, d1);
        }
        return terms;
    }

    template <class Way> static __device__ __forceinline__ Quad inverse(const Spline &s, Params<Way> p, Quad &x) {
        Sum wide[4], high[4];
        Place w[4], h[4];
        Slopes d[4];
        find(true, s, p, x, wide, high, w, h, d);
        Quad terms = {};
        EACH {
            float mean = h[e].length / w[e].length, d0 = d[e].d0(), d1 = d[e].d1();
            float xi = solve(x.v[e] - h[e].at, h[e].length, mean, d0, d1);
            if (!s.outside(x.v[e])) x.v[e] = fmaf(xi, w[e].length, w[e].at), terms.v[e] = log_slope(xi, mean, d0, d1);
        }
        return terms;
    }

    // curvature is the derivative of log dy/dx by x.
    template <class Way> static __device__ __forceinline__ Quad curvature(const Spline &s, Params<Way> p, const Quad &x) {
        Sum wide[4], high[4];
        Place w[4], h[4];
        Slopes d[4];
        find(false, s, p, x, wide, high, w, h, d);
        Quad terms = {};
        EACH {
            float mean = h[e].length / w[e].length, d0 = d[e].d0(), d1 = d[e].d1(), bend = d0 + d1 - 2 * mean;
            float xi = fminf((x.v[e] - w[e].at) / w[e].length, 1), rest = 1 - xi, q = xi * rest, turn = 1 - 2 * xi;
            float num = d1 * xi * xi + 2 * mean * q + d0 * rest * rest;
            float by = 2 * (d1 * xi + mean * turn - d0 * rest) / num - 2 * bend * turn / fmaf(bend, q, mean);
            if (!s.outside(x.v[e])) terms.v[e] = by / w[e].length;
        }
        return terms;
    }

    // backward, with n and den the terms of y's fraction and num that of the slope's: by xi, the mean slope, d0 and d1, and then by what these
    // are made of.
    template <class Way>
    static __device__ __forceinline__ void backward(const Spline &s, Params<Way> p, float dld, Quad &x, Quad &dx) {
        Sum wide[4], high[4];
        Place w[4], h[4];
        Slopes d[4];
        find(true, s, p, x, wide, high, w, h, d);
        Quad beforeW = {}, hereW = {}, beforeH = {}, hereH = {}, by0 = {}, by1 = {};
        bool skip[4];
        EACH {
            skip[e] = s.outside(x.v[e]);
            float mean = h[e].length / w[e].length, d0 = d[e].d0(), d1 = d[e].d1(), gy = dx.v[e];
            float xi = solve(x.v[e] - h[e].at, h[e].length, mean, d0, d1);
            float rest = 1 - xi, q = xi * rest, turn = 1 - 2 * xi, bend = d0 + d1 - 2 * mean;
            float n = mean * xi * xi + d0 * q, den = fmaf(bend, q, mean), num = d1 * xi * xi + 2 * mean * q + d0 * rest * rest;
            float f = gy * h[e].length / (den * den);
            float byXi = f * mean * num + dld * (2 * (d1 * xi + mean * turn - d0 * rest) / num - 2 * bend * turn / den);
            float byMean = f * (xi * xi * den - n * (1 - 2 * q)) + dld * (2 / mean + 2 * q / num - 2 * (1 - 2 * q) / den);
            by0.v[e] = (f * q * (den - n) + dld * (rest * rest / num - 2 * q / den)) * sigmoid(d[e].u0);
            by1.v[e] = (-f * q * n + dld * (xi * xi / num - 2 * q / den)) * sigmoid(d[e].u1);
            float back = byXi / w[e].length;
            beforeW.v[e] = -back, hereW.v[e] = -(byMean * mean + byXi * xi) / w[e].length;
            beforeH.v[e] = gy, hereH.v[e] = gy * n / den + byMean / w[e].length;
            if (!skip[e]) x.v[e] = fmaf(xi, w[e].length, w[e].at), dx.v[e] = back;
        }
        set_shares(s, p, 0, wide, w, beforeW, hereW, skip);
        set_shares(s, p, s.k, high, h, beforeH, hereH, skip);
#pragma unroll 1
        for (int i = 0; i < s.knots(); i++) {
            Quad g = {};
            EACH {
                if (!skip[e] && hits(s, i, w[e].bin)) g.v[e] += by0.v[e];
                if (!skip[e] && hits(s, i, w[e].bin + 1)) g.v[e] += by1.v[e];
            }
            p.set(2 * s.k + i, g);
        }
    }
};

// ---- LinearSpline ---------------------------------------------------------------------------------------------------

struct Linear {
    template <class Way> static __device__ __forceinline__ Quad curvature(const Spline &, Params<Way>, const Quad &) { return {}; }

    static __device__ __forceinline__ float left(const Spline &s, int bin) { return s.lo + s.size * bin / s.k; }

    template <class Way> static __device__ __forceinline__ Quad forward(const Spline &s, Params<Way> p, Quad &x) {
        Sum all[4];
        Place h[4];
        shares(s, p, 0, all);
        EACH h[e].bin = min(max((int)((x.v[e] - s.lo) / s.size * s.k), 0), s.k - 1);
        walk<false>(s, p, 0, all, x, h);
        Quad terms = {};
        EACH {
            float slope = h[e].length * s.k / s.size;
            if (!s.outside(x.v[e])) x.v[e] = fmaf(x.v[e] - left(s, h[e].bin), slope, h[e].at), terms.v[e] = logf(slope);
        }
        return terms;
    }

    template <class Way> static __device__ __forceinline__ Quad inverse(const Spline &s, Params<Way> p, Quad &x) {
        Sum all[4];
        Place h[4];
        shares(s, p, 0, all);
        walk<true>(s, p, 0, all, x, h);
        Quad terms = {};
        EACH {
            float slope = h[e].length * s.k / s.size;
            if (!s.outside(x.v[e])) x.v[e] = left(s, h[e].bin) + (x.v[e] - h[e].at) / slope, terms.v[e] = logf(slope);
        }
        return terms;
    }

    template <class Way>
    static __device__ __forceinline__ void backward(const Spline &s, Params<Way> p, float dld, Quad &x, Quad &dx) {
        Sum all[4];
        Place h[4];
        shares(s, p, 0, all);
        walk<true>(s, p, 0, all, x, h);
        Quad here = {}, before = dx;
        bool skip[4];
        EACH {
            skip[e] = s.outside(x.v[e]);
            float slope = h[e].length * s.k / s.size, rise = x.v[e] - h[e].at;
            here.v[e] = fmaf(dx.v[e], rise, dld) / h[e].length;
            if (!skip[e]) x.v[e] = left(s, h[e].bin) + rise / slope, dx.v[e] *= slope;
        }
        set_shares(s, p, 0, all, h, before, here, skip);
    }
};

// ---- QuadraticSpline ------------------------------------------------------------------------------------------------

struct Quadratic {
    // Bin is one bin in a domain of length 1, with raw slopes v0 and v1 at its ends, and normal ones d0 and d1.
    struct Bin {
        int bin;
        float left, bottom, w, v0, v1;
    };

    static __device__ __forceinline__ float height(float v, float area) { return fmaf(1 - minBin, v / area, minBin); }

    // bins calls f(i, share, v0, v1, u1), each of four elements, for every bin: u1 is the parameter of v1. ends stands at the ends with Tails.
    template <class Way, class F>
    static __device__ __forceinline__ void bins(const Spline &s, Params<Way> p, const Sum *all, const Quad &ends, F f) {
        Quad v0 = ends, first = ends, ufirst = {};
        if (s.on != Tails) {
            ufirst = p.row(s.k);
            EACH first.v[e] = slope_of(ufirst.v[e]);
            v0 = first;
        }
#pragma unroll 1
        for (int i = 0; i < s.k; i++) {
            Quad q = p.row(i), u1 = ufirst, v1 = first, share;
            int row = s.on == Tails ? i : i + 1;
            if (row < s.knots()) {
                u1 = p.row(s.k + row);
                EACH v1.v[e] = slope_of(u1.v[e]);
            }
            EACH share.v[e] = all[e].share(s.scale * q.v[e]);
            f(i, share, v0, v1, u1);
            v0 = v1;
        }
    }

    template <class Way> static __device__ __forceinline__ Quad area(const Spline &s, Params<Way> p, const Sum *all, Quad &free) {
        Quad sum = {};
        free = {1, 1, 1, 1};
        bins(s, p, all, Quad{}, [&](int i, const Quad &share, const Quad &v0, const Quad &v1, const Quad &) {
            EACH {
                float w = fmaf(s.rest(), share.v[e], minBin);
                sum.v[e] = fmaf(w, (v0.v[e] + v1.v[e]) / 2, sum.v[e]);
                if (s.on == Tails && (i == 0 || i == s.k - 1)) free.v[e] -= w / 2;
            }
        });
        EACH sum.v[e] /= free.v[e];
        return sum;
    }

    template <bool INVERSE, class Way>
    static __device__ __forceinline__ void find(const Spline &s, Params<Way> p, const Sum *all, const Quad &area, const Quad &v, Bin *b) {
        float left[4], bottom[4];
        bool found[4];
        EACH left[e] = bottom[e] = 0, found[e] = false;
        bins(s, p, all, area, [&](int i, const Quad &share, const Quad &v0, const Quad &v1, const Quad &) {
            EACH {
                float w = fmaf(s.rest(), share.v[e], minBin);
                float rise = w * (height(v0.v[e], area.v[e]) + height(v1.v[e], area.v[e])) / 2;
                float u = (v.v[e] - s.lo) / s.size;
                if (!found[e] && (i == s.k - 1 || (INVERSE ? u < bottom[e] + rise : u < left[e] + w))) {
                    found[e] = true;
                    b[e] = {i, left[e], bottom[e], w, v0.v[e], v1.v[e]};
                }
                left[e] += w, bottom[e] += rise;
            }
        });
    }

    // solve is a in [0, 1] of y.
    static __device__ __forceinline__ float solve(const Spline &s, const Bin &b, float d0, float d1, float y) {
        float rise = ((y - s.lo) / s.size - b.bottom) / b.w, root = sqrtf(fmaxf(fmaf(2 * (d1 - d0), rise, d0 * d0), 0));
        return fminf(fmaxf(2 * rise / (d0 + root), 0), 1);
    }

    template <class Way> static __device__ __forceinline__ Quad forward(const Spline &s, Params<Way> p, Quad &x) {
        Sum all[4];
        Bin b[4];
        Quad free, whole, terms = {};
        shares(s, p, 0, all);
        whole = area(s, p, all, free);
        find<false>(s, p, all, whole, x, b);
        EACH {
            float d0 = height(b[e].v0, whole.v[e]), rise = height(b[e].v1, whole.v[e]) - d0;
            float a = fminf(((x.v[e] - s.lo) / s.size - b[e].left) / b[e].w, 1);
            float v = fmaf(b[e].w * a, fmaf(rise, a / 2, d0), b[e].bottom);
            if (!s.outside(x.v[e])) x.v[e] = fmaf(s.size, v, s.lo), terms.v[e] = logf(fmaf(rise, a, d0));
        }
        return terms;
    }

    template <class Way> static __device__ __forceinline__ Quad inverse(const Spline &s, Params<Way> p, Quad &x) {
        Sum all[4];
        Bin b[4];
        Quad free, whole, terms = {};
        shares(s, p, 0, all);
        whole = area(s, p, all, free);
        find<true>(s, p, all, whole, x, b);
        EACH {
            float d0 = height(b[e].v0, whole.v[e]), d1 = height(b[e].v1, whole.v[e]), a = solve(s, b[e], d0, d1, x.v[e]);
            if (!s.outside(x.v[e])) {
                x.v[e] = fmaf(s.size, fmaf(b[e].w, a, b[e].left), s.lo);
                terms.v[e] = logf(fmaf(d1 - d0, a, d0));
            }
        }
        return terms;
    }

    // curvature is the derivative of log dy/dx by x.
    template <class Way> static __device__ __forceinline__ Quad curvature(const Spline &s, Params<Way> p, const Quad &x) {
        Sum all[4];
        Bin b[4];
        Quad free, whole, terms = {};
        shares(s, p, 0, all);
        whole = area(s, p, all, free);
        find<false>(s, p, all, whole, x, b);
        EACH {
            float d0 = height(b[e].v0, whole.v[e]), rise = height(b[e].v1, whole.v[e]) - d0;
            float a = fminf(((x.v[e] - s.lo) / s.size - b[e].left) / b[e].w, 1);
            if (!s.outside(x.v[e])) terms.v[e] = rise / (fmaf(rise, a, d0) * b[e].w * s.size);
        }
        return terms;
    }

    // backward: first0 and first1 are the gradients of the slopes at the ends of the bin; a bin before it gives gv*w/2 to either of its own.
    template <class Way>
    static __device__ __forceinline__ void backward(const Spline &s, Params<Way> p, float dld, Quad &x, Quad &dx) {
        Sum all[4];
        Bin b[4];
        Quad free, whole;
        shares(s, p, 0, all);
        whole = area(s, p, all, free);
        find<true>(s, p, all, whole, x, b);
        float gv[4], back[4], first0[4], first1[4], here[4];
        bool skip[4];
        EACH {
            skip[e] = s.outside(x.v[e]);
            float d0 = height(b[e].v0, whole.v[e]), d1 = height(b[e].v1, whole.v[e]), a = solve(s, b[e], d0, d1, x.v[e]);
            float rise = d1 - d0, slope = fmaf(rise, a, d0);
            gv[e] = dx.v[e] * s.size;
            float byA = gv[e] * b[e].w * slope + dld * rise / slope;
            back[e] = byA / b[e].w;
            here[e] = gv[e] * a * fmaf(rise, a / 2, d0) - back[e] * a;
            first0[e] = gv[e] * b[e].w * (a - a * a / 2) + dld * (1 - a) / slope;
            first1[e] = gv[e] * b[e].w * a * a / 2 + dld * a / slope;
            if (!skip[e]) x.v[e] = fmaf(s.size, fmaf(b[e].w, a, b[e].left), s.lo), dx.v[e] = back[e] / s.size;
        }
        auto to0 = [&](int i, int e, float w) { return i < b[e].bin ? gv[e] * w / 2 : i == b[e].bin ? first0[e] : 0; };
        auto to1 = [&](int i, int e, float w) { return i < b[e].bin ? gv[e] * w / 2 : i == b[e].bin ? first1[e] : 0; };

        Quad byArea = {}, mean = {};
        bins(s, p, all, whole, [&](int i, const Quad &share, const Quad &v0, const Quad &v1, const Quad &) {
            EACH {
                float w = fmaf(s.rest(), share.v[e], minBin);
                if (s.on != Tails || i > 0) byArea.v[e] = fmaf(to0(i, e, w), v0.v[e], byArea.v[e]);
                if (s.on != Tails || i < s.k - 1) byArea.v[e] = fmaf(to1(i, e, w), v1.v[e], byArea.v[e]);
            }
        });
        EACH byArea.v[e] *= -(1 - minBin) / (whole.v[e] * whole.v[e] * free.v[e]);
        auto by_width = [&](int i, int e, float v0, float v1) { // of bin i
            float g = byArea.v[e] * (v0 + v1) / 2;
            if (i < b[e].bin) g += gv[e] * (height(v0, whole.v[e]) + height(v1, whole.v[e])) / 2 - back[e];
            return i == b[e].bin ? g + here[e] : g;
        };
        bins(s, p, all, whole, [&](int i, const Quad &share, const Quad &v0, const Quad &v1, const Quad &) {
            EACH mean.v[e] = fmaf(share.v[e], by_width(i, e, v0.v[e], v1.v[e]), mean.v[e]);
        });

        Quad last = {}, ulast = {}, afterFirst = {}; // the gradient that waits at the knot to the left, and of the knot that a circle begins with
        if (s.on != Tails) ulast = p.row(s.k);
        Quad ufirst = ulast;
        bins(s, p, all, whole, [&](int i, const Quad &share, const Quad &v0, const Quad &v1, const Quad &u1) {
            Quad gw, gv0;
            EACH {
                float w = fmaf(s.rest(), share.v[e], minBin), norm = (1 - minBin) / whole.v[e];
                gw.v[e] = skip[e] ? 0 : s.scale * s.rest() * share.v[e] * (by_width(i, e, v0.v[e], v1.v[e]) - mean.v[e]);
                float g0 = fmaf(to0(i, e, w), norm, byArea.v[e] * w / 2) + last.v[e];
                gv0.v[e] = skip[e] ? 0 : g0 * sigmoid(ulast.v[e]);
                if (i == 0) afterFirst.v[e] = g0;
                last.v[e] = fmaf(to1(i, e, w), norm, byArea.v[e] * w / 2);
            }
            p.set(i, gw);
            int row = s.on == Tails ? i - 1 : i;
            if (row >= (s.on == Circle ? 1 : 0)) p.set(s.k + row, gv0);
            ulast = u1;
        });
        if (s.on == Tails) return;
        Quad end;
        EACH {
            float g = s.on == Circle ? last.v[e] + afterFirst.v[e] : last.v[e], u = s.on == Circle ? ufirst.v[e] : ulast.v[e];
            end.v[e] = skip[e] ? 0 : g * sigmoid(u);
        }
        p.set(s.on == Circle ? s.k : 2 * s.k, end);
    }
};

// ---- AffineCurve ----------------------------------------------------------------------------------------------------

__device__ __forceinline__ float clip_of(float s) { return 1 / (1 + fabsf(s) / maxLogScale); }

struct Affine {
    template <class Way> static __device__ __forceinline__ Quad curvature(const Spline &, Params<Way>, const Quad &) { return {}; }

    template <class Way> static __device__ __forceinline__ Quad forward(const Spline &, Params<Way> p, Quad &x) {
        Quad t = p.row(0), s = p.row(1);
        EACH {
            s.v[e] *= clip_of(s.v[e]);
            x.v[e] = fmaf(x.v[e], expf(s.v[e]), t.v[e]);
        }
        return s;
    }

    template <class Way> static __device__ __forceinline__ Quad inverse(const Spline &, Params<Way> p, Quad &x) {
        Quad t = p.row(0), s = p.row(1);
        EACH {
            s.v[e] *= clip_of(s.v[e]);
            x.v[e] = (x.v[e] - t.v[e]) * expf(-s.v[e]);
        }
        return s;
    }

    template <class Way>
    static __device__ __forceinline__ void backward(const Spline &, Params<Way> p, float dld, Quad &x, Quad &dx) {
        Quad t = p.row(0), s = p.row(1);
        EACH {
            float clip = clip_of(s.v[e]), ls = s.v[e] * clip, rise = x.v[e] - t.v[e], gy = dx.v[e];
            t.v[e] = gy;
            s.v[e] = fmaf(gy, rise, dld) * clip * clip;
            x.v[e] = rise * expf(-ls);
            dx.v[e] = gy * expf(ls);
        }
        p.set(0, t), p.set(1, s);
    }
};

// ---- LogisticMixture ------------------------------------------------------------------------------------------------

struct Logistic {
    // Point is a mixture at one x: log F, log(1-F) and log f.
    struct Point { float below, above, here; };

    // Component is one of a mixture at one x, by logarithms.
    struct Component {
        float w, scale, z, below, above, here;
        __device__ Component(float logit, const Sum &all, float mean, float logs, float x) {
            scale = expf(logs) + mixtureFloor;
            z = (x - mean) / scale;
            w = logit - all.log();
            below = w + log_sigmoid(z), above = below - z, here = below + log_sigmoid(-z) - logf(scale);
        }
    };

    template <class Way> static __device__ __forceinline__ void read(const Spline &s, Params<Way> p, Sum *all) {
#pragma unroll 1
        for (int i = 0; i < s.k; i++) {
            Quad q = p.row(2 + i);
            EACH all[e].add(q.v[e]);
        }
    }

    template <class Way> static __device__ __forceinline__ void at(const Spline &s, Params<Way> p, const Sum *all, const Quad &x, Point *q) {
        Sum below[4], above[4], here[4];
#pragma unroll 1
        for (int i = 0; i < s.k; i++) {
            Quad logit = p.row(2 + i), mean = p.row(2 + s.k + i), logs = p.row(2 + 2 * s.k + i);
            EACH {
                Component c(logit.v[e], all[e], mean.v[e], logs.v[e], x.v[e]);
                below[e].add(c.below), above[e].add(c.above), here[e].add(c.here);
            }
        }
        EACH q[e] = {below[e].log(), above[e].log(), here[e].log()};
    }

    template <class Way> static __device__ __forceinline__ Quad forward(const Spline &s, Params<Way> p, Quad &x) {
        Sum all[4];
        Point q[4];
        read(s, p, all);
        at(s, p, all, x, q);
        Quad t = p.row(0), ls = p.row(1), terms;
        EACH {
            ls.v[e] *= clip_of(ls.v[e]);
            x.v[e] = fmaf(q[e].below - q[e].above, expf(ls.v[e]), t.v[e]);
            terms.v[e] = ls.v[e] + q[e].here - q[e].below - q[e].above;
        }
        return terms;
    }

    // solve finds x of z = logit F(x) for four elements, z in x: Newton's method between the quantiles of the components, with a step into the
    // middle where Newton's would leave what is known to hold the root, or halve it not. It leaves the point at x.
    template <class Way> static __device__ __forceinline__ void solve(const Spline &s, Params<Way> p, const Sum *all, Quad &x, Point *q) {
        Quad z = x, lo, hi, step;
        EACH lo.v[e] = __int_as_float(0x7f800000), hi.v[e] = -lo.v[e], x.v[e] = 0;
#pragma unroll 1
        for (int i = 0; i < s.k; i++) {
            Quad logit = p.row(2 + i), mean = p.row(2 + s.k + i), logs = p.row(2 + 2 * s.k + i);
            EACH {
                float v = fmaf(expf(logs.v[e]) + mixtureFloor, z.v[e], mean.v[e]);
                lo.v[e] = fminf(lo.v[e], v), hi.v[e] = fmaxf(hi.v[e], v);
                x.v[e] = fmaf(all[e].share(logit.v[e]), v, x.v[e]);
            }
        }
        EACH x.v[e] = fminf(fmaxf(x.v[e], lo.v[e]), hi.v[e]), step.v[e] = hi.v[e] - lo.v[e];
#pragma unroll 1
        for (int round = 0; round < 64; round++) {
            at(s, p, all, x, q);
            bool go = false;
            EACH {
                float d = q[e].below - q[e].above - z.v[e];
                if (d > 0) hi.v[e] = x.v[e];
                if (d < 0) lo.v[e] = x.v[e];
                float v = x.v[e] - d * expf(q[e].below + q[e].above - q[e].here);
                if (!(v >= lo.v[e] && v <= hi.v[e] && fabsf(v - x.v[e]) <= step.v[e] / 2)) v = 0.5f * (lo.v[e] + hi.v[e]);
                if (d == 0) v = x.v[e];
                step.v[e] = fabsf(v - x.v[e]);
                go |= step.v[e] > 1e-7f * fabsf(v);
                x.v[e] = v;
            }
            if (!go) break;
        }
        at(s, p, all, x, q);
    }

    template <class Way> static __device__ __forceinline__ Quad inverse(const Spline &s, Params<Way> p, Quad &x) {
        Sum all[4];
        Point q[4];
        read(s, p, all);
        Quad t = p.row(0), ls = p.row(1), terms;
        EACH {
            ls.v[e] *= clip_of(ls.v[e]);
            x.v[e] = (x.v[e] - t.v[e]) * expf(-ls.v[e]);
        }
        solve(s, p, all, x, q);
        EACH terms.v[e] = ls.v[e] + q[e].here - q[e].below - q[e].above;
        return terms;
    }

    // curvature is the derivative of log dy/dx by x.
    template <class Way> static __device__ __forceinline__ Quad curvature(const Spline &s, Params<Way> p, const Quad &x) {
        Sum all[4];
        Point q[4];
        read(s, p, all);
        at(s, p, all, x, q);
        Quad terms;
        EACH terms.v[e] = expf(q[e].here - q[e].above) - expf(q[e].here - q[e].below);
#pragma unroll 1
        for (int i = 0; i < s.k; i++) {
            Quad logit = p.row(2 + i), mean = p.row(2 + s.k + i), logs = p.row(2 + 2 * s.k + i);
            EACH {
                Component c(logit.v[e], all[e], mean.v[e], logs.v[e], x.v[e]);
                terms.v[e] -= expf(c.here - q[e].here) * tanhf(0.5f * c.z) / c.scale;
            }
        }
        return terms;
    }

    // backward: see cdf_backward and cdf_component of mixcdf.cu; here a mixture belongs to one element.
    template <class Way>
    static __device__ __forceinline__ void backward(const Spline &s, Params<Way> p, float dld, Quad &x, Quad &dx) {
        Sum all[4];
        Point q[4];
        read(s, p, all);
        Quad t = p.row(0), ls = p.row(1), byX, byTail, y = x;
        EACH {
            float clip = clip_of(ls.v[e]), gy = dx.v[e];
            float rise = x.v[e] - t.v[e];
            t.v[e] = gy;
            dx.v[e] = gy * expf(ls.v[e] * clip);
            x.v[e] = rise * expf(-ls.v[e] * clip);
            ls.v[e] = fmaf(gy, rise, dld) * clip * clip;
        }
        p.set(0, t), p.set(1, ls);
        y = x;
        solve(s, p, all, x, q);
        EACH {
            float g = fmaf(dld, tanhf(0.5f * y.v[e]), dx.v[e]); // by z, less that of the density of what uniform u become
            byX.v[e] = g * expf(q[e].here - q[e].below - q[e].above);
            byTail.v[e] = g * expf(-fmaxf(q[e].below, q[e].above));
            dx.v[e] = byX.v[e];
        }
#pragma unroll 1
        for (int i = 0; i < s.k; i++) {
            Quad logit = p.row(2 + i), mean = p.row(2 + s.k + i), logs = p.row(2 + 2 * s.k + i);
            EACH {
                Component c(logit.v[e], all[e], mean.v[e], logs.v[e], x.v[e]);
                float pi = expf(c.here - q[e].here), w = expf(c.w), by = -dld * tanhf(0.5f * c.z) / c.scale, g = byX.v[e] + by;
                bool upper = q[e].above < q[e].below;
                float tau = upper ? expf(c.above - q[e].above) : expf(c.below - q[e].below);
                dx.v[e] = fmaf(pi, by, dx.v[e]);
                float rise = upper ? -byTail.v[e] : byTail.v[e];
                logit.v[e] = fmaf(rise, tau - w, dld * (pi - w));
                mean.v[e] = -pi * g;
                logs.v[e] = -pi * fmaf(g * c.z, c.scale, dld) * (c.scale - mixtureFloor) / c.scale;
            }
            p.set(2 + i, logit), p.set(2 + s.k + i, mean), p.set(2 + 2 * s.k + i, logs);
        }
    }
};

// back takes x and dx to y and its gradient, and the parameters to theirs, through the inverse: dy = (dx - dld*curvature)/f', and then
// what backward makes of that, less its sign.
template <class Kind, class Way>
__device__ __forceinline__ void back(const Spline &s, Params<Way> p, int params, float dld, Quad &x, Quad &dx) {
    Quad bend = Kind::curvature(s, p, x), ld = Kind::forward(s, p, x);
    EACH dx.v[e] = fmaf(-dld, bend.v[e], dx.v[e]) * expf(-ld.v[e]);
    Quad y = x, dy = dx;
    Kind::backward(s, p, dld, y, dy);
#pragma unroll 1
    for (int i = 0; i < params; i++) {
        Quad q = p.row(i);
        EACH q.v[e] = -q.v[e];
        p.set(i, q);
    }
}
