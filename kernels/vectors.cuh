// Work on vectors x [C][N] that needs a sum over the channels before it can go on: a block takes 32 samples, one to a lane, and its
// warps share the channels. What is read twice comes from the cache the second time. Batches of vectors are small: many blocks matter more
// than wide accesses, and 32 lanes fill whole sectors anyway.
//
// Launch: vectors(c, n): ceil(n/32) blocks of 32 threads for each of 1, 2, 4 or 8 warps, at most C.
#pragma once
#include "common.cuh"

// Lane is a thread's sample and its warp's first channel.
struct Lane {
    int i, warp, step;
    bool live; // whether there is such a sample
};

__device__ __forceinline__ Lane lane_of(int n) {
    Lane l = {(int)(blockIdx.x * 32 + (threadIdx.x & 31)), (int)(threadIdx.x >> 5), (int)(blockDim.x >> 5), false};
    l.live = l.i < n;
    return l;
}

// over_warps gives every thread the sum over the warps of its lane, in fixed order. Sums taken one after the other need different
// memory: SLOT tells them apart.
template <int SLOT> __device__ __forceinline__ float over_warps(float v) {
    __shared__ float sums[8][32];
    sums[threadIdx.x >> 5][threadIdx.x & 31] = v;
    __syncthreads();
    float sum = 0;
    for (int w = 0; w < blockDim.x >> 5; w++) sum += sums[w][threadIdx.x & 31];
    return sum;
}

// leave puts the sum over a warp's lanes to part[row][block]: row_finish (rows.cuh) adds the blocks up.
__device__ __forceinline__ void leave(float *part, int row, float v) {
    v = warp_sum(v);
    if ((threadIdx.x & 31) == 0) part[(i64)row * gridDim.x + blockIdx.x] = v;
}
