// Sums per sample, over channels and pixels, in one pass over memory.
//
// A block of 128 threads takes up to 512 columns: `group` whole samples, or where a sample has more than 512 pixels one of
// its `tiles`. It goes down `channels` rows; a thread keeps the sums of its 4 columns, which at the end are added up by
// sample. Where a sample is whole in one block (one tile, one grid row) the sum goes to out, else to part for sample_sums.
//
// Launch: cells(c, n, p): 128 threads; grid (ceil(n/group) or n*tiles, ceil(c/channels)).
// Scratch: part [grid.y*tiles][n] where grid.y*tiles > 1, and then sample_sums(n, grid.y*tiles, a, part, out) finishes.
#pragma once
#include "common.cuh"

constexpr int columns = 512;

// Cells is the shape of the rows and how they are shared out.
struct Cells { int c, n, p, group, tiles, channels; };

// per_sample calls f(way, channel, i, count) -> Quad for all elements, i in x[C][M], and does out[n] += a * sum of the
// results. wide says that every operand is on a 16-byte boundary.
template <class F>
__device__ __forceinline__ void per_sample(Cells g, bool wide, float a, float *out, float *part, F f) {
    __shared__ __align__(16) float sums[columns];
    int m = g.n * g.p, tile = blockIdx.x % g.tiles, sample = blockIdx.x / g.tiles * g.group;
    int lo = sample * g.p + tile * columns;
    int samples = min(g.group, g.n - sample);
    int length = g.tiles == 1 ? g.p : min(columns, g.p - tile * columns); // columns of a sample
    int col = 4 * threadIdx.x, count = min(4, samples * length - col);

    int first = blockIdx.y * g.channels, last = min(g.c, first + g.channels);
    if (count > 0) {
        Quad sum = {};
        if (wide && m % 4 == 0 && lo % 4 == 0 && count == 4)
            for (int c = first; c < last; c++) {
                Quad q = f(Wide{}, c, (i64)c * m + lo + col, 4);
#pragma unroll
                for (int e = 0; e < 4; e++) sum.v[e] += q.v[e];
            }
        else
            for (int c = first; c < last; c++) {
                Quad q = f(Narrow{}, c, (i64)c * m + lo + col, count);
#pragma unroll
                for (int e = 0; e < 4; e++) sum.v[e] += e < count ? q.v[e] : 0;
            }
        keep(sums + col, sum);
    }
    __syncthreads();

    int lanes = 1; // that share a sample: a power of 2, at most a warp
    while (lanes < 32 && 2 * lanes <= length) lanes *= 2;
    int lane = threadIdx.x % lanes, step = blockDim.x / lanes;
    bool whole = gridDim.y == 1 && g.tiles == 1;
    for (int s0 = 0; s0 < samples; s0 += step) {
        int s = s0 + threadIdx.x / lanes;
        float sum = 0;
        if (s < samples)
            for (int k = lane; k < length; k += lanes) sum += sums[s * length + k];
        for (int o = lanes / 2; o; o /= 2) sum += __shfl_xor_sync(allLanes, sum, o);
        if (s < samples && lane == 0) {
            if (whole)
                out[sample + s] += a * sum;
            else
                part[(i64)(blockIdx.y * g.tiles + tile) * g.n + sample + s] = sum;
        }
    }
}
