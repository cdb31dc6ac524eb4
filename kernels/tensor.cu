// The convolutions of conv.cu on tensor cores, for compute_80: factors are rounded to TF32 (11 bits) or bf16 (8 bits), their
// products added up in float32. Equations, arguments, grids and scratch are those of conv.cu.
//
// Arrays are float32, and slabs hold them as they are: so they are copied past the registers (cp.async), in quads where their
// memory allows, three slabs in flight or in use. Rounding, to nearest, is done by whoever loads a fragment. For bf16 that doubles
// what is read from shared memory against slabs of bf16; but those would have to pass by registers, a slab ahead at most, and on
// paper what bounds these tiles is the second cache: the 16 KB of a 128 x 128 tile's slab take about 680 cycles at the 24 bytes a
// cycle that an H100 has for each multiprocessor, reading its fragments 400, its bf16 products 200. Unrounded slabs also give the
// exact db.
//
// A slab is 16 steps deep. A tensor core adds up its steps in no stated order, so a lane gives it the steps that cost it no
// shuffle: number t of a group of 4 lanes holds steps t and t+4 of each half slab of 8, as two words for TF32, packed for bf16.
#include "conv.cuh"

constexpr int stages = 3;

// Lying is [SIZE][16]: for operands whose memory runs along the sum. Quads of steps are exchanged so that the same quad of 8
// rows lies in all banks: ldmatrix reads it at once, and a quarter of a warp writes two rows.
template <int SIZE_, int THREADS_> struct Lying {
    static constexpr int SIZE = SIZE_, THREADS = THREADS_, DEPTH = 16, STEP = 1, WORDS = 16 * SIZE;
    static __device__ __forceinline__ int place(int k, int i) { return i * 16 + ((k / 4 ^ i / 2 % 4) * 4 + k % 4); }
    // sixteen loads half h of the 16 rows from base+i on, base a multiple of 32 and i of 8: step t of rows g and g+8, then step t+4 of
    // both, g = lane/4, t = lane%4.
    static __device__ __forceinline__ void sixteen(const float *slab, int base, int i, int h, u32 (&v)[4]) {
        int lane = threadIdx.x % 32; // gives the address of row lane%16 of quad lane/16
        u32 at = (u32)__cvta_generic_to_shared(slab + place(8 * h + lane / 16 * 4, base + lane % 16) + i * 16);
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
                     : "r"(at)
                     : "memory");
    }
    // total adds row i to sum.
    static __device__ __forceinline__ float total(const float *slab, int i, float sum) {
#pragma unroll
        for (int k = 0; k < 16; k += 4) {
            Quad q = load(Wide{}, slab + place(k, i), 4);
#pragma unroll
            for (int e = 0; e < 4; e++) sum += q.v[e];
        }
        return sum;
    }
};

// Upright is [16][SIZE]: for operands whose memory runs across the sum. Groups of 8 are exchanged so that 4 steps of a group lie in
// all banks.
template <int SIZE_, int THREADS_> struct Upright {
    static constexpr int SIZE = SIZE_, THREADS = THREADS_, DEPTH = 16, STEP = 1, WORDS = 16 * SIZE;
    static __device__ __forceinline__ int place(int k, int i) { return k * SIZE + (i ^ k % 4 * 8); }
    static __device__ __forceinline__ void sixteen(const float *slab, int base, int i, int h, u32 (&v)[4]) {
        int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int at = i + e % 2 * 8;
            v[e] = __float_as_uint(slab[(8 * h + e / 2 * 4 + t) * SIZE + base + g + at / 32 * 32 + (at % 32 ^ t * 8)]);
        }
    }
};

// Slab chooses between the two.
template <bool LIES, int SIZE, int THREADS> struct Slab { using type = Lying<SIZE, THREADS>; };
template <int SIZE, int THREADS> struct Slab<false, SIZE, THREADS> { using type = Upright<SIZE, THREADS>; };

// A precision turns the words of both halves of a slab into fragments, and multiplies them: d += a*b, a 16 rows, b 8 columns.
struct TF32 {
    static constexpr int PRODUCTS = 2; // for a slab
    static __device__ __forceinline__ u32 rounded(u32 v) {
        u32 w;
        asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(w) : "f"(__uint_as_float(v)));
        return w;
    }
    static __device__ __forceinline__ void rows(const u32 (&v)[4], int, u32 (&a)[4]) {
#pragma unroll
        for (int e = 0; e < 4; e++) a[e] = rounded(v[e]);
    }
    static __device__ __forceinline__ void cols(u32 first, u32 second, int, u32 (&b)[2]) { b[0] = rounded(first), b[1] = rounded(second); }
    static __device__ __forceinline__ void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
        asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
};

struct BF16 {
    static constexpr int PRODUCTS = 1;
    static __device__ __forceinline__ u32 pair(u32 low, u32 high) {
        u32 w;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(__uint_as_float(high)), "f"(__uint_as_float(low)));
        return w;
    }
    static __device__ __forceinline__ void rows(const u32 (&v)[4], int h, u32 (&a)[4]) {
        a[2 * h] = pair(v[0], v[2]), a[2 * h + 1] = pair(v[1], v[3]);
    }
    static __device__ __forceinline__ void cols(u32 first, u32 second, int h, u32 (&b)[2]) { b[h] = pair(first, second); }
    static __device__ __forceinline__ void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
};

// Tile is R x C results by warps of WR x WC each, in fragments of 16 x 8. A lane's four results of a fragment are at rows g and
// g+8, columns 2t and 2t+1. Two blocks fill a multiprocessor: while warps of one wait for fragments, those of the other multiply.
template <int R, int C, int WR, int WC> struct Tile {
    static constexpr int ROWS = R, COLS = C, MI = WR / 16, NI = WC / 8, THREADS = R / WR * (C / WC) * 32, BLOCKS = 512 / THREADS;
    static_assert(WR % 32 == 0 && WC % 32 == 0, "a warp's groups of 8 are exchanged among themselves");
    template <bool LIES> using A = typename Slab<LIES, R, THREADS>::type;
    template <bool LIES> using B = typename Slab<LIES, C, THREADS>::type;
    float acc[MI][NI][4] = {};
    static __device__ __forceinline__ int row(u32 thread) { return thread / 32 / (C / WC) * WR; }
    static __device__ __forceinline__ int col(u32 thread) { return thread / 32 % (C / WC) * WC; }
    template <class P, class SA, class SB> __device__ __forceinline__ void multiply(const float *as, const float *bs) {
        u32 a[MI][4], b[NI][2], v[4];
#pragma unroll
        for (int h = 0; h < 2; h++) {
#pragma unroll
            for (int i = 0; i < MI; i++) {
                SA::sixteen(as, row(threadIdx.x), 16 * i, h, v);
                P::rows(v, h, a[i]);
            }
#pragma unroll
            for (int j = 0; j < NI; j += 2) {
                SB::sixteen(bs, col(threadIdx.x), 8 * j, h, v);
                P::cols(v[0], v[2], h, b[j]);
                P::cols(v[1], v[3], h, b[j + 1]);
            }
            if (h + P::PRODUCTS < 2) continue;
#pragma unroll
            for (int i = 0; i < MI; i++)
#pragma unroll
                for (int j = 0; j < NI; j++) P::multiply(acc[i][j], a[i], b[j]);
        }
    }
    // each calls f(row, col, pair) for the thread's results, two neighbours of a row at a time.
    template <class F> __device__ __forceinline__ void each(F f) {
        u32 thread = again_thread();
#pragma unroll
        for (int i = 0; i < 2 * MI; i++)
#pragma unroll
            for (int j = 0; j < NI; j++)
                f(row(thread) + thread % 32 / 4 + 8 * i, col(thread) + thread % 4 * 2 + 8 * j,
                  make_float2(acc[i / 2][j][i % 2 * 2], acc[i / 2][j][i % 2 * 2 + 1]));
    }
};

// results writes a tile of y [rows][cols]: finished, or as it is to part [grid.y][rows][cols].
template <class T>
__device__ __forceinline__ void results(T &tile, int rows, i64 cols, int how, const float *bias, float *y, float *part) {
    u32 down = (rows + T::ROWS - 1) / T::ROWS, block = again_block();
    int row0 = block % down * T::ROWS, col0 = block / down * T::COLS;
    bool split = gridDim.y > 1;
    float *to = split ? part + blockIdx.y * rows * cols : y;
    bool even = cols % 2 == 0 && ((u64)to & 7) == 0;
    if (split) how = Store;
    tile.each([&](int i, int j, float2 v) {
        i += row0;
        i64 col = (i64)col0 + j;
        if (i >= rows || col >= cols) return;
        float *at = to + i * cols + col, add = !split && bias ? bias[i] : 0;
        v.x += add, v.y += add;
        if (even) {
            float2 old = how >= Add ? *(float2 *)at : make_float2(0, 0);
            *(float2 *)at = make_float2(finished(how, v.x, old.x), finished(how, v.y, old.y));
            return;
        }
        at[0] = finished(how, v.x, how >= Add ? at[0] : 0);
        if (col + 1 < cols) at[1] = finished(how, v.y, how >= Add ? at[1] : 0);
    });
}

using Big = Tile<128, 128, 64, 32>;
using Flat = Tile<64, 128, 32, 32>;
using Strip = Tile<32, 128, 32, 32>;
using Tall = Tile<128, 64, 32, 32>;

template <class P, class T, int K, bool DATA>
__device__ __forceinline__ void convolve(int rows, int channels, Image g, int span, int how, const float *w, const float *bias,
                                         const float *x, float *y, float *part) {
    int down = (rows + T::ROWS - 1) / T::ROWS, row0 = blockIdx.x % down * T::ROWS, col0 = blockIdx.x / down * T::COLS;
    int steps = channels * K * K, first = blockIdx.y * span, last = min(steps, first + span);
    using A = typename T::template A<K == 3 || !DATA>;
    using B = typename T::template B<false>;
    T tile;
    auto use = [&](const float *as, const float *bs) { tile.template multiply<P, A, B>(as, bs); };
    if constexpr (K == 1 && !DATA)
        accumulate<stages, A, B>(Along<A>(w, row0, rows, steps, first), Across<B>(x, col0, g.m, first), first, last, use);
    else if constexpr (K == 1)
        accumulate<stages, A, B>(Across<A>(w, row0, rows, first), Across<B>(x, col0, g.m, first), first, last, use);
    else if constexpr (!DATA)
        accumulate<stages, A, B>(Along<A>(w, row0, rows, steps, first), Unfolded<B>(x, col0, g), first, last, use);
    else
        accumulate<stages, A, B>(Flipped<A>(w, row0, rows), Unfolded<B>(x, col0, g), first, last, use);
    results(tile, rows, g.m, DATA || how == StoreReLU ? how : Store, DATA ? nullptr : bias, y, part);
}

#define CONV(NAME, PRECISION, TILE, K, DATA)                                                                                   \
    KERNEL(TILE::THREADS, TILE::BLOCKS)                                                                                        \
    conv_##NAME(int rows, int channels, int m, int h, int width, int span, int how, const float *w, const float *bias,         \
                const float *x, float *y, float *part) {                                                                       \
        convolve<PRECISION, TILE, K, DATA>(rows, channels, {m, h, width}, span, how, w, bias, x, y, part);                     \
    }

// db is the sum of dy before it is rounded.
template <class P, class T, int K>
__device__ __forceinline__ void weight(int rows, int cols, Image g, int span, bool turned, const float *x, const float *dy, float *dw,
                                       float *db, float *part) {
    int down = (rows + T::ROWS - 1) / T::ROWS, row0 = blockIdx.x % down * T::ROWS, col0 = blockIdx.x / down * T::COLS;
    int first = blockIdx.y * span, last = min(g.m, first + span), t = threadIdx.x;
    using A = typename T::template A<true>;
    using B = typename T::template B<true>;
    T tile;
    float sum = 0;
    bool bias = db && (turned ? row0 == 0 && t < T::COLS && (col0 + t) % 9 == 4 && col0 + t < cols
                              : col0 == 0 && t < T::ROWS && row0 + t < rows);
    auto use = [&](const float *as, const float *bs) {
        tile.template multiply<P, A, B>(as, bs);
        if (bias) sum = turned ? B::total(bs, t, sum) : A::total(as, t, sum);
    };
    Along<A> a(turned ? x : dy, row0, rows, g.m, first);
    if constexpr (K == 1)
        accumulate<stages, A, B>(a, Along<B>(x, col0, cols, g.m, first), first, last, use);
    else
        accumulate<stages, A, B>(a, Shifted<B>(turned ? dy : x, col0, cols, g, first), first, last, use);
    if (turned && gridDim.y == 1)
        tile.each([&](int i, int j, float2 v) {
            i += row0, j += col0;
            if (i < rows && j < cols) dw[turned_place(rows, i, j)] += v.x;
            if (i < rows && j + 1 < cols) dw[turned_place(rows, i, j + 1)] += v.y;
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

#define WEIGHT1(NAME, PRECISION, TILE)                                                                                         \
    KERNEL(TILE::THREADS, TILE::BLOCKS)                                                                                        \
    conv_##NAME(int rows, int cols, int m, int h, int width, int span, const float *x, const float *dy, float *dw, float *db,  \
                float *part) {                                                                                                 \
        weight<PRECISION, TILE, 1>(rows, cols, {m, h, width}, span, false, x, dy, dw, db, part);                               \
    }

#define WEIGHT3(NAME, PRECISION, TILE)                                                                                         \
    KERNEL(TILE::THREADS, TILE::BLOCKS)                                                                                        \
    conv_##NAME(int rows, int cols, int m, int h, int width, int span, int turned, const float *x, const float *dy, float *dw, \
                float *db, float *part) {                                                                                      \
        weight<PRECISION, TILE, 3>(rows, cols, {m, h, width}, span, turned, x, dy, dw, db, part);                              \
    }

#define ALL(SUFFIX, PRECISION)                                 \
    CONV(forward1_big_##SUFFIX, PRECISION, Big, 1, false)      \
    CONV(forward1_flat_##SUFFIX, PRECISION, Flat, 1, false)    \
    CONV(forward1_strip_##SUFFIX, PRECISION, Strip, 1, false)  \
    CONV(forward3_big_##SUFFIX, PRECISION, Big, 3, false)      \
    CONV(forward3_flat_##SUFFIX, PRECISION, Flat, 3, false)    \
    CONV(data1_big_##SUFFIX, PRECISION, Big, 1, true)          \
    CONV(data1_flat_##SUFFIX, PRECISION, Flat, 1, true)        \
    CONV(data1_strip_##SUFFIX, PRECISION, Strip, 1, true)      \
    CONV(data3_big_##SUFFIX, PRECISION, Big, 3, true)          \
    CONV(data3_flat_##SUFFIX, PRECISION, Flat, 3, true)        \
    WEIGHT1(weight1_big_##SUFFIX, PRECISION, Big)              \
    WEIGHT1(weight1_tall_##SUFFIX, PRECISION, Tall)            \
    WEIGHT1(weight1_strip_##SUFFIX, PRECISION, Strip)          \
    WEIGHT3(weight3_tall_##SUFFIX, PRECISION, Tall)

ALL(tf32, TF32)
ALL(bf16, BF16)
