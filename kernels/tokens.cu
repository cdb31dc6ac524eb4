// What tokens are told of their place and their sample's class, and moving them: device.Transformer.
#include "common.cuh"

// add_positions: x[c,n,p] += pos[c,p]. Launch: flat(c*n*p).
KERNEL(256, 4) add_positions(i64 count, int n, int p, const float *pos, float *x) {
    flat(count, aligned(x) && aligned(pos) && p % 4 == 0, [&](auto way, i64 i, int some) {
        Quad q = load(way, x + i, some);
        if (p % 4 == 0) {
            Quad add = load(way, pos + i / ((i64)n * p) * p + i % p, some);
#pragma unroll
            for (int e = 0; e < 4; e++) q.v[e] += add.v[e];
        } else {
#pragma unroll
            for (int e = 0; e < 4; e++)
                if (e < some) q.v[e] += pos[(i + e) / ((i64)n * p) * p + (i + e) % p];
        }
        store(way, x + i, q, some);
    });
}

// positions_backward: dpos[c,p] += sum_n dx[c,n,p]. Launch: items(c*p).
KERNEL(256, 4) positions_backward(int c, int n, int p, const float *dx, float *dpos) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= c * p) return;
    dx += (i64)(i / p) * n * p + i % p;
    float sum = 0;
    for (int k = 0; k < n; k++) sum += dx[(i64)k * p];
    dpos[i] += sum;
}

// embed: x[c,n,p] += table[label[n],c]. Launch: flat(c*n*p).
KERNEL(256, 4) embed(i64 count, int c, int n, int p, const float *label, const float *table, float *x) {
    flat(count, aligned(x), [&](auto way, i64 i, int some) {
        Quad q = load(way, x + i, some);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            i64 row = (i + (e < some ? e : 0)) / p; // c*N + n
            q.v[e] += table[(i64)label[row % n] * c + row / n];
        }
        store(way, x + i, q, some);
    });
}

// embed_backward: dtable[k,c] += sum of dx[c,n,p] over samples of class k. Launch: warps(classes*c).
KERNEL(128, 4) embed_backward(int c, int n, int p, int classes, const float *label, const float *dx, float *dtable) {
    int item = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (item >= classes * c) return;
    dx += (i64)(item % c) * n * p;
    float sum = 0;
    for (int i = lane; i < n * p; i += 32)
        if ((int)label[i / p] == item / c) sum += dx[i];
    sum = warp_sum(sum);
    if (lane == 0) dtable[item] += sum;
}

// gather: y[i,j] = x[i,index[j]], 0 where index[j] is below 0. Launch: items(rows*q).
KERNEL(256, 4) gather(int rows, int p, int q, const float *index, const float *x, float *y) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= (i64)rows * q) return;
    int from = (int)index[i % q];
    y[i] = from >= 0 ? x[i / q * p + from] : 0;
}

// scatter: y[i,index[j]] = x[i,j] where index[j] is not below 0. Launch: items(rows*q).
KERNEL(256, 4) scatter(int rows, int p, int q, const float *index, const float *x, float *y) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= (i64)rows * q) return;
    int to = (int)index[i % q];
    if (to >= 0) y[i / q * p + to] = x[i];
}
