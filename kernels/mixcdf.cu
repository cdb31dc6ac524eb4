// Flows through the cumulative distribution function of a mixture, x -> u = F(x) -> y = link(u), and the Beta base beneath them.
//
// A mixture has K components a channel: logits, means and logs are [K][C], x is [C][N][P]. With w = softmax(logits),
// s = exp(logs) + 2^-10, t = (x-mean)/s: F = sum_k w*F0(t), f = sum_k w*f0(t)/s. Everything is carried as logarithms: log F and
// log(1-F) are sums of tails, and y comes from the smaller.
//
// of says what F0 is, to what the link is: see bells.cuh.
#include "bells.cuh"
#include "rows.cuh"
#include "samples.cuh"

// Mixture is the components of a batch: part [C][K] as cdf_parts leaves it.
struct Mixture { int k, of, to; const float4 *parts; };

// cdf_parts makes {log w, mean, 1/s, log(w/s)} of each component, a warp a channel. Launch: warps(c).
KERNEL(128, 4)
cdf_parts(int c, int k, const float *logits, const float *means, const float *logs, float4 *parts) {
    int row = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (row >= c) return;
    float top = -most, sum = 0;
    for (int i = lane; i < k; i += 32) top = fmaxf(top, logits[i * c + row]);
    for (int o = 16; o; o >>= 1) top = fmaxf(top, __shfl_xor_sync(allLanes, top, o));
    for (int i = lane; i < k; i += 32) sum += expf(logits[i * c + row] - top);
    float total = top + logf(warp_sum(sum));
    for (int i = lane; i < k; i += 32) {
        float s = expf(logs[i * c + row]) + mixtureFloor, logw = logits[i * c + row] - total;
        parts[row * k + i] = make_float4(logw, means[i * c + row], 1 / s, logw - logf(s));
    }
}

__device__ __forceinline__ Point point_at(const Mixture &m, const float4 *parts, float x) {
    float nearest = most;
    bool left = false, right = false; // of a mean
#pragma unroll 1
    for (int k = 0; k < m.k; k++) {
        float4 p = parts[k];
        float t = (x - p.y) * p.z;
        nearest = fminf(nearest, fabsf(t));
        left |= t <= 0, right |= t > 0;
    }
    if (left && right) nearest = 0;
    LogSum F, S, f;
#pragma unroll 1
    for (int k = 0; k < m.k; k++) {
        float4 p = parts[k];
        BellAt t = bell_at(m.of, (x - p.y) * p.z, nearest);
        F.add(p.x + t.below), S.add(p.x + t.above), f.add(p.w + t.bell);
    }
    return point_of(m.of, m.to, F.log(), S.log(), f.log(), nearest, left, right);
}

// component_quantile is where the standard component has the value y.
__device__ __forceinline__ float component_quantile(const Mixture &m, float y) {
    if (m.of == GaussBell && m.to == LogitLink) return copysignf(normal_quantile(log_sigmoid(-fabsf(y))), y);
    if (m.of == LogisticBell && m.to == NormalLink) {
        BellAt t = bell_at(GaussBell, y, 0);
        return t.below - t.above;
    }
    return y;
}

// Root is where a mixture's flow has a value, and log dy/dx there.
struct Root { float x, ld; };

// solve finds x with point_at(x).y = y: Newton's method in the bracket of the components' quantiles. A step that leaves it, or is not
// half the one before, halves the bracket instead.
__device__ __forceinline__ Root solve(const Mixture &m, const float4 *parts, float y) {
    float q = component_quantile(m, y), lo = most, hi = -most, x = 0;
#pragma unroll 1
    for (int k = 0; k < m.k; k++) {
        float4 p = parts[k];
        float v = p.y + q / p.z;
        lo = fminf(lo, v), hi = fmaxf(hi, v);
        x = fmaf(expf(p.x), v, x);
    }
    x = fminf(fmaxf(x, lo), hi);
    float last = hi - lo, close = 1e-7f * last;
    bool there = !(lo < hi);
    Point p;
#pragma unroll 1
    for (int i = 0; i < 100; i++) {
        p = point_at(m, parts, x);
        float d = p.y - y, step = d * expf(-p.ld), next = x - step;
        if (there) { // but for a last, much smaller step
            x = fminf(fmaxf(next, lo), hi);
            break;
        }
        if (d > 0) hi = x; else lo = x;
        if (!(next > lo && next < hi) || 2 * fabsf(step) > last) next = lo + 0.5f * (hi - lo);
        last = fabsf(next - x);
        x = next;
        there = last <= fmaf(1e-6f, fabsf(x), close);
    }
    return {x, p.ld};
}

// in_turn maps the elements of a quad one after the other, so that the code of f is there once: f(v) -> term, v in place.
template <class F> __device__ __forceinline__ Quad in_turn(Quad &q, F f) {
    Quad terms = {};
#pragma unroll 1
    for (int e = 0; e < 4; e++) {
        float v = q.v[0], term = f(v);
        turn(q, v), turn(terms, term);
    }
    return terms;
}

// cdf_forward: x = y, in place; logdet[n] += sum_{c,p} ld. Launch and scratch: cells(c, n, p).
KERNEL(128, 4)
cdf_forward(int c, int n, int p, int group, int tiles, int channels, int k, int of, int to, const float4 *parts, float *x,
            float *logdet, float *part) {
    Mixture m = {k, of, to, parts};
    per_sample({c, n, p, group, tiles, channels}, aligned(x), 1, logdet, part, [&](auto way, int c, i64 i, int count) {
        Quad q = load(way, x + i, count);
        Quad terms = in_turn(q, [&](float &v) {
            Point p = point_at(m, parts + c * k, v);
            v = p.y;
            return p.ld;
        });
        store(way, x + i, q, count);
        return terms;
    });
}

// cdf_inverse: y in x becomes x; logdet[n] -= sum_{c,p} ld. Launch and scratch: cells(c, n, p).
KERNEL(128, 4)
cdf_inverse(int c, int n, int p, int group, int tiles, int channels, int k, int of, int to, const float4 *parts, float *x,
            float *logdet, float *part) {
    Mixture m = {k, of, to, parts};
    per_sample({c, n, p, group, tiles, channels}, aligned(x), -1, logdet, part, [&](auto way, int c, i64 i, int count) {
        Quad q = load(way, x + i, count);
        Quad terms = in_turn(q, [&](float &v) {
            Root r = solve(m, parts + c * k, v);
            v = r.x;
            return r.ld;
        });
        store(way, x + i, q, count);
        return terms;
    });
}

// What cdf_backward leaves of each element in rest [5][C][M] for cdf_component: logf, tail and nearest of its Point, the last negative, or
// -0, for the upper tail; the gradient by F times f, which is that by x through y; the gradient by F times the tail.
enum Rest { LogDensity, LogTail, Nearest, ByX, ByTail };

// cdf_backward: x the op's input, dy in dx becomes dx. With h the slope of the log-density at y of what uniform u become:
//
//	g = dy - dld*h;  dx = g*exp(ld) + dld * sum_k share_k*slope_k/s_k
//
// Launch: rows(c, m).
KERNEL(256, 2)
cdf_backward(int rows, int m, int span, int tiles, int k, int of, int to, float dld, const float4 *parts, const float *x, float *dx,
             float *rest) {
    Part r = part_of(m, span, tiles);
    i64 all = (i64)rows * m;
    Mixture mix = {k, of, to, parts};
    parts += r.c * k;
    for (int j = threadIdx.x; j < r.count; j += blockDim.x) {
        i64 i = r.start + j;
        float v = x[i], score = 0;
        Point p = point_at(mix, parts, v);
#pragma unroll 1
        for (int a = 0; a < k; a++) {
            float4 q = parts[a];
            BellAt t = bell_at(of, (v - q.y) * q.z, p.nearest);
            score = fmaf(expf(q.w + t.bell - p.logf), t.slope * q.z, score);
        }
        float h = to == LogitLink ? -tanhf(0.5f * p.y) : -p.y;
        float g = fmaf(-dld, h, dx[i]), byX = g * expf(p.ld), byTail = g * expf(p.ld + p.tail - p.logf);
        dx[i] = fmaf(dld, score, byX);
        rest[LogDensity * all + i] = p.logf;
        rest[LogTail * all + i] = p.tail;
        rest[Nearest * all + i] = p.upper ? -p.nearest : p.nearest;
        rest[ByX * all + i] = byX;
        rest[ByTail * all + i] = p.upper ? -byTail : byTail;
    }
}

// cdf_component sums the gradients of one component over a part of its channel. With pi and tau its shares of f and of the tail:
//
//	dlogits[k,c] += sum byTail*(tau-w) + dld*(pi-w)
//	dmeans[k,c] -= sum pi*(byX + dld*slope/s)
//	dlogs[k,c] -= exp(logs)/s * sum pi*((byX + dld*slope/s)*t*s + dld)
//
// Launch: rows(k*c, m), row k*C+c. Scratch: part [3][K*C][tiles] where tiles > 1, and then row_sums finishes each.
KERNEL(256, 2)
cdf_component(int rows, int m, int span, int tiles, int k, int of, float dld, const float4 *parts, const float *x, const float *rest,
              float *dlogits, float *dmeans, float *dlogs, float *part) {
    Part r = part_of(m, span, tiles);
    int channels = rows / k, c = r.c % channels;
    i64 all = (i64)channels * m, start = (i64)c * m + (i64)r.tile * span;
    float4 q = parts[c * k + r.c / channels];
    float w = expf(q.x), s = 1 / q.z, sum0 = 0, sum1 = 0, sum2 = 0;
    x += start, rest += start;
    bool wide = aligned(x) && aligned(rest) && all % 4 == 0;
    quads(r.count, threadIdx.x, blockDim.x, wide, [&](auto way, i64 i, int count) {
        Quad q0 = load(way, x + i, count), q1 = load(way, rest + LogDensity * all + i, count);
        Quad q2 = load(way, rest + LogTail * all + i, count), q3 = load(way, rest + Nearest * all + i, count);
        Quad q4 = load(way, rest + ByX * all + i, count), q5 = load(way, rest + ByTail * all + i, count);
#pragma unroll 1
        for (int e = 0; e < count; e++) {
            float t = (turn(q0) - q.y) * q.z, logf = turn(q1), tail = turn(q2), nearest = turn(q3), byX = turn(q4), byTail = turn(q5);
            BellAt at = bell_at(of, t, fabsf(nearest));
            float pi = expf(q.w + at.bell - logf);
            float tau = expf(q.x + (__float_as_int(nearest) < 0 ? at.above : at.below) - tail);
            float g = fmaf(dld * at.slope, q.z, byX);
            sum0 += fmaf(byTail, tau - w, dld * (pi - w));
            sum1 = fmaf(-pi, g, sum1);
            sum2 = fmaf(-pi, fmaf(g * t, s, dld), sum2);
        }
    });
    sum0 = block_sum(sum0), sum1 = block_sum(sum1), sum2 = block_sum(sum2) * fmaf(-mixtureFloor, q.z, 1); // exp(logs)/s
    if (threadIdx.x) return;
    if (tiles == 1) {
        dlogits[r.c] += sum0, dmeans[r.c] += sum1, dlogs[r.c] += sum2;
    } else {
        i64 cells = (i64)rows * tiles;
        part[blockIdx.x] = sum0, part[cells + blockIdx.x] = sum1, part[2 * cells + blockIdx.x] = sum2;
    }
}

// beta_logp: logp[n] += sum_{c,p} (a*log sigmoid(x) + b*log sigmoid(-x) - logB). Launch and scratch: cells(c, n, p).
KERNEL(128, 4)
beta_logp(int c, int n, int p, int group, int tiles, int channels, float a, float b, float logB, const float *x, float *logp,
          float *part) {
    per_sample({c, n, p, group, tiles, channels}, aligned(x), 1, logp, part, [&](auto way, int, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float left = log_sigmoid(q.v[e]);
            q.v[e] = fmaf(a, left, fmaf(b, left - q.v[e], -logB));
        }
        return q;
    });
}

// beta_logp_backward: dx[i] = dlp * (a*sigmoid(-x) - b*sigmoid(x)). Launch: flat(n).
KERNEL(256, 4) beta_logp_backward(i64 n, float a, float b, float dlp, const float *x, float *dx) {
    flat(n, aligned(x) && aligned(dx), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float t = expf(-fabsf(q.v[e])), near = t / (1 + t), far = 1 / (1 + t); // sigmoid(-|x|), sigmoid(|x|)
            q.v[e] = dlp * (q.v[e] > 0 ? fmaf(a, near, -b * far) : fmaf(a, far, -b * near));
        }
        store(way, dx + i, q, count);
    });
}

// beta_fraction is the continued fraction 1/(1+d1/(1+d2/(1+...))) of I_u(a, b) = u^a (1-u)^b/(a B(a,b)) * fraction, DLMF 8.17.22,
// by Lentz's method. It takes some sqrt(max(a, b)) terms.
__device__ __forceinline__ double away(double v) { return fabs(v) < 1e-300 ? 1e-300 : v; }

__device__ double beta_fraction(double a, double b, double u) {
    double c = 1, d = 1 / away(1 - (a + b) * u / (a + 1)), f = d;
#pragma unroll 1
    for (int m = 1; m <= 2000; m++) {
        double term = m * (b - m) * u / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / away(1 + term * d);
        c = away(1 + term / c);
        f *= d * c;
        term = -(a + m) * (a + b + m) * u / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / away(1 + term * d);
        c = away(1 + term / c);
        f *= d * c;
        if (fabs(d * c - 1) < 1e-14) break;
    }
    return f;
}

// lower_beta is the z with log I(z) = logp <= log(1/2), I the distribution function of logit u, u of Beta(a, b). The density of logit
// u is log-concave, and so is I: Newton's method on log I comes to the left of the root in one step at most, and rises to it from
// there. The continued fraction is that of the end on whose side of the mean z is.
__device__ double lower_beta(double a, double b, double logB, double logp) {
    double z = log(a / b); // the mode
#pragma unroll 1
    for (int i = 0; i < 100; i++) {
        double x = fmin(z, 0.0) - log1p(exp(-fabs(z))), y = x - z; // log u, log(1-u)
        double logf = a * x + b * y - logB, u = exp(x), logI;
        bool low = u < (a + 1) / (a + b + 2);
        double q = low ? beta_fraction(a, b, u) / a : beta_fraction(b, a, exp(y)) / b;
        logI = low ? logf + log(q) : log1p(-exp(logf) * q);
        double step = (logI - logp) * exp(logI - logf);
        z -= step;
        if (fabs(step) <= 1e-7 * (1 + fabs(z))) break; // the next one is its square
    }
    return z;
}

// beta_quantile replaces the uniform numbers k*2^-24 in x by scale * the logit of the quantile of Beta(a, b) at (k+1/2)*2^-24, from the
// end that is nearer, in float64: near an end nothing less would do. logB is log B(a, b) in two parts. Launch: items(n), a thread
// an element.
KERNEL(256, 1) beta_quantile(i64 n, float a, float b, float logB, float logBRest, float scale, float *x) {
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) {
        u32 k = (u32)(x[i] * 0x1p24f), mirror = (1u << 24) - 1 - k;
        bool low = k < mirror;
        double z = lower_beta(low ? a : b, low ? b : a, (double)logB + logBRest, log(((low ? k : mirror) + 0.5) * 0x1p-24));
        x[i] = (float)(scale * (low ? z : -z));
    }
}
