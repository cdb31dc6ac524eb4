// The convolutions of conv.cu on tensor cores, for compute_80: factors are rounded to TF32 (11 bits) or bf16 (8 bits), their
// products added up in float32. Arrays stay float32: what a slab holds is rounded on its way from the registers that fetched it
// into shared memory, so that the roundings are to nearest, which copies past the registers (cp.async) would not give.
//
// A slab is 8 words deep. A word is one step of the sum for TF32, and two for bf16; so the same fragments fit both
// mma.m16n8k8.tf32 and mma.m16n8k16.bf16. Word j of row or column i lies at j*(SIZE+8) + (i ^ 24 where j >= 4): then the 4 words
// x 8 neighbours of a fragment, and each way of filling a slab, touch each bank once.
//
// Equations, arguments, grids and scratch are those of conv.cu, except that weight leaves db alone.
#include "conv.cuh"

constexpr int words = 8;

template <int SIZE> __device__ __forceinline__ int place(int j, int i) { return j * (SIZE + 8) + (i ^ (j & 4 ? 24 : 0)); }

// A precision packs STEPS steps of the sum into a word and multiplies fragments of words: d += a*b, a 16 x 8 words, b 8 words x 8.
struct TF32 {
    static constexpr int STEPS = 1;
    static __device__ __forceinline__ u32 pack(const float *v) {
        u32 w;
        asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(w) : "f"(v[0]));
        return w;
    }
    static __device__ __forceinline__ void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
        asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
};

struct BF16 {
    static constexpr int STEPS = 2;
    static __device__ __forceinline__ u32 pack(const float *v) { // the earlier step in the lower half
        u32 w;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(v[1]), "f"(v[0]));
        return w;
    }
    static __device__ __forceinline__ void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
};

// Along is a matrix [rows][end] whose memory runs along the sum. A thread takes quads of steps.
template <class P, int SIZE> struct Along {
    static constexpr int quads = 2 * P::STEPS; // of a row
    static constexpr int passes = (quads * SIZE + 255) / 256;
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
            int e = threadIdx.x + 256 * s, i = row + e / quads, k = k0 + e % quads * 4;
            q[s] = Quad{};
            if ((quads * SIZE < 256 && e >= quads * SIZE) || i >= rows || k >= end) continue;
            const float *from = a + i * stride + k;
            q[s] = wide && k + 4 <= end ? load(Wide{}, from, 4) : load(Narrow{}, from, end - k);
        }
    }
    __device__ __forceinline__ void put(u32 *slab) {
#pragma unroll
        for (int s = 0; s < passes; s++) {
            int e = threadIdx.x + 256 * s, j = e % quads * (4 / P::STEPS);
            if (quads * SIZE < 256 && e >= quads * SIZE) continue;
#pragma unroll
            for (int d = 0; d < 4 / P::STEPS; d++) slab[place<SIZE>(j + d, e / quads)] = P::pack(q[s].v + d * P::STEPS);
        }
    }
};

// Across is a matrix [end][size] whose memory runs across the sum. A thread takes quads of columns, of each step of a word.
template <class P, int SIZE> struct Across {
    static constexpr int passes = (2 * SIZE + 255) / 256;
    const float *b;
    int col, size;
    bool wide;
    Quad q[passes][P::STEPS];
    __device__ Across(const float *b, int col, int size) : b(b), col(col), size(size), wide(size % 4 == 0 && aligned(b)) {}
    __device__ __forceinline__ void get(int k0, int end) {
#pragma unroll
        for (int s = 0; s < passes; s++)
#pragma unroll
            for (int d = 0; d < P::STEPS; d++) {
                int e = threadIdx.x + 256 * s, k = k0 + e / (SIZE / 4) * P::STEPS + d, i = col + e % (SIZE / 4) * 4;
                q[s][d] = Quad{};
                if ((2 * SIZE < 256 && e >= 2 * SIZE) || i >= size || k >= end) continue;
                const float *from = b + (i64)k * size + i;
                q[s][d] = wide ? load(Wide{}, from, 4) : load(Narrow{}, from, size - i);
            }
    }
    __device__ __forceinline__ void put(u32 *slab) {
#pragma unroll
        for (int s = 0; s < passes; s++) {
            int e = threadIdx.x + 256 * s;
            if (2 * SIZE < 256 && e >= 2 * SIZE) continue;
            u32 w[4];
#pragma unroll
            for (int x = 0; x < 4; x++) {
                float v[P::STEPS];
#pragma unroll
                for (int d = 0; d < P::STEPS; d++) v[d] = q[s][d].v[x];
                w[x] = P::pack(v);
            }
            *(uint4 *)(slab + place<SIZE>(e / (SIZE / 4), e % (SIZE / 4) * 4)) = make_uint4(w[0], w[1], w[2], w[3]);
        }
    }
};

// Unfolded is b of a 3x3 convolution for forward and data: steps (c,t) of SIZE columns. A thread stays on its column.
// x points at tap 0 of it, which may lie before the array where it is not read.
template <class P, int SIZE> struct Unfolded {
    static constexpr int passes = words * SIZE / 256, threads = 256 / SIZE;
    const float *x;
    Image g;
    u32 inside;
    float v[passes][P::STEPS];
    __device__ Unfolded(const float *x, int col, Image g)
        : x(x + col + threadIdx.x % SIZE - g.w - 1), g(g), inside(taps_inside(g, col + threadIdx.x % SIZE)) {}
    __device__ __forceinline__ void get(int k0, int end) {
#pragma unroll
        for (int s = 0; s < passes; s++)
#pragma unroll
            for (int d = 0; d < P::STEPS; d++) {
                u32 k = k0 + (threadIdx.x / SIZE + threads * s) * P::STEPS + d, c = k / 9, t = k % 9;
                v[s][d] = k < end && (inside >> t & 1) ? x[(i64)c * g.m + (t / 3 * g.w + t % 3)] : 0;
            }
    }
    __device__ __forceinline__ void put(u32 *slab) {
#pragma unroll
        for (int s = 0; s < passes; s++) slab[place<SIZE>(threadIdx.x / SIZE + threads * s, threadIdx.x % SIZE)] = P::pack(v[s]);
    }
};

// Shifted is b of a 3x3 convolution for weight: columns of SIZE rows (c,t). 4 lanes are neighbours in memory, 8 of the slab.
template <class P, int SIZE> struct Shifted {
    static constexpr int passes = SIZE / 64;
    const float *x;
    int row, rows;
    Image g;
    float v[2][passes][P::STEPS];
    __device__ Shifted(const float *x, int row, int rows, Image g) : x(x - g.w - 1), row(row), rows(rows), g(g) {}
    __device__ __forceinline__ void get(int k0, int end) {
#pragma unroll
        for (int half = 0; half < 2; half++)
#pragma unroll
            for (int d = 0; d < P::STEPS; d++) {
                int col = k0 + (threadIdx.x % 4 + 4 * half) * P::STEPS + d;
                u32 inside = col < end ? taps_inside(g, col) : 0;
#pragma unroll
                for (int s = 0; s < passes; s++) {
                    u32 i = row + threadIdx.x / 4 + 64 * s, c = i / 9, t = i % 9;
                    v[half][s][d] = i < rows && (inside >> t & 1) ? x[(i64)c * g.m + col + (t / 3 * g.w + t % 3)] : 0;
                }
            }
    }
    __device__ __forceinline__ void put(u32 *slab) {
#pragma unroll
        for (int half = 0; half < 2; half++)
#pragma unroll
            for (int s = 0; s < passes; s++)
                slab[place<SIZE>(threadIdx.x % 4 + 4 * half, threadIdx.x / 4 + 64 * s)] = P::pack(v[half][s]);
    }
};

// Flipped is a of a 3x3 convolution for data: steps (o,t) of SIZE channels.
template <class P, int SIZE> struct Flipped {
    static constexpr int passes = (SIZE + 63) / 64;
    const float *w;
    int row, cin;
    float v[2][passes][P::STEPS];
    __device__ Flipped(const float *w, int row, int cin) : w(w), row(row), cin(cin) {}
    __device__ __forceinline__ void get(int k0, int end) {
#pragma unroll
        for (int half = 0; half < 2; half++)
#pragma unroll
            for (int d = 0; d < P::STEPS; d++) {
                u32 k = k0 + (threadIdx.x % 4 + 4 * half) * P::STEPS + d, o = k / 9, t = k % 9;
#pragma unroll
                for (int s = 0; s < passes; s++) {
                    int i = threadIdx.x / 4 + 64 * s, c = row + i;
                    v[half][s][d] = i < SIZE && k < end && c < cin ? w[((i64)o * cin + c) * 9 + 8 - t] : 0;
                }
            }
    }
    __device__ __forceinline__ void put(u32 *slab) {
#pragma unroll
        for (int half = 0; half < 2; half++)
#pragma unroll
            for (int s = 0; s < passes; s++) {
                int i = threadIdx.x / 4 + 64 * s;
                if (i < SIZE) slab[place<SIZE>(threadIdx.x % 4 + 4 * half, i)] = P::pack(v[half][s]);
            }
    }
};

// Tile is R x C results by 8 warps of WR x WC each, in fragments of 16 x 8. A lane's four results of a fragment are at rows g
// and g+8, columns 2t and 2t+1, g = lane/4, t = lane%4.
template <int R, int C, int WR, int WC> struct Tile {
    static constexpr int ROWS = R, COLS = C, MI = WR / 16, NI = WC / 8;
    static_assert(R / WR * (C / WC) == 8 && WR % 32 == 0 && WC % 32 == 0, "8 warps cover the tile");
    float acc[MI][NI][4] = {};
    static __device__ __forceinline__ int row(u32 thread) { return thread / 32 / (C / WC) * WR; }
    static __device__ __forceinline__ int col(u32 thread) { return thread / 32 % (C / WC) * WC; }
    template <class P> __device__ __forceinline__ void multiply(const u32 *as, const u32 *bs) {
        int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
        as += t * (R + 8) + row(threadIdx.x) + g, bs += t * (C + 8) + col(threadIdx.x) + g;
        u32 a[MI][4], b[NI][2];
#pragma unroll
        for (int i = 0; i < MI; i++) {
            a[i][0] = as[16 * i], a[i][1] = as[16 * i + 8];
            a[i][2] = as[4 * (R + 8) + (16 * i ^ 24)], a[i][3] = as[4 * (R + 8) + (16 * i + 8 ^ 24)];
        }
#pragma unroll
        for (int j = 0; j < NI; j++) b[j][0] = bs[8 * j], b[j][1] = bs[4 * (C + 8) + (8 * j ^ 24)];
#pragma unroll
        for (int i = 0; i < MI; i++)
#pragma unroll
            for (int j = 0; j < NI; j++) P::multiply(acc[i][j], a[i], b[j]);
    }
};

// accumulate runs the sum over [first, last) through two pairs of slabs.
template <class P, class T, class A, class B> __device__ __forceinline__ void accumulate(T &tile, A a, B b, int first, int last) {
    __shared__ __align__(16) u32 as[2][words * (T::ROWS + 8)], bs[2][words * (T::COLS + 8)];
    constexpr int depth = words * P::STEPS;
    a.get(first, last), b.get(first, last);
    a.put(as[0]), b.put(bs[0]);
    __syncthreads();
    int now = 0;
    for (int k = first; k < last; k += depth) {
        bool more = k + depth < last;
        if (more) a.get(k + depth, last), b.get(k + depth, last);
        tile.template multiply<P>(as[now], bs[now]);
        if (more) a.put(as[now ^ 1]), b.put(bs[now ^ 1]);
        __syncthreads();
        now ^= 1;
    }
}

// results writes a tile of y [rows][cols]: finished, or as it is to part [grid.y][rows][cols]. Pairs of columns move together.
template <class T>
__device__ __forceinline__ void results(T &tile, int rows, i64 cols, int how, const float *bias, float *y, float *part) {
    u32 down = (rows + T::ROWS - 1) / T::ROWS, block = again_block(), thread = again_thread();
    int row0 = block % down * T::ROWS + T::row(thread) + thread % 32 / 4;
    i64 col0 = block / down * T::COLS + T::col(thread) + thread % 4 * 2;
    bool split = gridDim.y > 1;
    float *to = split ? part + blockIdx.y * rows * cols : y;
    bool even = cols % 2 == 0 && ((u64)to & 7) == 0;
    if (split) how = Store;
#pragma unroll
    for (int i = 0; i < 2 * T::MI; i++) {
        int row = row0 + 8 * i;
        if (row >= rows) continue;
        float add = !split && bias ? bias[row] : 0;
#pragma unroll
        for (int j = 0; j < T::NI; j++) {
            i64 col = col0 + 8 * j;
            if (col >= cols) continue;
            float *at = to + row * cols + col;
            float v0 = tile.acc[i / 2][j][i % 2 * 2] + add, v1 = tile.acc[i / 2][j][i % 2 * 2 + 1] + add;
            if (even) {
                float2 old = how >= Add ? *(float2 *)at : make_float2(0, 0);
                *(float2 *)at = make_float2(finished(how, v0, old.x), finished(how, v1, old.y));
                continue;
            }
            at[0] = finished(how, v0, how >= Add ? at[0] : 0);
            if (col + 1 < cols) at[1] = finished(how, v1, how >= Add ? at[1] : 0);
        }
    }
}

using Big = Tile<128, 128, 64, 32>;
using Flat = Tile<64, 128, 32, 32>;
using Strip = Tile<32, 256, 32, 32>;
using Tall = Tile<128, 64, 32, 32>;

template <class P, class T, int K, bool DATA>
__device__ __forceinline__ void convolve(int rows, int channels, Image g, int span, int how, const float *w, const float *bias,
                                         const float *x, float *y, float *part) {
    int down = (rows + T::ROWS - 1) / T::ROWS, row0 = blockIdx.x % down * T::ROWS, col0 = blockIdx.x / down * T::COLS;
    int steps = channels * K * K, first = blockIdx.y * span, last = min(steps, first + span);
    T tile;
    if constexpr (K == 1 && !DATA)
        accumulate<P>(tile, Along<P, T::ROWS>(w, row0, rows, steps), Across<P, T::COLS>(x, col0, g.m), first, last);
    else if constexpr (K == 1)
        accumulate<P>(tile, Across<P, T::ROWS>(w, row0, rows), Across<P, T::COLS>(x, col0, g.m), first, last);
    else if constexpr (!DATA)
        accumulate<P>(tile, Along<P, T::ROWS>(w, row0, rows, steps), Unfolded<P, T::COLS>(x, col0, g), first, last);
    else
        accumulate<P>(tile, Flipped<P, T::ROWS>(w, row0, rows), Unfolded<P, T::COLS>(x, col0, g), first, last);
    results(tile, rows, g.m, DATA || how == StoreReLU ? how : Store, DATA ? nullptr : bias, y, part);
}

#define CONV(NAME, PRECISION, TILE, K, DATA)                                                                                   \
    KERNEL(256, 2)                                                                                                             \
    conv_##NAME(int rows, int channels, int m, int h, int width, int span, int how, const float *w, const float *bias,         \
                const float *x, float *y, float *part) {                                                                       \
        convolve<PRECISION, TILE, K, DATA>(rows, channels, {m, h, width}, span, how, w, bias, x, y, part);                     \
    }

template <class P, class T, int K>
__device__ __forceinline__ void weight(int rows, int cols, Image g, int span, const float *x, const float *dy, float *dw,
                                       float *part) {
    int down = (rows + T::ROWS - 1) / T::ROWS, row0 = blockIdx.x % down * T::ROWS, col0 = blockIdx.x / down * T::COLS;
    int first = blockIdx.y * span, last = min(g.m, first + span);
    T tile;
    Along<P, T::ROWS> a(dy, row0, rows, g.m);
    if constexpr (K == 1)
        accumulate<P>(tile, a, Along<P, T::COLS>(x, col0, cols, g.m), first, last);
    else
        accumulate<P>(tile, a, Shifted<P, T::COLS>(x, col0, cols, g), first, last);
    results(tile, rows, cols, Add, nullptr, dw, part);
}

#define WEIGHT(NAME, PRECISION, TILE, K)                                                                                       \
    KERNEL(256, 2)                                                                                                             \
    conv_##NAME(int rows, int cols, int m, int h, int width, int span, const float *x, const float *dy, float *dw,             \
                float *part) {                                                                                                 \
        weight<PRECISION, TILE, K>(rows, cols, {m, h, width}, span, x, dy, dw, part);                                          \
    }

// In 3x3 weight, Slim stands for few rows and Tall for the rest, as in conv.cu.
using Slim = Tile<32, 256, 32, 32>;

#define ALL(SUFFIX, PRECISION)                                 \
    CONV(forward1_big_##SUFFIX, PRECISION, Big, 1, false)      \
    CONV(forward1_flat_##SUFFIX, PRECISION, Flat, 1, false)    \
    CONV(forward1_strip_##SUFFIX, PRECISION, Strip, 1, false)  \
    CONV(forward3_big_##SUFFIX, PRECISION, Big, 3, false)      \
    CONV(forward3_flat_##SUFFIX, PRECISION, Flat, 3, false)    \
    CONV(forward3_strip_##SUFFIX, PRECISION, Strip, 3, false)  \
    CONV(data1_big_##SUFFIX, PRECISION, Big, 1, true)          \
    CONV(data1_flat_##SUFFIX, PRECISION, Flat, 1, true)        \
    CONV(data1_strip_##SUFFIX, PRECISION, Strip, 1, true)      \
    CONV(data3_big_##SUFFIX, PRECISION, Big, 3, true)          \
    CONV(data3_flat_##SUFFIX, PRECISION, Flat, 3, true)        \
    CONV(data3_strip_##SUFFIX, PRECISION, Strip, 3, true)      \
    WEIGHT(weight1_big_##SUFFIX, PRECISION, Big, 1)            \
    WEIGHT(weight1_tall_##SUFFIX, PRECISION, Tall, 1)          \
    WEIGHT(weight1_strip_##SUFFIX, PRECISION, Strip, 1)        \
    WEIGHT(weight3_tall_##SUFFIX, PRECISION, Tall, 3)          \
    WEIGHT(weight3_slim_##SUFFIX, PRECISION, Slim, 3)

ALL(tf32, TF32)
ALL(bf16, BF16)
