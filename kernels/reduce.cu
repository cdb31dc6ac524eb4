// Sums and greatest values of whole buffers, in two passes: blocks leave one number each in part, one block combines them.
// Then the second passes that other families share: sums of parts by row, by sample and by element.
//
// Launch of the first passes: parts(n) blocks of 256 threads; scratch: part [parts(n)].
#include "rows.cuh"

// reduce leaves the sum over the block of f's quads in part[block].
template <class F> __device__ __forceinline__ void reduce(i64 n, bool wide, float *part, F f) {
    float sum = 0;
    flat(n, wide, [&](auto way, i64 i, int count) { sum += quad_sum(f(way, i, count)); });
    sum = block_sum(sum);
    if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

// sum_parts: part[block] = sum of the block's x[i].
KERNEL(256, 4) sum_parts(i64 n, const float *x, float *part) {
    reduce(n, aligned(x), part, [&](auto way, i64 i, int count) { return load(way, x + i, count); });
}

// sum_squares_parts: part[block] = sum of the block's x[i]^2.
KERNEL(256, 4) sum_squares_parts(i64 n, const float *x, float *part) {
    reduce(n, aligned(x), part, [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] *= q.v[e];
        return q;
    });
}

// total is the sum of v[0 .. n), the same in every block.
__device__ __forceinline__ float total(int n, const float *v) {
    float sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += v[i];
    return block_sum(sum);
}

// sum_finish: out[0] = a * sum_i v[i]. Launch: 1 block of 256.
KERNEL(256, 4) sum_finish(int n, float a, const float *v, float *out) {
    float sum = total(n, v);
    if (threadIdx.x == 0) out[0] = a * sum;
}

// add_sum: out[j] += a * sum_i v[i] for j < count. Every block sums all of v, which is short: parts, or one value per
// channel. Launch: flat(count).
KERNEL(256, 4) add_sum(int n, i64 count, float a, const float *v, float *out) {
    float add = a * total(n, v);
    flat(count, aligned(out), [&](auto way, i64 i, int k) {
        Quad q = load(way, out + i, k);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] += add;
        store(way, out + i, q, k);
    });
}

// larger is the larger of two numbers, NaN if one is NaN: fmaxf would drop it.
__device__ __forceinline__ float larger(float a, float b) { return b > a || b != b ? b : a; }

// block_max gives thread 0 the largest number of the block.
__device__ __forceinline__ float block_max(float v) {
    __shared__ float warps[32];
    for (int o = 16; o; o >>= 1) v = larger(v, __shfl_xor_sync(allLanes, v, o));
    if ((threadIdx.x & 31) == 0) warps[threadIdx.x >> 5] = v;
    __syncthreads();
    for (int w = 0; w < blockDim.x >> 5; w++) v = larger(v, warps[w]);
    return v;
}

// max_abs_diff_parts: part[block] = the largest |x[i]-y[i]| of the block.
KERNEL(256, 4) max_abs_diff_parts(i64 n, const float *x, const float *y, float *part) {
    float most = 0;
    flat(n, aligned(x) && aligned(y), [&](auto way, i64 i, int count) {
        Quad u = load(way, x + i, count), v = load(way, y + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) most = larger(most, fabsf(u.v[e] - v.v[e]));
    });
    most = block_max(most);
    if (threadIdx.x == 0) part[blockIdx.x] = most;
}

// max_finish: out[0] = max(out[0], max_i v[i]). Launch: 1 block of 256.
KERNEL(256, 4) max_finish(int n, const float *v, float *out) {
    float most = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) most = larger(most, v[i]);
    most = block_max(most);
    if (threadIdx.x == 0) out[0] = larger(out[0], most);
}

// row_sums: out[r] += add + sum_t part[r*tiles+t]. Launch: warps(rows).
KERNEL(128, 4) row_sums(int rows, int tiles, float add, const float *part, float *out) {
    row_finish(rows, tiles, part, [&](int r, float sum) { out[r] += add + sum; });
}

// row_pairs: out0[r] += add + sum_t part[0,r,t], out1[r] += sum_t part[1,r,t], part [2][rows][tiles]. Launch: warps(2*rows).
KERNEL(128, 4) row_pairs(int rows, int tiles, float add, const float *part, float *out0, float *out1) {
    row_finish(2 * rows, tiles, part, [&](int r, float sum) {
        if (r < rows)
            out0[r] += add + sum;
        else
            out1[r - rows] += sum;
    });
}

// sample_sums: out[i] += a * sum_k part[k*n+i] for i < n, k < count in order. Launch: flat(4*n), a thread an element.
KERNEL(256, 4) sample_sums(int n, int count, float a, const float *part, float *out) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float sum = 0;
    for (int k = 0; k < count; k++) sum += part[(i64)k * n + i];
    out[i] += a * sum;
}
