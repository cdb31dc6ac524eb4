// Products of masked networks: device.Autoregressive. Output o of a layer is made of its first reach(o) inputs, and input i has a part in
// the outputs from start(i) on; both grow. A block computes a tile of 64 x 64 results in slabs of 16 terms, and only the slabs in
// which something counts.
#include "masked.cuh"

enum Finish { Store, Rectify, Add, Gate };

constexpr int side = 64, slab = 16;

// fetch is the first `count` of four floats, zeros behind them.
__device__ __forceinline__ Quad fetch(const float *p, bool wide, int count) {
    if (count <= 0) return {};
    return wide && count >= 4 ? load(Wide{}, p, 4) : load(Narrow{}, p, min(count, 4));
}

// Tile is a thread's part of a tile: rows 4*ty .. 4*ty+3 and columns tx, tx+16, tx+32, tx+48.
struct Tile {
    float sum[4][4];

    __device__ void clear() {
#pragma unroll
        for (int i = 0; i < 16; i++) sum[i / 4][i % 4] = 0;
    }

    // multiply adds a slab of a [slab][strideA] and b [slab][strideB].
    __device__ void multiply(const float *a, int strideA, const float *b, int strideB) {
        int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
#pragma unroll
        for (int k = 0; k < slab; k++) {
            float u[4], v[4];
#pragma unroll
            for (int i = 0; i < 4; i++) u[i] = a[k * strideA + 4 * ty + i], v[i] = b[k * strideB + tx + 16 * i];
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] = fmaf(u[i], v[j], sum[i][j]);
        }
    }

    // each calls f(row, column, sum) for what exists of a tile at (row, column).
    template <class F> __device__ void each(int row, int rows, int column, int columns, F f) {
        int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                int r = row + 4 * ty + i, c = column + tx + 16 * j;
                if (r < rows && c < columns) f(r, c, sum[i][j]);
            }
    }
};

// Strides of slabs in shared memory: across for what is stored along a slab's row, along for what is stored down its columns, which are
// 4 rows apart for neighbouring threads.
constexpr int across = side, along = side + 2;

// columns_of leaves a slab of rows of x [rows][n]: four columns to a thread. Rows from `last` on count as 0.
__device__ __forceinline__ void columns_of(float *to, const float *x, bool wide, int n, int k0, int last, int column) {
    int k = threadIdx.x / 16, c = threadIdx.x % 16 * 4;
    keep(to + k * across + c, fetch(x + (i64)(k0 + k) * n + column + c, wide, k0 + k < last ? n - column - c : 0));
}

// rows_of leaves a slab of rows of x [rows][n] turned round: four terms to a thread. Row r has terms up to ends(r).
template <class F>
__device__ __forceinline__ void rows_of(float *to, const float *x, bool wide, int n, int row, int rows, int k0, F ends) {
    int r = threadIdx.x / 4, k = threadIdx.x % 4 * 4;
    Quad q = fetch(x + (i64)(row + r) * n + k0 + k, wide, row + r < rows ? ends(r) - k0 - k : 0);
#pragma unroll
    for (int e = 0; e < 4; e++) to[(k + e) * along + r] = q.v[e];
}

// masked_forward: y[o,n] = act(b[o] + sum_{i<reach(o)} w[o,i]*x[i,n]) for rows lo <= o < hi. Launch: MaskedSquares(hi-lo, n).
KERNEL(256, 2)
masked_forward(int layer, int d, int h, int q, int n, int lo, int hi, int finish, const float *w, const float *b, const float *x,
               float *y) {
    __shared__ __align__(16) float a[slab * along], c[slab * across];
    __shared__ int reach[side];
    Masked s = {layer, d, h, q, n};
    int wide = (n + side - 1) / side, row = lo + blockIdx.x / wide * side, column = blockIdx.x % wide * side, cin = s.cin();
    if (threadIdx.x < side) reach[threadIdx.x] = s.reach(min(row + (int)threadIdx.x, hi - 1));
    __syncthreads();
    int terms = reach[side - 1];
    bool wideW = aligned(w) && cin % 4 == 0, wideX = aligned(x) && n % 4 == 0;
    Tile t;
    t.clear();
    for (int k = 0; k < terms; k += slab) {
        rows_of(a, w, wideW, cin, row, hi, k, [&](int r) { return reach[r]; });
        columns_of(c, x, wideX, n, k, terms, column);
        __syncthreads();
        t.multiply(a, along, c, across);
        __syncthreads();
    }
    t.each(row, hi, column, n, [&](int r, int m, float v) {
        v += b[r];
        y[(i64)r * n + m] = finish == Rectify ? fmaxf(v, 0) : v;
    });
}

// masked_data: dx[i,n] = or += sum_{o>=start(i)} w[o,i]*dy[o,n], with Gate 0 where dx is not above 0, for rows lo <= i < hi.
// Launch: MaskedSquares(hi-lo, n).
KERNEL(256, 2)
masked_data(int layer, int d, int h, int q, int n, int lo, int hi, int finish, const float *w, const float *dy, float *dx) {
    __shared__ __align__(16) float a[slab * across], c[slab * across];
    Masked s = {layer, d, h, q, n};
    int wide = (n + side - 1) / side, row = lo + blockIdx.x / wide * side, column = blockIdx.x % wide * side;
    int cin = s.cin(), cout = s.cout();
    int i = threadIdx.x % 16 * 4, start[4]; // of the rows whose weights the thread fetches
#pragma unroll
    for (int e = 0; e < 4; e++) start[e] = s.start(min(row + i + e, hi - 1));
    bool wideW = aligned(w + lo) && cin % 4 == 0, wideY = aligned(dy) && n % 4 == 0;
    Tile t;
    t.clear();
    for (int k = s.start(row); k < cout; k += slab) {
        int o = k + threadIdx.x / 16;
        Quad v = fetch(w + (i64)o * cin + row + i, wideW, o < cout ? cin - row - i : 0);
#pragma unroll
        for (int e = 0; e < 4; e++) v.v[e] = o >= start[e] ? v.v[e] : 0;
        keep(a + threadIdx.x / 16 * across + i, v);
        columns_of(c, dy, wideY, n, k, cout, column);
        __syncthreads();
        t.multiply(a, across, c, across);
        __syncthreads();
    }
    t.each(row, hi, column, n, [&](int r, int m, float v) {
        float *to = dx + (i64)r * n + m;
        if (finish == Add) v += *to;
        if (finish == Gate) v = *to > 0 ? v : 0;
        *to = v;
    });
}

// masked_weight: dw[o,i] += sum_n dy[o,n]*x[i,n] for i < reach(o). Launch: MaskedSquares(cout, cin).
KERNEL(256, 2)
masked_weight(int layer, int d, int h, int q, int n, const float *x, const float *dy, float *dw) {
    __shared__ __align__(16) float a[slab * along], c[slab * along];
    Masked s = {layer, d, h, q, n};
    int cin = s.cin(), cout = s.cout();
    int wide = (cin + side - 1) / side, row = blockIdx.x / wide * side, column = blockIdx.x % wide * side;
    if (column >= s.reach(min(row + side, cout) - 1)) return;
    bool wideX = aligned(x) && n % 4 == 0, wideY = aligned(dy) && n % 4 == 0;
    Tile t;
    t.clear();
    for (int k = 0; k < n; k += slab) {
        rows_of(a, dy, wideY, n, row, cout, k, [&](int) { return n; });
        rows_of(c, x, wideX, n, column, cin, k, [&](int) { return n; });
        __syncthreads();
        t.multiply(a, along, c, along);
        __syncthreads();
    }
    t.each(row, cout, column, cin, [&](int r, int i, float v) {
        if (i < s.reach(r)) dw[(i64)r * cin + i] += v;
    });
}

// rectify: y[i] = max(0, x[i]); y may be x. Launch: flat(n).
KERNEL(256, 4) rectify(i64 n, const float *x, float *y) {
    flat(n, aligned(x) && aligned(y), [&](auto way, i64 i, int count) {
        Quad v = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) v.v[e] = v.v[e] < 0 ? 0 : v.v[e]; // a NaN stays
        store(way, y + i, v, count);
    });
}
