// The optimiser: clipping, Adam or Adamax (Kingma and Ba, "Adam", 2015) and averaged weights, one launch over the flat arrays.
#include "common.cuh"

// rest is 1 - beta^t = -expm1(t*log(beta)): a difference that is small in the first steps would lose its digits.
__device__ __forceinline__ float rest(float beta, float t) { return -expm1f(t * log1pf(beta - 1)); }

// adam: hyper = [lr, t], t = 1, 2, ...; sumsq[0] is the squared norm of g. If it is not finite nothing changes.
//
//	g' = g * min(1, clip/sqrt(sumsq)), where clip > 0
//	m = beta1*m + (1-beta1)*g'
//	v = beta2*v + (1-beta2)*g'^2;  p -= lr * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + eps)       Adam
//	v = max(beta2*v, |g'|);        p -= lr * (m/(1-beta1^t)) / (v + eps)                         Adamax, where max is not 0
//	d = min(decay, (1+t)/(10+t));  ema = d*ema + (1-d)*p, where ema is given
//
// Launch: flat(n).
KERNEL(256, 2)
adam(i64 n, int max, float beta1, float beta2, float eps, float clip, float decay, const float *hyper, const float *sumsq,
     const float *g, float *p, float *m, float *v, float *ema) {
    float norm = sumsq[0], lr = hyper[0], t = hyper[1];
    if (!isfinite(norm)) return;
    float cut = clip > 0 ? fminf(1, clip / sqrtf(norm)) : 1;
    float step = lr / rest(beta1, t), unbias = max ? 1 : 1 / rest(beta2, t), d = fminf(decay, (1 + t) / (10 + t));
    bool wide = aligned(g) && aligned(p) && aligned(m) && aligned(v) && aligned(ema);
    flat(n, wide, [&](auto way, i64 i, int count) {
        Quad qg = load(way, g + i, count), qp = load(way, p + i, count), qm = load(way, m + i, count), qv = load(way, v + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float g = cut * qg.v[e];
            qm.v[e] = fmaf(beta1, qm.v[e], (1 - beta1) * g);
            qv.v[e] = max ? fmaxf(beta2 * qv.v[e], fabsf(g)) : fmaf(beta2, qv.v[e], (1 - beta2) * (g * g));
            float size = max ? qv.v[e] : sqrtf(qv.v[e] * unbias);
            qp.v[e] -= step * qm.v[e] / (size + eps);
        }
        store(way, p + i, qp, count), store(way, m + i, qm, count), store(way, v + i, qv, count);
        if (!ema) return;
        Quad qe = load(way, ema + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) qe.v[e] = fmaf(d, qe.v[e], (1 - d) * qp.v[e]);
        store(way, ema + i, qe, count);
    });
}
