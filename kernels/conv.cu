// Convolutions of stride 1 that keep the size, K = 1 or 3, as products of matrices that never exist: an element of the unfolded
// image is fetched from the image (implicit GEMM). x [Cin][N][H][W], y [Cout][N][H][W], w [Cout][Cin][K][K]; r = K/2; taps
// t = u*K+v.
//
//	forward   y[o,m]       = sum_k a[o,k]*b[k,m]    a[o,(c,t)] = w[o,c,t]      b[(c,t),m] = x[c, m shifted by (u-r, v-r)]
//	data      dx[c,m]      = sum_k a[c,k]*b[k,m]    a[c,(o,t)] = w[o,c,T-1-t]  b[(o,t),m] = dy[o, m shifted by (u-r, v-r)]
//	weight    dw[o,(c,t)]  = sum_m a[o,m]*b[(c,t),m]  a = dy                   b as in forward
//
// A block of 256 threads computes a tile of ROWS x COLS results, a thread TR x TC of them in registers, a slab of 8 steps of the
// sum at a time from shared memory. For compute_80 three slabs more are on their way there (cp.async); for compute_70 one is, by
// way of registers. Where the tiles would not fill a chip the sum is shared out between grid.y blocks, whose parts a second kernel
// adds in order.
//
// A 3x3 convolution of few results from many channels is cheaper folded: a 1x1 convolution gives each tap's share of each pixel,
// 9 rows to a channel, and conv_fold adds them up. An element of x is then fetched once in place of 9 times, in quads.
#include "conv.cuh"

// Slab is [8][SIZE], each row 4 words longer than that: operands whose memory runs along the sum are turned on the way, and so
// filling a slab by columns touches each bank once, as does reading 4 neighbours of a row.
template <int SIZE_> struct Slab {
    static constexpr int SIZE = SIZE_, DEPTH = 8, THREADS = 256, STEP = SIZE + 4, WORDS = DEPTH * STEP;
    static __device__ __forceinline__ int place(int k, int i) { return k * STEP + i; }
    // total adds row i to sum.
    static __device__ __forceinline__ float total(const float *slab, int i, float sum) {
#pragma unroll
        for (int k = 0; k < DEPTH; k++) sum += slab[place(k, i)];
        return sum;
    }
};

constexpr int stages = 4;

// Lengthwise is a matrix whose memory runs along the sum. What is copied past the registers cannot be turned in quads.
#if __CUDA_ARCH__ >= 800
template <class S> using Lengthwise = Turning<S>;
#else
template <class S> using Lengthwise = Along<S>;
#endif

// Tile is ROWS x COLS results by 256 threads, TR x TC to a thread. A warp's lanes stand 4 down and 8 across, each with groups
// of 4x4: of the rows at r, r+16, ... and of the columns at c, c+32, ..., so that a warp reads each bank once.
template <int R, int C, int TR_, int TC_> struct Tile {
    static constexpr int ROWS = R, COLS = C, TR = TR_, TC = TC_, WARPROWS = 4 * TR, WARPCOLS = 8 * TC;
    using A = Slab<R>;
    using B = Slab<C>;
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
        for (int k = 0; k < A::DEPTH; k++) {
            float a[TR], b[TC];
#pragma unroll
            for (int i = 0; i < TR; i += 4) {
                Quad q = load(Wide{}, as + A::place(k, 4 * i), 4);
#pragma unroll
                for (int e = 0; e < 4; e++) a[i + e] = q.v[e];
            }
#pragma unroll
            for (int j = 0; j < TC; j += 4) {
                Quad q = load(Wide{}, bs + B::place(k, 8 * j), 4);
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

// Tiles of forward and data: Big for the bulk, Flat for up to 64 rows or small grids, Strip for up to 32 rows of 1x1.
using Big = Tile<128, 128, 8, 8>;
using Flat = Tile<64, 128, 4, 8>;
using Strip = Tile<32, 256, 4, 8>;
// Of weight: Big, Strip, and Tall for up to 64 columns; 3x3 has Tall alone.
using Tall = Tile<128, 64, 8, 4>;

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
    using A = typename T::A;
    using B = typename T::B;
    T tile;
    auto use = [&](const float *as, const float *bs) { tile.multiply(as, bs); };
    if constexpr (K == 1 && !DATA)
        accumulate<stages, A, B>(Lengthwise<A>(w, row0, rows, steps, first), Across<B>(x, col0, g.m, first), first, last, use);
    else if constexpr (K == 1)
        accumulate<stages, A, B>(Across<A>(w, row0, rows, first), Across<B>(x, col0, g.m, first), first, last, use);
    else if constexpr (!DATA)
        accumulate<stages, A, B>(Lengthwise<A>(w, row0, rows, steps, first), Unfolded<B>(x, col0, g), first, last, use);
    else
        accumulate<stages, A, B>(Flipped<A>(w, row0, rows), Unfolded<B>(x, col0, g), first, last, use);
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
CONV(data1_big, Big, 1, true)
CONV(data1_flat, Flat, 1, true)
CONV(data1_strip, Strip, 1, true)
CONV(data3_big, Big, 3, true)
CONV(data3_flat, Flat, 3, true)

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

// conv_fold finishes a folded 3x3 convolution: y[i,m] from sum_s sum_t part[s,(i,t),m shifted], part [splits][rows*9][M]. The shift
// is that of tap t, or for data (back) the opposite one. A thread takes one column: shifted ones are on no boundary.
// Launch: pixels(rows, m).
KERNEL(256, 4)
conv_fold(int rows, int m, int h, int width, int tiles, int splits, int how, int back, const float *part, const float *bias, float *y) {
    Image g = {m, h, width};
    int row = blockIdx.x / tiles, col = blockIdx.x % tiles * blockDim.x + threadIdx.x;
    if (col >= m) return;
    i64 size = (i64)rows * 9 * m;
    float add = bias ? bias[row] : 0;
    part += (i64)row * 9 * m;
    u32 inside = taps_inside(g, col);
    float sum = 0;
#pragma unroll 1
    for (int s = 0; s < splits; s++) {
        const float *at = part + s * size + col;
#pragma unroll
        for (int t = 0; t < 9; t++) {
            int shift = (t / 3 - 1) * width + t % 3 - 1, tap = back ? 8 - t : t;
            if (inside >> tap & 1) sum += at[(i64)t * m + (back ? -shift : shift)];
        }
    }
    float *to = y + (i64)row * m + col;
    *to = finished(how, sum + add, how >= Add ? *to : 0);
}

// weight: dw[o,(c,t)] += sum_m dy[o,m]*x[c, m shifted]; db[o] += sum_m dy[o,m], where db is given. rows = Cout, cols = Cin*K*K.
// A 3x3 kernel can compute the turned product instead, for Cin > Cout: then the smaller of x and dy is the one that is unfolded;
// a = x, rows = Cin, and b = dy, cols = Cout*9. Block grid.y takes `span` columns of the sum, a multiple of 8.
//
// Launch: weight(rows, cols, m): as forward. Scratch where splits > 1: part [splits][rows][cols], then [splits][Cout] for db;
// weight_finish or turned_finish follows.
template <class T, int K>
__device__ __forceinline__ void weight(int rows, int cols, Image g, int span, bool turned, const float *x, const float *dy, float *dw,
                                       float *db, float *part) {
    int down = (rows + T::ROWS - 1) / T::ROWS, row0 = blockIdx.x % down * T::ROWS, col0 = blockIdx.x / down * T::COLS;
    int first = blockIdx.y * span, last = min(g.m, first + span), t = threadIdx.x;
    using A = typename T::A;
    using B = typename T::B;
    T tile;
    float sum = 0;
    // The first tiles also add up dy: the rows of a, or of b the middle tap's columns.
    bool bias = db && (turned ? row0 == 0 && t < T::COLS && (col0 + t) % 9 == 4 && col0 + t < cols
                              : col0 == 0 && t < T::ROWS && row0 + t < rows);
    auto use = [&](const float *as, const float *bs) {
        tile.multiply(as, bs);
        if (bias) sum = turned ? B::total(bs, t, sum) : A::total(as, t, sum);
    };
    Lengthwise<A> a(turned ? x : dy, row0, rows, g.m, first);
    if constexpr (K == 1)
        accumulate<stages, A, B>(a, Lengthwise<B>(x, col0, cols, g.m, first), first, last, use);
    else
        accumulate<stages, A, B>(a, Shifted<B>(turned ? dy : x, col0, cols, g, first), first, last, use);
    if (turned && gridDim.y == 1)
        tile.each([&](int i, int j, Quad q) {
#pragma unroll
            for (int e = 0; e < 4; e++)
                if (row0 + i < rows && col0 + j + e < cols) dw[turned_place(rows, row0 + i, col0 + j + e)] += q.v[e];
        });
    else
        results(tile, rows, cols, Add, nullptr, dw, part);
    if (!bias) return;
    int o = turned ? (col0 + t) / 9 : row0 + t, outs = turned ? cols / 9 : rows;
    if (gridDim.y == 1)
        db[o] += sum;
    else
        part[(i64)gridDim.y * rows * cols + blockIdx.y * outs + o] = sum;
}

#define WEIGHT1(NAME, TILE)                                                                                                    \
    KERNEL(256, 2)                                                                                                             \
    conv_##NAME(int rows, int cols, int m, int h, int width, int span, const float *x, const float *dy, float *dw, float *db,  \
                float *part) {                                                                                                 \
        weight<TILE, 1>(rows, cols, {m, h, width}, span, false, x, dy, dw, db, part);                                          \
    }

#define WEIGHT3(NAME, TILE)                                                                                                    \
    KERNEL(256, 2)                                                                                                             \
    conv_##NAME(int rows, int cols, int m, int h, int width, int span, int turned, const float *x, const float *dy, float *dw, \
                float *db, float *part) {                                                                                      \
        weight<TILE, 3>(rows, cols, {m, h, width}, span, turned, x, dy, dw, db, part);                                         \
    }

WEIGHT1(weight1_big, Big)
WEIGHT1(weight1_tall, Tall)
WEIGHT1(weight1_strip, Strip)
WEIGHT3(weight3_tall, Tall)

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

// turned_finish is weight_finish of a turned product. A thread takes an element of part, so that neighbours are read together.
// Launch: items(rows*cols), and where db is given items(rows*cols + cols/9).
KERNEL(256, 4) turned_finish(int rows, int cols, int splits, const float *part, float *dw, float *db) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x, size = (i64)rows * cols;
    int outs = cols / 9;
    float sum = 0;
    if (i < size) {
        for (int s = 0; s < splits; s++) sum += part[s * size + i];
        dw[turned_place(rows, i / cols, i % cols)] += sum;
    } else if (db && i < size + outs) {
        for (int s = 0; s < splits; s++) sum += part[splits * size + (i64)s * outs + (i - size)];
        db[i - size] += sum;
    }
}
