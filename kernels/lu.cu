// The invertible 1x1 convolution's matrix by its factors: w = P L (U + diag(sign*exp(logd))) (Kingma, Dhariwal, "Glow", 2018,
// section 3.2). L is unit lower triangular; of l only what lies below the diagonal is read, of u only what lies above.
// (P B)[i,:] = B[perm[i],:]. All matrices are [C][C], C at most 1024.
#include "common.cuh"

constexpr int side = 16; // of a tile of a matrix: a block of 256 threads computes one, an element each

// lower and upper read L and D = U + diag(sign*exp(logd)).
__device__ __forceinline__ float lower(const float *l, int c, int i, int j) { return i > j ? l[i * c + j] : i == j; }

__device__ __forceinline__ float upper(const float *u, const float *logd, const float *sign, int c, int i, int j) {
    return i < j ? u[i * c + j] : i == j ? sign[i] * expf(logd[i]) : 0;
}

// product gives thread (i, j) of a tile sum_k a(i,k)*b(k,j) over k in [first, last), first a multiple of 16, by way of tiles in
// shared memory. Rows there are a word longer than a tile, so that a tile can also be filled by columns.
template <class A, class B> __device__ __forceinline__ float product(int c, int i0, int j0, int first, int last, A a, B b) {
    __shared__ float as[side][side + 1], bs[side][side + 1];
    int y = threadIdx.x / side, x = threadIdx.x % side;
    float sum = 0;
    for (int k0 = first; k0 < last; k0 += side) {
        as[y][x] = i0 + y < c && k0 + x < c ? a(i0 + y, k0 + x) : 0;
        bs[y][x] = k0 + y < c && j0 + x < c ? b(k0 + y, j0 + x) : 0;
        __syncthreads();
#pragma unroll
        for (int k = 0; k < side; k++) sum = fmaf(as[y][k], bs[k][x], sum);
        __syncthreads();
    }
    return sum;
}

// lu_compose: w[i,:] = (L D)[perm[i],:]. D ends the sum at column j's tile. Launch: tiles(c): ceil(c/16)^2 blocks of 256.
KERNEL(256, 4)
lu_compose(int c, const float *perm, const float *l, const float *u, const float *logd, const float *sign, float *w) {
    int across = (c + side - 1) / side, i0 = blockIdx.x / across * side, j0 = blockIdx.x % across * side;
    int i = i0 + threadIdx.x / side, j = j0 + threadIdx.x % side;
    float sum = product(
        c, i0, j0, 0, j0 + side, [=](int i, int k) { return lower(l, c, (int)perm[i], k); },
        [=](int k, int j) { return upper(u, logd, sign, c, k, j); });
    if (i < c && j < c) w[i * c + j] = sum;
}

// lu_invert: winv = D^-1 L^-1 P^T, a column of it by a warp: L y = P^T e_j from the top, D x = y from the bottom, the known
// part of a row's sum by lanes. w = P (L D), so P^T e_j is 1 at row perm[j].
// Launch: ceil(c/4) blocks of 128, dynamic shared memory 4*c floats.
KERNEL(128, 4)
lu_invert(int c, const float *perm, const float *l, const float *u, const float *logd, const float *sign, float *winv) {
    extern __shared__ float solutions[];
    int lane = threadIdx.x & 31, j = blockIdx.x * 4 + (threadIdx.x >> 5);
    float *x = solutions + (threadIdx.x >> 5) * c;
    if (j >= c) return;
    int one = (int)perm[j];
    for (int i = 0; i < c; i++) {
        float sum = 0;
        for (int k = one + lane; k < i; k += 32) sum = fmaf(l[i * c + k], x[k], sum); // y is 0 above row perm[j]
        sum = warp_sum(sum);
        if (lane == 0) x[i] = (i == one) - (i > one ? sum : 0);
        __syncwarp();
    }
    for (int i = c - 1; i >= 0; i--) {
        float sum = 0;
        for (int k = i + 1 + lane; k < c; k += 32) sum = fmaf(u[i * c + k], x[k], sum);
        sum = warp_sum(sum);
        if (lane == 0) x[i] = (x[i] - sum) * (sign[i] * expf(-logd[i])); // y; only the lane that writes it may read it here
        __syncwarp();
    }
    for (int i = lane; i < c; i += 32) winv[i * c + j] = x[i];
}

// lu_backward adds the gradients of l, u and logd for the gradient dw of w, and dld to each dlogd. With G = P^T dw, that is
// G[perm[i],:] = dw[i,:], and rows[] the inverse of perm in shared memory:
//
//	dl += strictly lower part of G D^T;  E = L^T G;  du += strictly upper part of E;  dlogd[i] += E[i,i]*sign[i]*exp(logd[i]) + dld
//
// Launch: tiles(c). A tile below the diagonal is of dl, one above of E, one on the diagonal of both.
KERNEL(256, 4)
lu_backward(int c, const float *perm, const float *l, const float *u, const float *logd, const float *sign, const float *dw,
            float dld, float *dl, float *du, float *dlogd) {
    __shared__ short rows[1024];
    for (int i = threadIdx.x; i < c; i += blockDim.x) rows[(int)perm[i]] = i;
    __syncthreads();
    int across = (c + side - 1) / side, i0 = blockIdx.x / across * side, j0 = blockIdx.x % across * side;
    int i = i0 + threadIdx.x / side, j = j0 + threadIdx.x % side;
    auto g = [&](int i, int k) { return dw[rows[i] * c + k]; };
    if (i0 >= j0) { // (G D^T)[i,j]: D[j,k] = 0 for k < j
        float sum = product(
            c, i0, j0, j0, c, g, [=](int k, int j) { return upper(u, logd, sign, c, j, k); });
        if (i > j && i < c) dl[i * c + j] += sum;
    }
    if (i0 <= j0) { // (L^T G)[i,j]: L[k,i] = 0 for k < i
        float sum = product(
            c, i0, j0, i0, c, [=](int i, int k) { return lower(l, c, k, i); }, g);
        if (i < j && j < c) du[i * c + j] += sum;
        if (i == j && i < c) dlogd[i] += fmaf(sum, sign[i] * expf(logd[i]), dld);
    }
}
