// GaussianMixture of device.Curves: y = Phi^-1(F(x)), with a mixture of its own for each element. Parameters are logits, means, log scales.
// Its arithmetic is long, and so that its code is not there four times a thread takes its elements one after the other.
#pragma once
#include "curves.cuh"

struct Gauss {
    // Mixture is that of one element, of k components: parameter j is p[j*m].
    struct Mixture {
        float *p;
        i64 m;
        int k;
        float total; // logarithm of the sum that weights are shares of

        __device__ __forceinline__ float &logit(int i) const { return p[i * m]; }
        __device__ __forceinline__ float &mean(int i) const { return p[(k + i) * m]; }
        __device__ __forceinline__ float &logs(int i) const { return p[(2 * k + i) * m]; }
    };

    // Component is one of a mixture at one x.
    struct Component {
        float logw, scale, per, t; // log weight, scale, 1/scale, (x-mean)/scale

        __device__ __forceinline__ Component(const Mixture &mix, int i, float x) {
            logw = mix.logit(i) - mix.total;
            scale = expf(mix.logs(i)) + mixtureFloor;
            per = 1 / scale;
            t = (x - mix.mean(i)) * per;
        }
        // share is the component's of the density.
        __device__ __forceinline__ float share(const BellAt &b, const Point &q) const { return expf(logw + logf(per) + b.bell - q.logf); }
    };

    static __device__ __forceinline__ Mixture read(float *p, int m, int k) {
        Mixture mix = {p, m, k, 0};
        LogSum sum;
#pragma unroll 1
        for (int i = 0; i < k; i++) sum.add(mix.logit(i));
        mix.total = sum.log();
        return mix;
    }

    static __device__ __forceinline__ Point at(const Mixture &mix, float x) {
        float nearest = most;
        bool left = false, right = false; // of a mean
#pragma unroll 1
        for (int i = 0; i < mix.k; i++) {
            Component c(mix, i, x);
            nearest = fminf(nearest, fabsf(c.t));
            left |= c.t <= 0, right |= c.t > 0;
        }
        if (left && right) nearest = 0;
        LogSum below, above, here;
#pragma unroll 1
        for (int i = 0; i < mix.k; i++) {
            Component c(mix, i, x);
            BellAt b = bell_at(GaussBell, c.t, nearest);
            below.add(c.logw + b.below), above.add(c.logw + b.above), here.add(c.logw + logf(c.per) + b.bell);
        }
        return point_of(GaussBell, NormalLink, below.log(), above.log(), here.log(), nearest, left, right);
    }

    // solve finds x of y and leaves the point there: Newton's method between the quantiles of the components, with a step into the middle where
    // Newton's would leave what is known to hold the root, or not be half the one before; and a last one, much smaller.
    static __device__ __forceinline__ Point solve(const Mixture &mix, float y, float &x) {
        float lo = most, hi = -most;
        x = 0;
#pragma unroll 1
        for (int i = 0; i < mix.k; i++) {
            float v = fmaf(expf(mix.logs(i)) + mixtureFloor, y, mix.mean(i));
            lo = fminf(lo, v), hi = fmaxf(hi, v);
            x = fmaf(expf(mix.logit(i) - mix.total), v, x);
        }
        x = fminf(fmaxf(x, lo), hi);
        float last = hi - lo, close = 1e-7f * last;
        bool there = !(lo < hi), done = false;
        Point q;
#pragma unroll 1
        for (int round = 0; round < 100; round++) {
            q = at(mix, x);
            if (done) break;
            float d = q.y - y, step = d * expf(-q.ld), next = x - step;
            if (there) {
                x = fminf(fmaxf(next, lo), hi);
                done = true;
                continue;
            }
            if (d > 0) hi = x; else lo = x;
            if (!(next > lo && next < hi) || 2 * fabsf(step) > last) next = lo + 0.5f * (hi - lo);
            last = fabsf(next - x);
            x = next;
            there = last <= fmaf(1e-6f, fabsf(x), close);
        }
        return q;
    }

    // curvature_at is the derivative of log dy/dx by x.
    static __device__ __forceinline__ float curvature_at(const Mixture &mix, float x) {
        Point q = at(mix, x);
        float bend = q.y * expf(q.ld);
#pragma unroll 1
        for (int i = 0; i < mix.k; i++) {
            Component c(mix, i, x);
            bend = fmaf(-c.share(bell_at(GaussBell, c.t, q.nearest), q) * c.t, c.per, bend);
        }
        return bend;
    }

    // backward_at: see cdf_backward and cdf_component of mixcdf.cu; here a mixture belongs to one element.
    static __device__ __forceinline__ void backward_at(const Mixture &mix, float dld, float &x, float &dx) {
        float y = x;
        Point q = solve(mix, y, x);
        float g = fmaf(dld, y, dx); // by y, less that of the density of what uniform u become
        float byX = g * expf(q.ld), byTail = g * expf(q.ld + q.tail - q.logf);
        if (q.upper) byTail = -byTail;
        dx = byX;
#pragma unroll 1
        for (int i = 0; i < mix.k; i++) {
            Component c(mix, i, x);
            BellAt b = bell_at(GaussBell, c.t, q.nearest);
            float w = expf(c.logw), pi = c.share(b, q), tau = expf(c.logw + (q.upper ? b.above : b.below) - q.tail);
            float by = -dld * c.t * c.per, h = byX + by;
            dx = fmaf(pi, by, dx);
            mix.logit(i) = fmaf(byTail, tau - w, dld * (pi - w));
            mix.mean(i) = -pi * h;
            mix.logs(i) = -pi * fmaf(h * c.t, c.scale, dld) * fmaf(-mixtureFloor, c.per, 1);
        }
    }

    // one_by_one maps the elements of a quad: f(mixture, v) -> term, v in place.
    template <class Way, class F> static __device__ __forceinline__ Quad one_by_one(const Spline &s, Params<Way> p, Quad &x, F f) {
        Quad terms = {};
#pragma unroll 1
        for (int e = 0; e < 4; e++) {
            float v = x.v[0], term = 0;
            if (e < p.count) term = f(read(p.p + e, p.m, s.k), v);
            turn(x, v), turn(terms, term);
        }
        return terms;
    }

    template <class Way> static __device__ __forceinline__ Quad forward(const Spline &s, Params<Way> p, Quad &x) {
        return one_by_one(s, p, x, [&](const Mixture &mix, float &v) {
            Point q = at(mix, v);
            v = q.y;
            return q.ld;
        });
    }

    template <class Way> static __device__ __forceinline__ Quad inverse(const Spline &s, Params<Way> p, Quad &x) {
        return one_by_one(s, p, x, [&](const Mixture &mix, float &v) {
            float y = v;
            return solve(mix, y, v).ld;
        });
    }

    template <class Way> static __device__ __forceinline__ Quad curvature(const Spline &s, Params<Way> p, const Quad &x) {
        Quad at = x;
        return one_by_one(s, p, at, [&](const Mixture &mix, float &v) { return curvature_at(mix, v); });
    }

    template <class Way>
    static __device__ __forceinline__ void backward(const Spline &s, Params<Way> p, float dld, Quad &x, Quad &dx) {
#pragma unroll 1
        for (int e = 0; e < 4; e++) {
            float v = x.v[0], d = dx.v[0];
            if (e < p.count) backward_at(read(p.p + e, p.m, s.k), dld, v, d);
            turn(x, v), turn(dx, d);
        }
    }
};
