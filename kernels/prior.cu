// Priors: log-probabilities per sample with their gradients; and the logit of images, whose log-determinant is a sum per sample too.
//
// Launch and scratch: cells(c, n, p) (samples.cuh), where nothing else is said.
#include "samples.cuh"

constexpr float halfLog2Pi = 0.918938533204672741780f; // log(2 pi)/2

// gaussian_logp: logp[n] += sum_{c,p} (-x^2/2 - log(2 pi)/2). Its gradient is scale with a = -dlp.
KERNEL(128, 4)
gaussian_logp(int c, int n, int p, int group, int tiles, int channels, const float *x, float *logp, float *part) {
    per_sample({c, n, p, group, tiles, channels}, aligned(x), 1, logp, part, [&](auto way, int, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] = fmaf(-0.5f * q.v[e], q.v[e], -halfLog2Pi);
        return q;
    });
}

// logistic_logp: logp[n] += sum_{c,p} (-x - 2 log(1+exp(-x))), which is even in x: -|x| - 2 log(1+exp(-|x|)).
KERNEL(128, 4)
logistic_logp(int c, int n, int p, int group, int tiles, int channels, const float *x, float *logp, float *part) {
    per_sample({c, n, p, group, tiles, channels}, aligned(x), 1, logp, part, [&](auto way, int, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float a = fabsf(q.v[e]);
            q.v[e] = fmaf(-2, log1pf(expf(-a)), -a);
        }
        return q;
    });
}

// logistic_logp_backward: dx[i] = -dlp * tanh(x[i]/2). Launch: flat(n).
KERNEL(256, 4) logistic_logp_backward(i64 n, float dlp, const float *x, float *dx) {
    flat(n, aligned(x) && aligned(dx), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] = -dlp * tanhf(0.5f * q.v[e]);
        store(way, dx + i, q, count);
    });
}

// logit takes centred intensities x in [-1/2, 1/2] to the real line, in place (RealNVP, section 4.1), v = x + 1/2:
//
//	p = alpha + (1-alpha)*v;  q = (1-alpha)*max(1-v, 2^-24);  x = log p - log q
//	logdet[n] += sum_{c,p} (log(1-alpha) - log p - log q)
//
// 1-v is computed as 1/2-x, which is exact near white.
KERNEL(128, 4)
logit(int c, int n, int p, int group, int tiles, int channels, float alpha, float *x, float *logdet, float *part) {
    float keep = 1 - alpha, logKeep = log1pf(-alpha);
    per_sample({c, n, p, group, tiles, channels}, aligned(x), 1, logdet, part, [&](auto way, int, i64 i, int count) {
        Quad q = load(way, x + i, count), terms;
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float logp = logf(fmaf(keep, q.v[e] + 0.5f, alpha)), logq = logf(keep * fmaxf(0.5f - q.v[e], 0x1p-24f));
            q.v[e] = logp - logq;
            terms.v[e] = logKeep - logp - logq;
        }
        store(way, x + i, q, count);
        return terms;
    });
}

// logit_inverse: x = (sigmoid(x)-alpha)/(1-alpha) - 1/2, in place. Launch: flat(n).
KERNEL(256, 4) logit_inverse(i64 n, float alpha, float *x) {
    flat(n, aligned(x), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float t = expf(-fabsf(q.v[e])), s = (q.v[e] > 0 ? 1 : t) / (1 + t);
            q.v[e] = (s - alpha) / (1 - alpha) - 0.5f;
        }
        store(way, x + i, q, count);
    });
}
