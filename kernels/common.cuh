// What all kernels share: names of types, four floats at a time, sums over a block in fixed order.
//
// Letters are those of package device: a batch is channel-major [C][N][H][W], P = H*W, M = N*P, row c is x[c*M .. c*M+M).
// Every kernel is launched with a one-dimensional block of whole warps. Grids, blocks and scratch memory are computed by
// launch.go, and depend on shapes alone: so does the order of every sum. There are no float atomics.
#pragma once

typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// A kernel of at most THREADS threads a block, of which MIN blocks fit a multiprocessor.
#define KERNEL(THREADS, MIN) extern "C" __global__ void __launch_bounds__(THREADS, MIN)

constexpr u32 allLanes = 0xffffffffu;

// Four consecutive floats, of which the first `count` exist, at least one. They move in one access where every operand of a kernel is on
// a 16-byte boundary (Wide, count = 4), else one by one (Narrow). A thread owns the same elements either way: alignment
// changes no bit of a sum.
struct Quad { float v[4]; };
struct Wide {};
struct Narrow {};

__device__ __forceinline__ bool aligned(const void *p) { return ((u64)p & 15) == 0; }

__device__ __forceinline__ Quad load(Wide, const float *p, int) {
    float4 q = *(const float4 *)p;
    return {q.x, q.y, q.z, q.w};
}

__device__ __forceinline__ Quad load(Narrow, const float *p, int count) {
    Quad q;
#pragma unroll
    for (int e = 0; e < 4; e++) q.v[e] = p[e < count ? e : 0]; // all at once, without branches
#pragma unroll
    for (int e = 0; e < 4; e++) q.v[e] = e < count ? q.v[e] : 0;
    return q;
}

// The store is spelled out: as an assignment the compiler takes it apart where it moves it.
__device__ __forceinline__ void store(Wide, float *p, const Quad &q, int) {
    asm volatile("st.global.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(p)), "f"(q.v[0]), "f"(q.v[1]), "f"(q.v[2]),
                 "f"(q.v[3])
                 : "memory");
}

// keep is store to shared memory.
__device__ __forceinline__ void keep(float *p, const Quad &q) { *(float4 *)p = make_float4(q.v[0], q.v[1], q.v[2], q.v[3]); }

__device__ __forceinline__ void store(Narrow, float *p, const Quad &q, int count) {
#pragma unroll
    for (int e = 0; e < 4; e++)
        if (e < count) p[e] = q.v[e];
}

// quads calls f(way, i, count) for the elements i .. i+count-1 of [0, n), quad number first, first+step, ...
template <class F> __device__ __forceinline__ void quads(i64 n, i64 first, i64 step, bool wide, F f) {
    for (i64 i = 4 * first; i < n; i += 4 * step)
        if (wide && i + 4 <= n)
            f(Wide{}, i, 4);
        else
            f(Narrow{}, i, n - i < 4 ? (int)(n - i) : 4);
}

// flat is quads over a whole grid.
template <class F> __device__ __forceinline__ void flat(i64 n, bool wide, F f) {
    quads(n, (i64)blockIdx.x * blockDim.x + threadIdx.x, (i64)gridDim.x * blockDim.x, wide, f);
}

// warp_sum gives every lane the sum over its warp: pairs of lanes 16 apart, then 8, 4, 2, 1.
__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
    for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(allLanes, v, o);
    return v;
}

// block_sum gives every thread the sum over the block: lanes, then warps, in fixed order.
__device__ __forceinline__ float block_sum(float v) {
    __shared__ float warps[32];
    v = warp_sum(v);
    __syncthreads(); // whoever still reads the last sum
    if ((threadIdx.x & 31) == 0) warps[threadIdx.x >> 5] = v;
    __syncthreads();
    float sum = 0;
    for (int w = 0; w < blockDim.x >> 5; w++) sum += warps[w];
    return sum;
}

// quad_sum adds four floats by pairs.
__device__ __forceinline__ float quad_sum(const Quad &q) { return (q.v[0] + q.v[1]) + (q.v[2] + q.v[3]); }
