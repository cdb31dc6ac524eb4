// Work by rows, that is by channels: a block for each span of columns of a row, and sums per row in fixed order.
//
// Launch: rows(c, m): span columns a block, tiles = ceil(m/span) blocks a row, c*tiles blocks of 32 to 256 threads.
#pragma once
#include "common.cuh"

// Part is a block's part of a row of m columns: block c*tiles+t works on columns [t*span, t*span+span) of row c.
struct Part {
    int c, tile, count; // count columns, 0 at most for an empty row
    i64 start;          // of the part, in x[C][M]
};

__device__ __forceinline__ Part part_of(int m, int span, int tiles) {
    Part p;
    p.c = blockIdx.x / tiles;
    p.tile = blockIdx.x % tiles;
    int lo = p.tile * span;
    p.count = m - lo < span ? m - lo : span;
    p.start = (i64)p.c * m + lo;
    return p;
}

// row_result adds a row's two sums to out0[c] and out1[c], or leaves them in part [2][C][tiles] for row_sums.
__device__ __forceinline__ void row_result(int c, int rows, int tiles, float sum0, float sum1, float *out0, float *out1, float *part) {
    if (threadIdx.x) return;
    if (tiles == 1) {
        out0[c] += sum0, out1[c] += sum1;
    } else {
        part[blockIdx.x] = sum0, part[(i64)rows * tiles + blockIdx.x] = sum1;
    }
}

// row_finish leaves a*sum_t part[r*tiles+t] to f in lane 0 of a warp a row. Launch: warps(rows).
template <class F> __device__ __forceinline__ void row_finish(int rows, int tiles, const float *part, F f) {
    int r = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (r >= rows) return;
    float sum = 0;
    for (int t = lane; t < tiles; t += 32) sum += part[(i64)r * tiles + t];
    sum = warp_sum(sum);
    if (lane == 0) f(r, sum);
}
