// Convolutions of stride 1 that keep the size, K = 1 or 3, as products of matrices that never exist: an element of the unfolded
// image is fetched from the image (implicit GEMM). x [Cin][N][H][W], y [Cout][N][H][W], w [Cout][Cin][K][K]; r = K/2; taps
// t = u*K+v.
//
//	forward   y[o,m]       = sum_k a[o,k]*b[k,m]    a[o,(c,t)] = w[o,c,t]      b[(c,t),m] = x[c, m shifted by (u-r, v-r)]
//	data      dx[c,m]      = sum_k a[c,k]*b[k,m]    a[c,(o,t)] = w[o,c,T-1-t]  b[(o,t),m] = dy[o, m shifted by (u-r, v-r)]
//	weight    dw[o,(c,t)]  = sum_m a[o,m]*b[(c,t),m]  a = dy                   b as in forward
//
// A block of 256 threads computes a tile of ROWS x COLS results, a thread TR x TC of them in registers, 8 steps of the sum at a
// time: while one slab of 8 is multiplied from shared memory, the next is on its way from global memory into registers, and
// then into the other half of shared memory. Slabs are [8][ROWS] and [8][COLS], each row 4 words longer than that: operands
// whose memory runs along the sum are turned on the way, and so filling a slab by columns touches each bank once, as does
// reading 4 neighbours of a row. Where the tiles would not fill a chip the sum is shared out between grid.y blocks, whose
// parts a second kernel adds in order.
#include "conv.cuh"

constexpr int depth = 8;
constexpr int pad = 4;

// A fetch brings a slab from global memory into a thread's registers (get), and from there into shared memory (put). Elements
// beyond an operand count as 0.

// Along is a matrix [rows][end] whose memory runs along the sum: 8 steps of SIZE rows, turned.
template <int SIZE> struct Along {
    static constexpr int passes = (2 * SIZE + 255) / 256; // quads of a slab per thread
    const float *a;
    int row, rows;
    i64 stride;
    bool wide;
    Quad q[passes];
    __device__ Along(const float *a, int row, int rows, i64 stride)
        : a(a), row(row), rows(rows), stride(stride), wide(stride % 4 == 0 && aligned(a)) {}
    __device__ __forceinline__ void get(int k0, int end) {
#pragma unroll
        for (int s = 0; s < passes; s++) {
            int e = threadIdx.x + 256 * s, i = row + e / 2, k = k0 + e % 2 * 4;
            q[s] = Quad{};
            if ((2 * SIZE < 256 && e >= 2 * SIZE) || i >= rows || k >= end) continue;
            const float *from = a + i * stride + k;
            q[s] = wide && k + 4 <= end ? load(Wide{}, from, 4) : load(Narrow{}, from, end - k);
        }
    }
    __device__ __forceinline__ void put(float *slab) {
#pragma unroll
        for (int s = 0; s < passes; s++) {
            int e = threadIdx.x + 256 * s, i = e / 2, k = e % 2 * 4;
            if (2 * SIZE < 256 && e >= 2 * SIZE) continue;
#pragma unroll
            for (int d = 0; d < 4; d++) slab[(k + d) * (SIZE + pad) + i] = q[s].v[d];
        }
    }
};

// Across is a matrix [end][size] whose memory runs across the sum: 8 steps of SIZE columns, as they lie.
template <int SIZE> struct Across {
    static constexpr int passes = (2 * SIZE + 255) / 256;
    const float *b;
    int col, size;
    bool wide;
    Quad q[passes];
    __device__ Across(const float *b, int col, int size) : b(b), col(col), size(size), wide(size % 4 == 0 && aligned(b)) {}
    __device__ __forceinline__ void get(int k0, int end) {
#pragma unroll
        for (int s = 0; s < passes; s++) {
            int e = threadIdx.x + 256 * s, k = k0 + e / (SIZE / 4), i = col + e % (SIZE / 4) * 4;
            q[s] = Quad{};
            if ((2 * SIZE < 256 && e >= 2 * SIZE) || i >= size || k >= end) continue;
            const float *from = b + (i64)k * size + i;
            q[s] = wide ? load(Wide{}, from, 4) : load(Narrow{}, from, size - i);
        }
    }
    __device__ __forceinline__ void put(float *slab) {
#pragma unroll
        for (int s = 0; s < passes; s++) {
            int e = threadIdx.x + 256 * s;
            if (2 * SIZE < 256 && e >= 2 * SIZE) continue;
            keep(slab + e / (SIZE / 4) * (SIZE + pad) + e % (SIZE / 4) * 4, q[s]);
        }
    }
};

// Unfolded is b of a 3x3 convolution for forward and data: 8 steps (c,t) of SIZE columns. A thread stays on its column.
// x points at tap 0 of it, which may lie before the array where it is not read.
template <int SIZE> struct Unfolded {
    static constexpr int passes = depth * SIZE / 256, threads = 256 / SIZE;
    const float *x;
    Image g;
    u32 inside;
    float v[passes];
    __device__ Unfolded(const float *x, int col, Image g)
        : x(x + col + threadIdx.x % SIZE - g.w - 1), g(g), inside(taps_inside(g, col + threadIdx.x % SIZE)) {}
    __device__ __forceinline__ void get(int k0, int end) {
#pragma unroll
        for (int s = 0; s < passes; s++) {
            u32 k = k0 + threadIdx.x / SIZE + threads * s, c = k / 9, t = k % 9;
            v[s] = k < end && (inside >> t & 1) ? x[(i64)c * g.m + (t / 3 * g.w + t % 3)] : 0;
        }
    }
    __device__ __forceinline__ void put(float *slab) {
#pragma unroll
        for (int s = 0; s < passes; s++) slab[(threadIdx.x / SIZE + threads * s) * (SIZE + pad) + threadIdx.x % SIZE] = v[s];
    }
};

// Shifted is b of a 3x3 convolution for weight: 8 columns of SIZE rows (c,t), turned. 8 lanes are neighbours in memory.
template <int SIZE> struct Shifted {
    static constexpr int passes = SIZE / 32;
    const float *x;
    int row, rows;
    Image g;
    float v[passes];
    __device__ Shifted(const float *x, int row, int rows, Image g) : x(x - g.w - 1), row(row), rows(rows), g(g) {}
    __device__ __forceinline__ void get(int k0, int end) {
        int col = k0 + threadIdx.x % 8;
        u32 inside = col < end ? taps_inside(g, col) : 0;
#pragma unroll
        for (int s = 0; s < passes; s++) {
            u32 i = row + threadIdx.x / 8 + 32 * s, c = i / 9, t = i % 9;
            v[s] = i < rows && (inside >> t & 1) ? x[(i64)c * g.m + col + (t / 3 * g.w + t % 3)] : 0;
        }
    }
    __device__ __forceinline__ void put(float *slab) {
#pragma unroll
        for (int s = 0; s < passes; s++) slab[threadIdx.x % 8 * (SIZE + pad) + threadIdx.x / 8 + 32 * s] = v[s];
    }
};

// Flipped is a of a 3x3 convolution for data: 8 steps (o,t) of SIZE channels, turned. 8 lanes are near each other in memory.
template <int SIZE> struct Flipped {
    static constexpr int passes = SIZE / 32;
    const float *w;
    int row, cin;
    float v[passes];
    __device__ Flipped(const float *w, int row, int cin) : w(w), row(row), cin(cin) {}
    __device__ __forceinline__ void get(int k0, int end) {
        u32 k = k0 + threadIdx.x % 8, o = k / 9, t = k % 9;
#pragma unroll
        for (int s = 0; s < passes; s++) {
            int c = row + threadIdx.x / 8 + 32 * s;
            v[s] = k < end && c < cin ? w[((i64)o * cin + c) * 9 + 8 - t] : 0;
        }
    }
    __device__ __forceinline__ void put(float *slab) {
#pragma unroll
        for (int s = 0; s < passes; s++) slab[threadIdx.x % 8 * (SIZE + pad) + threadIdx.x / 8 + 32 * s] = v[s];
    }
};

// Tile is ROWS x COLS results by 256 threads, TR x TC to a thread. A warp's lanes stand 4 down and 8 across, each with groups
// of 4x4: of the rows at r, r+16, ... and of the columns at c, c+32, ..., so that a warp reads each bank once.
template <int R, int C, int TR_, int TC_> struct Tile {
    static constexpr int ROWS = R, COLS = C, TR = TR_, TC = TC_, WARPROWS = 4 * TR, WARPCOLS = 8 * TC;
    static_assert(R / TR * (C / TC) == 256 && C % WARPCOLS == 0, "256 threads cover the tile");
    float acc[TR][TC] = {};
    // row and col are of the thread's first group.
    static __device__ __forceinline__ int row(u32 thread) {
        return thread / 32 / (COLS / WARPCOLS) * WARPROWS + thread % 32 / 8 * 4;
    }
    static __device__ __forceinline__ int col(u32 thread) {
        return thread / 32 % (COLS / WARPCOLS) * WARPCOLS + thread % 8 * 4;
    }
    // multiply adds the product of two slabs. Unrolled further, the fragments that are loaded ahead would not fit the registers.
    __device__ __forceinline__ void multiply(const float *as, const float *bs) {
        as += row(threadIdx.x), bs += col(threadIdx.x);
#pragma unroll 2
        for (int k = 0; k < depth; k++) {
            float a[TR], b[TC];
#pragma unroll
            for (int i = 0; i < TR; i += 4) {
                Quad q = load(Wide{}, as + k * (ROWS + pad) + 4 * i, 4);
#pragma unroll
                for (int e = 0; e < 4; e++) a[i + e] = q.v[e];
            }
#pragma unroll
            for (int j = 0; j < TC; j += 4) {
                Quad q = load(Wide{}, bs + k * (COLS + pad) + 8 * j, 4);
#pragma unroll
                for (int e = 0; e < 4; e++) b[j + e] = q.v[e];
            }
#pragma unroll
            for (int i = 0; i < TR; i++)
#pragma unroll
                for (int j = 0; j < TC; j++) acc[i][j] = fmaf(a[i], b[j], acc[i][j]);
        }
    }
    // each calls f(row, col, quad) for the thread's results, four neighbours of a row at a time. It reads the thread's number
    // again, so that nothing of it is kept in registers through the sum; results does so with the block's.
    template <class F> __device__ __forceinline__ void each(F f) {
        u32 thread = again_thread();
#pragma unroll
        for (int i = 0; i < TR; i++)
#pragma unroll
            for (int j = 0; j < TC; j += 4)
                f(row(thread) + i / 4 * 16 + i % 4, col(thread) + 8 * j, Quad{{acc[i][j], acc[i][j + 1], acc[i][j + 2], acc[i][j + 3]}});
    }
};

// accumulate runs the sum over [first, last) through two pairs of slabs. seen(slab) looks at each slab of a.
template <class T, class A, class B, class F>
__device__ __forceinline__ void accumulate(T &tile, A a, B b, int first, int last, F seen) {
    __shared__ __align__(16) float as[2][depth * (T::ROWS + pad)], bs[2][depth * (T::COLS + pad)];
    a.get(first, last), b.get(first, last);
    a.put(as[0]), b.put(bs[0]);
    __syncthreads();
    int now = 0;
    for (int k = first; k < last; k += depth) {
        bool more = k + depth < last;
        if (more) a.get(k + depth, last), b.get(k + depth, last);
        tile.multiply(as[now], bs[now]);
        seen(as[now]);
        if (more) a.put(as[now ^ 1]), b.put(bs[now ^ 1]);
        __syncthreads();
        now ^= 1;
    }
}

template <class Way>
__device__ __forceinline__ void finish(Way way, int how, float bias, Quad q, float *y, int count) {
    Quad old = {};
    if (how >= Add) old = load(way, y, count);
#pragma unroll
    for (int e = 0; e < 4; e++) {
        q.v[e] = finished(how, q.v[e] + bias, old.v[e]);
    }
    store(way, y, q, count);
}

// results writes a tile of y [rows][cols]: finished, or as it is to part [grid.y][rows][cols].
template <class T>
__device__ __forceinline__ void results(T &tile, int rows, i64 cols, int how, const float *bias, float *y,
                                        float *part) {
    u32 down = (rows + T::ROWS - 1) / T::ROWS, block = again_block();
    int row0 = block % down * T::ROWS, col0 = block / down * T::COLS;
    bool split = gridDim.y > 1;
    float *to = split ? part + blockIdx.y * rows * cols : y;
    bool wide = cols % 4 == 0 && aligned(to);
    tile.each([&](int i, int j, Quad q) {
        i += row0;
        i64 col = (i64)col0 + j;
        if (i >= rows || col >= cols) return;
        int count = cols - col < 4 ? (int)(cols - col) : 4;
        float *at = to + i * cols + col, add = !split && bias ? bias[i] : 0;
        int does = split ? Store : how;
        if (wide)
            finish(Wide{}, does, add, q, at, 4);
        else
            finish(Narrow{}, does, add, q, at, count);
    });
}

struct Nothing { __device__ __forceinline__ void operator()(const float *) const {} };

// Tiles of forward and data: Big for the bulk, Flat for up to 64 rows or small grids, Strip for up to 32 rows.
using Big = Tile<128, 128, 8, 8>;
using Flat = Tile<64, 128, 4, 8>;
using Strip = Tile<32, 256, 4, 8>;
// Of weight: Big, Strip, and Tall for up to 64 columns. 3x3 has Tall and Slim: fetching takes the registers of larger ones.
using Tall = Tile<128, 64, 8, 4>;
using Slim = Tile<32, 128, 4, 4>;

// forward: y[o,m] = act(bias[o] + sum), how = Store or StoreReLU; data: how = Add, Store or Gate, bias not given. rows are the
// results' channels, channels the ones summed over; the sum has channels*K*K steps, of which block grid.y takes `span`, a
// multiple of 8. bias is optional.
//
// Launch: conv(rows, channels*K*K, m): 256 threads; grid (tiles down * tiles across, splits), tiles down first.
// Scratch: part [splits][rows][M] where splits > 1, and then conv_finish.
template <class T, int K, bool DATA>
__device__ __forceinline__ void convolve(int rows, int channels, Image g, int span, int how, const float *w, const float *bias,
                                         const float *x, float *y, float *part) {
    int down = (rows + T::ROWS - 1) / T::ROWS, row0 = blockIdx.x % down * T::ROWS, col0 = blockIdx.x / down * T::COLS;
    int steps = channels * K * K, first = blockIdx.y * span, last = min(steps, first + span);
    T tile;
    if constexpr (K == 1 && !DATA)
        accumulate(tile, Along<T::ROWS>(w, row0, rows, steps), Across<T::COLS>(x, col0, g.m), first, last, Nothing{});
    else if constexpr (K == 1)
        accumulate(tile, Across<T::ROWS>(w, row0, rows), Across<T::COLS>(x, col0, g.m), first, last, Nothing{});
    else if constexpr (!DATA)
        accumulate(tile, Along<T::ROWS>(w, row0, rows, steps), Unfolded<T::COLS>(x, col0, g), first, last, Nothing{});
    else
        accumulate(tile, Flipped<T::ROWS>(w, row0, rows), Unfolded<T::COLS>(x, col0, g), first, last, Nothing{});
    results(tile, rows, g.m, DATA || how == StoreReLU ? how : Store, DATA ? nullptr : bias, y, part);
}

#define CONV(NAME, TILE, K, DATA)                                                                                              \
    KERNEL(256, 2)                                                                                                             \
    conv_##NAME(int rows, int channels, int m, int h, int width, int span, int how, const float *w, const float *bias,         \
                const float *x, float *y, float *part) {                                                                       \
        convolve<TILE, K, DATA>(rows, channels, {m, h, width}, span, how, w, bias, x, y, part);                                \
    }

CONV(forward1_big, Big, 1, false)
CONV(forward1_flat, Flat, 1, false)
CONV(forward1_strip, Strip, 1, false)
CONV(forward3_big, Big, 3, false)
CONV(forward3_flat, Flat, 3, false)
CONV(forward3_strip, Strip, 3, false)
CONV(data1_big, Big, 1, true)
CONV(data1_flat, Flat, 1, true)
CONV(data1_strip, Strip, 1, true)
CONV(data3_big, Big, 3, true)
CONV(data3_flat, Flat, 3, true)
CONV(data3_strip, Strip, 3, true)

// conv_finish adds the parts in order and finishes: y[i,m] from sum_s part[s,i,m]. Launch: rows(rows, m).
KERNEL(256, 4)
conv_finish(int rows, int m, int span, int tiles, int splits, int how, const float *part, const float *bias, float *y) {
    int row = blockIdx.x / tiles, lo = blockIdx.x % tiles * span;
    i64 start = (i64)row * m + lo, size = (i64)rows * m;
    part += start, y += start;
    float add = bias ? bias[row] : 0;
    quads(min(span, m - lo), threadIdx.x, blockDim.x, aligned(part) && aligned(y) && size % 4 == 0, [&](auto way, i64 i, int count) {
        Quad sum = {};
        for (int s = 0; s < splits; s++) {
            Quad q = load(way, part + s * size + i, count);
#pragma unroll
            for (int e = 0; e < 4; e++) sum.v[e] += q.v[e];
        }
        finish(way, how, add, sum, y + i, count);
    });
}

// weight: dw[o,(c,t)] += sum_m dy[o,m]*x[c, m shifted]; db[o] += sum_m dy[o,m], where db is given. cols = Cin*K*K. Block grid.y
// takes `span` columns of the sum, a multiple of 8.
//
// Launch: weight(rows, cols, m): as forward. Scratch where splits > 1: part [splits][rows][cols], then [splits][rows] for db;
// weight_finish follows.
template <class T, int K>
__device__ __forceinline__ void weight(int rows, int cols, Image g, int span, const float *x, const float *dy, float *dw, float *db,
                                       float *part) {
    int down = (rows + T::ROWS - 1) / T::ROWS, row0 = blockIdx.x % down * T::ROWS, col0 = blockIdx.x / down * T::COLS;
    int first = blockIdx.y * span, last = min(g.m, first + span), t = threadIdx.x;
    T tile;
    float sum = 0;
    bool bias = db && col0 == 0 && t < T::ROWS; // the first tile of a row of tiles also adds up its dy
    auto seen = [&](const float *slab) {
        if (!bias) return;
#pragma unroll
        for (int k = 0; k < depth; k++) sum += slab[k * (T::ROWS + pad) + t];
    };
    Along<T::ROWS> a(dy, row0, rows, g.m);
    if constexpr (K == 1)
        accumulate(tile, a, Along<T::COLS>(x, col0, cols, g.m), first, last, seen);
    else
        accumulate(tile, a, Shifted<T::COLS>(x, col0, cols, g), first, last, seen);
    results(tile, rows, cols, Add, nullptr, dw, part);
    if (!bias || row0 + t >= rows) return;
    if (gridDim.y == 1)
        db[row0 + t] += sum;
    else
        part[(i64)gridDim.y * rows * cols + blockIdx.y * rows + row0 + t] = sum;
}

#define WEIGHT(NAME, TILE, K)                                                                                                  \
    KERNEL(256, 2)                                                                                                             \
    conv_##NAME(int rows, int cols, int m, int h, int width, int span, const float *x, const float *dy, float *dw, float *db,  \
                float *part) {                                                                                                 \
        weight<TILE, K>(rows, cols, {m, h, width}, span, x, dy, dw, db, part);                                                 \
    }

WEIGHT(weight1_big, Big, 1)
WEIGHT(weight1_tall, Tall, 1)
WEIGHT(weight1_strip, Strip, 1)
WEIGHT(weight3_tall, Tall, 3)
WEIGHT(weight3_slim, Slim, 3)

// weight_finish adds the parts in order to dw [rows][cols] and, where it is given, db [rows].
// Launch: items(rows*cols), and where db is given items(rows*cols + rows).
KERNEL(256, 4) weight_finish(int rows, int cols, int splits, const float *part, float *dw, float *db) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x, size = (i64)rows * cols, step = size;
    float *out = dw;
    if (i >= size) {
        if (!db || i >= size + rows) return;
        part += splits * size, out = db, i -= size, step = rows;
    }
    float sum = 0;
    for (int s = 0; s < splits; s++) sum += part[s * step + i];
    out[i] += sum;
}
