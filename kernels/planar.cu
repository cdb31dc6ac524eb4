// Planar and radial flows of vectors x [C][N] (Rezende and Mohamed, "Variational inference with normalizing flows", 2015, section 4.1
// and appendix A). Launch: vectors(c, n) (vectors.cuh), where nothing else is said.
#include "gate.cuh"
#include "rows.cuh"
#include "vectors.cuh"

// planar_fold: t = w.u; s = max(log(1+exp(t)), 2^-126); uh = u + (s-1-t)*w/|w|^2, and s-1-t = log(1+exp(-t)) - 1. Launch: one().
KERNEL(256, 4) planar_fold(int c, const float *w, const float *u, float *uh, float *s) {
    float t = 0, norm = 0;
    for (int i = threadIdx.x; i < c; i += blockDim.x) t = fmaf(w[i], u[i], t), norm = fmaf(w[i], w[i], norm);
    t = block_sum(t), norm = block_sum(norm);
    float k = (softplus(-t) - 1) / norm;
    for (int i = threadIdx.x; i < c; i += blockDim.x) uh[i] = fmaf(k, w[i], u[i]);
    if (threadIdx.x == 0) s[0] = fmaxf(softplus(t), 0x1p-126f);
}

// planar_fold_backward, with k = (s-1-t)/|w|^2: dk = duh.w;  dt = (ds + dk/|w|^2)*sigmoid(t) - dk/|w|^2
// dw += k*duh + dt*u - 2*dk*k/|w|^2*w;  du += duh + dt*w. Launch: one().
KERNEL(256, 4)
planar_fold_backward(int c, const float *w, const float *u, const float *duh, const float *ds, float *dw, float *du) {
    float t = 0, norm = 0, dk = 0;
    for (int i = threadIdx.x; i < c; i += blockDim.x)
        t = fmaf(w[i], u[i], t), norm = fmaf(w[i], w[i], norm), dk = fmaf(duh[i], w[i], dk);
    t = block_sum(t), norm = block_sum(norm), dk = block_sum(dk);
    float k = (softplus(-t) - 1) / norm, e = expf(-fabsf(t)), sigmoid = (t > 0 ? 1 : e) / (1 + e);
    dk /= norm;
    float dt = fmaf(ds[0], sigmoid, -dk * ((t > 0 ? e : 1) / (1 + e)));
    for (int i = threadIdx.x; i < c; i += blockDim.x) {
        dw[i] += fmaf(k, duh[i], fmaf(dt, u[i], -2 * dk * k * w[i]));
        du[i] += fmaf(dt, w[i], duh[i]);
    }
}

// along is w.x + b of a lane's sample.
__device__ __forceinline__ float along(Lane l, int c, int n, const float *w, const float *b, const float *x) {
    float a = 0;
    if (l.live)
        for (int k = l.warp; k < c; k += l.step) a = fmaf(w[k], x[(i64)k * n + l.i], a);
    return over_warps<0>(a) + b[0];
}

// planar: x += uh*h(a), a = w.x + b, in place; logdet += log g'(a). h is enum Bend, slope that of the leaky ReLU.
KERNEL(256, 4)
planar(int c, int n, int h, float slope, const float *w, const float *b, const float *uh, const float *s, float *x, float *logdet) {
    Lane l = lane_of(n);
    Gate g = {h, slope, s[0]};
    Point p = point(g, along(l, c, n, w, b, x));
    if (!l.live) return;
    for (int k = l.warp; k < c; k += l.step) x[(i64)k * n + l.i] = fmaf(uh[k], p.h, x[(i64)k * n + l.i]);
    if (l.warp == 0) logdet[l.i] += logf(slope_at(g, p));
}

// planar_inverse: a solves g(a) = w.y + b; x = y - uh*h(a); logdet -= log g'(a).
KERNEL(256, 4)
planar_inverse(int c, int n, int h, float slope, const float *w, const float *b, const float *uh, const float *s, float *x, float *logdet) {
    Lane l = lane_of(n);
    Gate g = {h, slope, s[0]};
    Point p = point(g, solve(g, along(l, c, n, w, b, x)));
    if (!l.live) return;
    for (int k = l.warp; k < c; k += l.step) x[(i64)k * n + l.i] = fmaf(-uh[k], p.h, x[(i64)k * n + l.i]);
    if (l.warp == 0) logdet[l.i] -= logf(slope_at(g, p));
}

// planar_backward takes y in x and dy in dx and leaves x and its gradient there:
//
//	da = h'(a)*(uh.dy) + dld*(s-1)*h''(a)/g'(a);  dx = dy + w*da
//
// and the sums over a block's samples in part [2C+2][blocks]: da*x and dy*h(a) by channel, da, dld*h'(a)/g'(a).
KERNEL(256, 4)
planar_backward(int c, int n, int h, float slope, float dld, const float *w, const float *b, const float *uh, const float *s, float *x,
                float *dx, float *part) {
    Lane l = lane_of(n);
    Gate g = {h, slope, s[0]};
    Point p = point(g, solve(g, along(l, c, n, w, b, x)));
    float d = 0;
    if (l.live)
        for (int k = l.warp; k < c; k += l.step) d = fmaf(uh[k], dx[(i64)k * n + l.i], d);
    float det = slope_at(g, p), da = fmaf(p.h1, over_warps<1>(d), dld * (g.s - 1) * p.h2 / det);
    if (!l.live) da = 0;
    for (int k = l.warp; k < c; k += l.step) {
        float dw = 0, duh = 0;
        if (l.live) {
            i64 at = (i64)k * n + l.i;
            float dy = dx[at], v = fmaf(-uh[k], p.h, x[at]);
            x[at] = v, dx[at] = fmaf(w[k], da, dy);
            dw = da * v, duh = dy * p.h;
        }
        leave(part, k, dw), leave(part, c + k, duh);
    }
    if (l.warp == 0) leave(part, 2 * c, da), leave(part, 2 * c + 1, l.live ? dld * p.h1 / det : 0);
}

// planar_finish adds the rows of part up. Launch: warps(2*c+2).
KERNEL(128, 4) planar_finish(int c, int tiles, const float *part, float *dw, float *db, float *duh, float *ds) {
    row_finish(2 * c + 2, tiles, part, [&](int r, float sum) {
        float *out = r < c ? dw + r : r < 2 * c ? duh + (r - c) : r == 2 * c ? db : ds;
        out[0] += sum;
    });
}

// Ball is a radial flow: r becomes (r+s)/(r+al)*r.
struct Ball { float al, s; };

__device__ __forceinline__ Ball ball(const float *loga, const float *beta) { return {expf(loga[0]), softplus(beta[0])}; }

// log_det is (C-1)*log((r+s)/(r+al)) + log((r^2 + 2*al*r + s*al)/(r+al)^2).
__device__ __forceinline__ float log_det(Ball b, int c, float r) {
    float q = fmaf(r, r + 2 * b.al, b.s * b.al);
    return (c - 1) * logf((r + b.s) / (r + b.al)) + logf(q / (r + b.al) / (r + b.al));
}

// near is the r that became far: the positive root of r^2 + (s-far)*r - al*far = 0, by the formula that adds terms of one sign.
__device__ __forceinline__ float near(Ball b, float far) {
    float p = far - b.s, root = sqrtf(fmaf(p, p, 4 * far * b.al));
    return p > 0 ? 0.5f * (p + root) : far == 0 ? 0 : 2 * far * b.al / (root - p);
}

// distance is |x-x0| of a lane's sample.
__device__ __forceinline__ float distance(Lane l, int c, int n, const float *x0, const float *x) {
    float square = 0;
    if (l.live)
        for (int k = l.warp; k < c; k += l.step) {
            float v = x[(i64)k * n + l.i] - x0[k];
            square = fmaf(v, v, square);
        }
    return sqrtf(over_warps<0>(square));
}

// radial: x = x0 + (r+s)/(r+al)*(x-x0), r = |x-x0|, in place; logdet += log_det.
KERNEL(256, 4)
radial(int c, int n, const float *x0, const float *loga, const float *beta, float *x, float *logdet) {
    Lane l = lane_of(n);
    Ball b = ball(loga, beta);
    float r = distance(l, c, n, x0, x), scale = (r + b.s) / (r + b.al);
    if (!l.live) return;
    for (int k = l.warp; k < c; k += l.step) x[(i64)k * n + l.i] = fmaf(scale, x[(i64)k * n + l.i] - x0[k], x0[k]);
    if (l.warp == 0) logdet[l.i] += log_det(b, c, r);
}

// radial_inverse: x = x0 + (r+al)/(r+s)*(y-x0), r from |y-x0|; logdet -= log_det.
KERNEL(256, 4)
radial_inverse(int c, int n, const float *x0, const float *loga, const float *beta, float *x, float *logdet) {
    Lane l = lane_of(n);
    Ball b = ball(loga, beta);
    float r = near(b, distance(l, c, n, x0, x)), scale = (r + b.al) / (r + b.s);
    if (!l.live) return;
    for (int k = l.warp; k < c; k += l.step) x[(i64)k * n + l.i] = fmaf(scale, x[(i64)k * n + l.i] - x0[k], x0[k]);
    if (l.warp == 0) logdet[l.i] -= log_det(b, c, r);
}

// radial_backward takes y in x and dy in dx and leaves x and its gradient there. With v = x-x0, k = (r+s)/(r+al),
// q = r^2 + 2*al*r + s*al, p = v.dy:
//
//	dr = p*(al-s)/(r+al)^2 + dld*((C-1)*(1/(r+s) - 1/(r+al)) + 2*(r+al)/q - 2/(r+al));  dx = k*dy + dr*v/r (r = 0: k*dy)
//
// and the sums over a block's samples in part [C+2][blocks]: dy-dx by channel, and what is multiplied by al for loga and by sigmoid(beta) for
// beta:
//
//	-p*k/(r+al) + dld*(-(C+1)/(r+al) + (2*r+s)/q);  p/(r+al) + dld*((C-1)/(r+s) + al/q)
KERNEL(256, 4)
radial_backward(int c, int n, float dld, const float *x0, const float *loga, const float *beta, float *x, float *dx, float *part) {
    Lane l = lane_of(n);
    Ball b = ball(loga, beta);
    float r = near(b, distance(l, c, n, x0, x)), dot = 0;
    if (l.live)
        for (int k = l.warp; k < c; k += l.step) dot = fmaf(x[(i64)k * n + l.i] - x0[k], dx[(i64)k * n + l.i], dot);
    dot = over_warps<1>(dot);
    float rs = 1 / (r + b.s), ra = 1 / (r + b.al), scale = (r + b.s) * ra, back = (r + b.al) * rs;
    float q = 1 / fmaf(r, r + 2 * b.al, b.s * b.al), p = dot * back;
    float dr = p * (b.al - b.s) * ra * ra + dld * ((c - 1) * (b.al - b.s) * rs * ra + 2 * (r + b.al) * q - 2 * ra);
    float turn = r > 0 ? dr / r : 0;
    for (int k = l.warp; k < c; k += l.step) {
        float sum = 0;
        if (l.live) {
            i64 at = (i64)k * n + l.i;
            float v = (x[at] - x0[k]) * back, dy = dx[at], d = fmaf(turn, v, scale * dy);
            x[at] = x0[k] + v, dx[at] = d;
            sum = dy - d;
        }
        leave(part, k, sum);
    }
    if (l.warp) return;
    leave(part, c, l.live ? -p * scale * ra + dld * ((2 * r + b.s) * q - (c + 1) * ra) : 0);
    leave(part, c + 1, l.live ? p * ra + dld * ((c - 1) * rs + b.al * q) : 0);
}

// radial_finish adds the rows of part up. Launch: warps(c+2).
KERNEL(128, 4)
radial_finish(int c, int tiles, const float *loga, const float *beta, const float *part, float *dx0, float *dloga, float *dbeta) {
    row_finish(c + 2, tiles, part, [&](int r, float sum) {
        if (r < c)
            dx0[r] += sum;
        else if (r == c)
            dloga[0] += expf(loga[0]) * sum;
        else
            dbeta[0] += sum / (1 + expf(-beta[0]));
    });
}
