// The mean and the variance of a row, in one pass over memory. Blocks leave the sums of their parts, which the second kernel combines
// (Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979). All sums are of
// differences from the row's first element, so that a row of one value has exactly this mean and the variance 0.
#pragma once
#include "rows.cuh"

struct Moments { float mean, variance; };

// row_moments gives f(r, moments) in lane 0 of a warp a row of x [rows][m], from part [2][rows][tiles] as row_parts leaves it.
// Launch: warps(rows).
template <class F>
__device__ __forceinline__ void row_moments(int rows, int m, int span, int tiles, const float *x, const float *part, F f) {
    int r = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (r >= rows) return;
    const float *sums = part + (i64)r * tiles, *squares = sums + (i64)rows * tiles;
    float sum = 0, rest = 0;
    for (int t = lane; t < tiles; t += 32) sum += sums[t];
    float mean = warp_sum(sum) / m;
    for (int t = lane; t < tiles; t += 32) {
        float n = min(span, m - t * span), d = sums[t] / n - mean;
        rest += squares[t] + n * d * d;
    }
    rest = warp_sum(rest);
    if (lane == 0) f(r, Moments{x[(i64)r * m] + mean, rest / m});
}
