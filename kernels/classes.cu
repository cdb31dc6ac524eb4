// An actnorm whose parameters depend on the sample's class k = label[n]; label [N], logs and b [K][C], x [C][N][P].
#include "common.cuh"

// each_element maps x in place by f(value, k*C+c). Launch: flat(c*n*p).
template <class F> __device__ __forceinline__ void each_element(int c, int n, int p, const float *label, float *x, F f) {
    u32 m = (u32)n * p;
    flat((i64)c * m, aligned(x), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (e < count) {
                u32 row = (i + e) / m, sample = (u32)((i + e) % m) / p;
                q.v[e] = f(q.v[e], (int)label[sample] * c + row);
            }
        store(way, x + i, q, count);
    });
}

// class_affine: x[c,n,p] = (x[c,n,p] + b[k,c]) * exp(logs[k,c]), in place. Launch: flat(c*n*p).
KERNEL(256, 4) class_affine(int c, int n, int p, const float *label, const float *logs, const float *b, float *x) {
    each_element(c, n, p, label, x, [=](float v, int k) { return (v + b[k]) * expf(logs[k]); });
}

// class_affine_inverse: x = x*exp(-logs[k,c]) - b[k,c], in place. Launch: flat(c*n*p).
KERNEL(256, 4) class_affine_inverse(int c, int n, int p, const float *label, const float *logs, const float *b, float *x) {
    each_element(c, n, p, label, x, [=](float v, int k) { return fmaf(v, expf(-logs[k]), -b[k]); });
}

// class_logdet: logdet[n] += a * sum_c logs[k,c], a = P forward and -P inverse. Launch: warps(n), a warp a sample.
KERNEL(128, 4) class_logdet(int c, int n, float a, const float *label, const float *logs, float *logdet) {
    int sample = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (sample >= n) return;
    logs += (i64)label[sample] * c;
    float sum = 0;
    for (int i = lane; i < c; i += 32) sum += logs[i];
    sum = warp_sum(sum);
    if (lane == 0) logdet[sample] += a * sum;
}

// class_affine_backward takes y in x and dy in dx and leaves x and its gradient there, and the sums over a channel of a sample
// in part [2][C][N]: P*dld + sum_p dy*y, then sum_p dx. `lanes` threads, a power of 2 up to a warp, share such a channel.
// Launch: items(c*n*lanes).
KERNEL(256, 4)
class_affine_backward(int c, int n, int p, int lanes, float dld, const float *label, const float *logs, const float *b, float *x,
                      float *dx, float *part) {
    u32 item = (blockIdx.x * blockDim.x + threadIdx.x) / lanes, lane = threadIdx.x % lanes, cells = (u32)c * n;
    float s0 = 0, s1 = 0;
    if (item < cells) {
        i64 k = (i64)label[item % n] * c + item / n, start = (i64)item * p;
        float scale = expf(logs[k]), back = expf(-logs[k]), shift = b[k];
        for (int i = lane; i < p; i += lanes) {
            float y = x[start + i], dy = dx[start + i];
            s0 = fmaf(dy, y, s0);
            s1 = fmaf(dy, scale, s1);
            x[start + i] = fmaf(y, back, -shift);
            dx[start + i] = dy * scale;
        }
    }
    for (int o = lanes / 2; o; o /= 2) {
        s0 += __shfl_xor_sync(allLanes, s0, o);
        s1 += __shfl_xor_sync(allLanes, s1, o);
    }
    if (item < cells && lane == 0) part[item] = fmaf((float)p, dld, s0), part[cells + item] = s1;
}

// class_sums: dlogs[k,c] += sum of part[0,c,n], db[k,c] += sum of part[1,c,n], over the samples n of class k in order of lanes.
// Launch: warps(classes*c), a warp a parameter.
KERNEL(128, 4) class_sums(int c, int n, int classes, const float *label, const float *part, float *dlogs, float *db) {
    int k = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (k >= classes * c) return;
    const float *p0 = part + (i64)(k % c) * n, *p1 = p0 + (i64)c * n;
    float s0 = 0, s1 = 0;
    for (int i = lane; i < n; i += 32)
        if ((int)label[i] == k / c) s0 += p0[i], s1 += p1[i];
    s0 = warp_sum(s0), s1 = warp_sum(s1);
    if (lane == 0) dlogs[k] += s0, db[k] += s1;
}
