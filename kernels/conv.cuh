// What the convolutions of conv.cu and tensor.cu share: where an operand's elements lie, how a slab of them reaches shared memory,
// how a result is finished.
//
// A product is summed slab by slab: DEPTH steps of the sum by SIZE rows (of a) or columns (of b). A slab type says at which word
// of shared memory step k of row or column i lies:
//
//	DEPTH, SIZE, THREADS, WORDS   constants; THREADS fill the slab together
//	place(k, i)
//
// An operand says what a thread fetches of the slabs, which come in order:
//
//	COUNT, WIDTH                  COUNT accesses of WIDTH neighbouring elements (4 or 1)
//	wide                          whether all of WIDTH 4 are on 16-byte boundaries
//	each(k0, end, f)              f(s, to, from, count): access s brings `count` elements (0 to WIDTH) at `from` to words
//	                              to, to+STEP, ... of the slab of steps k0 .., and 0 to the rest; where count is 0, from points
//	                              nowhere. Steps from `end` on count as 0
//	next()                        go on to the next slab
#pragma once
#include "common.cuh"

// Image is where columns lie: M = n*p of them, p = h*w to a sample.
struct Image { int m, h, w; };

// taps_at has bit t set where tap t of pixel (i, j) lies within the image.
__device__ __forceinline__ u32 taps_at(Image g, int i, int j) {
    u32 across = (j > 0 ? 1 : 0) | 2 | (j + 1 < g.w ? 4 : 0);
    return (i > 0 ? across : 0) | across << 3 | (i + 1 < g.h ? across << 6 : 0);
}

// taps_inside is taps_at of column col, and 0 beyond the last.
__device__ __forceinline__ u32 taps_inside(Image g, int col) {
    if (col >= g.m) return 0;
    u32 pixel = (u32)col % (u32)(g.h * g.w);
    return taps_at(g, pixel / g.w, pixel % g.w);
}

__device__ __forceinline__ int clamped(int v, int most) { return v < 0 ? 0 : v < most ? v : most; }

constexpr int shared_out(int accesses, int threads) { return (accesses + threads - 1) / threads; }

// Across is a matrix [end][size] whose memory runs across the sum. A thread takes quads of columns.
template <class S> struct Across {
    static constexpr int WIDTH = 4, STEP = 1, QUADS = S::DEPTH * S::SIZE / 4, COUNT = shared_out(QUADS, S::THREADS);
    static constexpr int PER = S::THREADS / (S::SIZE / 4); // steps between two accesses
    const float *from;
    int size, count;
    bool wide;
    __device__ Across(const float *b, int col, int size, int first) : size(size), wide(size % 4 == 0 && aligned(b)) {
        int e = threadIdx.x, i = col + e % (S::SIZE / 4) * 4;
        count = clamped(size - i, 4);
        from = b + (i64)(first + e / (S::SIZE / 4)) * size + i;
    }
    __device__ __forceinline__ void next() { from += (i64)S::DEPTH * size; }
    template <class F> __device__ __forceinline__ void each(int k0, int end, F f) {
#pragma unroll
        for (int s = 0; s < COUNT; s++) {
            int k = threadIdx.x / (S::SIZE / 4) + PER * s, i = threadIdx.x % (S::SIZE / 4) * 4;
            if (QUADS % S::THREADS && k >= S::DEPTH) continue;
            f(s, S::place(k, i), from + (i64)(PER * s) * size, k0 + k < end ? count : 0);
        }
    }
};

// Along is a matrix [rows][end] whose memory runs along the sum. A thread takes quads of steps.
template <class S> struct Along {
    static constexpr int WIDTH = 4, STEP = S::STEP, QUADS = S::DEPTH / 4 * S::SIZE, COUNT = shared_out(QUADS, S::THREADS);
    static constexpr int PER = S::THREADS / (S::DEPTH / 4); // rows between two accesses
    const float *from;
    int left, stride; // rows from the thread's first one on
    bool wide;
    __device__ Along(const float *a, int row, int rows, int stride, int first) : stride(stride), wide(stride % 4 == 0 && aligned(a)) {
        row += threadIdx.x / (S::DEPTH / 4);
        left = rows - row;
        from = a + (i64)row * stride + first + threadIdx.x % (S::DEPTH / 4) * 4;
    }
    __device__ __forceinline__ void next() { from += S::DEPTH; }
    template <class F> __device__ __forceinline__ void each(int k0, int end, F f) {
        int k = threadIdx.x % (S::DEPTH / 4) * 4, count = clamped(end - k0 - k, 4);
#pragma unroll
        for (int s = 0; s < COUNT; s++) {
            int i = threadIdx.x / (S::DEPTH / 4) + PER * s;
            if (QUADS % S::THREADS && i >= S::SIZE) continue;
            f(s, S::place(k, i), from + (i64)(PER * s) * stride, PER * s < left ? count : 0);
        }
    }
};

// Turning is Along by single elements, for slabs where the steps of a row are no neighbours: DEPTH lanes are neighbours in memory.
template <class S> struct Turning {
    static constexpr int WIDTH = 1, STEP = 1, WORDS = S::DEPTH * S::SIZE, COUNT = shared_out(WORDS, S::THREADS);
    static constexpr int PER = S::THREADS / S::DEPTH;
    static constexpr bool wide = false;
    const float *from;
    int left, stride;
    __device__ Turning(const float *a, int row, int rows, int stride, int first) : stride(stride) {
        row += threadIdx.x / S::DEPTH;
        left = rows - row;
        from = a + (i64)row * stride + first + threadIdx.x % S::DEPTH;
    }
    __device__ __forceinline__ void next() { from += S::DEPTH; }
    template <class F> __device__ __forceinline__ void each(int k0, int end, F f) {
        int k = threadIdx.x % S::DEPTH;
#pragma unroll
        for (int s = 0; s < COUNT; s++) {
            int i = threadIdx.x / S::DEPTH + PER * s;
            if (WORDS % S::THREADS && i >= S::SIZE) continue;
            f(s, S::place(k, i), from + (i64)(PER * s) * stride, PER * s < left && k0 + k < end);
        }
    }
};

// Unfolded is b of a 3x3 convolution for forward and data: steps (c,t) of SIZE columns. A thread stays on its column and takes
// neighbouring steps. A tap is a pixel off a 16-byte boundary: elements move one by one.
template <class S> struct Unfolded {
    static constexpr int WIDTH = 1, STEP = 1, COUNT = S::DEPTH * S::SIZE / S::THREADS;
    static_assert(S::DEPTH * S::SIZE % S::THREADS == 0 && S::THREADS % S::SIZE == 0, "a thread has a column");
    static constexpr bool wide = false;
    const float *x; // at tap 0 of the column
    Image g;
    u32 inside;
    __device__ Unfolded(const float *x, int col, Image g)
        : x(x + col + threadIdx.x % S::SIZE - g.w - 1), g(g), inside(taps_inside(g, col + threadIdx.x % S::SIZE)) {}
    __device__ __forceinline__ void next() {}
    template <class F> __device__ __forceinline__ void each(int k0, int end, F f) {
#pragma unroll
        for (int s = 0; s < COUNT; s++) {
            int j = threadIdx.x / S::SIZE * COUNT + s;
            u32 k = k0 + j, c = k / 9, t = k % 9;
            f(s, S::place(j, threadIdx.x % S::SIZE), x + ((i64)c * g.m + (t / 3 * g.w + t % 3)), k < end && (inside >> t & 1));
        }
    }
};

// Shifted is b of a 3x3 convolution for weight: columns of SIZE rows (c,t). DEPTH lanes are neighbours in memory. Slabs come in
// order, so that a thread's pixel moves on by DEPTH without a division.
template <class S> struct Shifted {
    static constexpr int WIDTH = 1, STEP = 1, COUNT = S::DEPTH * S::SIZE / S::THREADS;
    static_assert(S::DEPTH * S::SIZE % S::THREADS == 0, "all threads have as much to do");
    static constexpr bool wide = false;
    const float *x; // at tap 0
    int row, rows;
    Image g;
    int i, j, down, across; // where the thread's column is, and how far it moves
    __device__ Shifted(const float *x, int row, int rows, Image g, int first)
        : x(x - g.w - 1), row(row), rows(rows), g(g) {
        int pixel = (first + threadIdx.x % S::DEPTH) % (g.h * g.w), step = S::DEPTH % (g.h * g.w);
        i = pixel / g.w, j = pixel % g.w, down = step / g.w, across = step % g.w;
    }
    __device__ __forceinline__ void next() {
        i += down, j += across;
        if (j >= g.w) j -= g.w, i++;
        if (i >= g.h) i -= g.h;
    }
    template <class F> __device__ __forceinline__ void each(int k0, int end, F f) {
        int col = k0 + threadIdx.x % S::DEPTH;
        u32 inside = col < end ? taps_at(g, i, j) : 0;
#pragma unroll
        for (int s = 0; s < COUNT; s++) {
            int at = threadIdx.x / S::DEPTH + S::THREADS / S::DEPTH * s;
            u32 r = row + at, c = r / 9, t = r % 9;
            f(s, S::place(threadIdx.x % S::DEPTH, at), x + ((i64)c * g.m + col + (t / 3 * g.w + t % 3)), r < rows && (inside >> t & 1));
        }
    }
};

// Flipped is a of a 3x3 convolution for data: steps (o,t) of SIZE channels. DEPTH lanes are near each other in memory.
template <class S> struct Flipped {
    static constexpr int WIDTH = 1, STEP = 1, COUNT = S::DEPTH * S::SIZE / S::THREADS;
    static_assert(S::DEPTH * S::SIZE % S::THREADS == 0, "all threads have as much to do");
    static constexpr bool wide = false;
    const float *w;
    int row, cin;
    __device__ Flipped(const float *w, int row, int cin) : w(w), row(row), cin(cin) {}
    __device__ __forceinline__ void next() {}
    template <class F> __device__ __forceinline__ void each(int k0, int end, F f) {
        u32 k = k0 + threadIdx.x % S::DEPTH, o = k / 9, t = k % 9;
        const float *from = w + ((i64)o * cin + row) * 9 + 8 - t;
#pragma unroll
        for (int s = 0; s < COUNT; s++) {
            int i = threadIdx.x / S::DEPTH + S::THREADS / S::DEPTH * s;
            f(s, S::place(threadIdx.x % S::DEPTH, i), from + 9 * i, k < end && row + i < cin);
        }
    }
};

#if __CUDA_ARCH__ >= 800

// Copies from global to shared memory that pass by the registers and are waited for in groups. `bytes` come from memory, the rest
// is 0. Whole quads go past the first cache too: no other thread of the block reads them.
__device__ __forceinline__ void copy_quad(u32 to, const float *from, int bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(__cvta_generic_to_global(from)), "r"(bytes) : "memory");
}

__device__ __forceinline__ void copy_word(u32 to, const float *from, int bytes) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(__cvta_generic_to_global(from)), "r"(bytes) : "memory");
}

__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int LATEST> __device__ __forceinline__ void wait_but() { asm volatile("cp.async.wait_group %0;" ::"n"(LATEST) : "memory"); }

// fetch begins to copy a slab. Quads off the boundary go word by word, each quarter of the warp at another word, so that all 32
// banks are written.
template <class O> __device__ __forceinline__ void fetch(O &o, const float *slab, int k0, int end) {
    u32 base = (u32)__cvta_generic_to_shared(slab);
    o.each(k0, end, [&](int, int to, const float *from, int count) {
        if constexpr (O::WIDTH == 1) {
            copy_word(base + 4 * to, from, 4 * count);
        } else if (o.wide) {
            copy_quad(base + 4 * to, from, 4 * count);
        } else {
#pragma unroll 1
            for (int d = 0; d < 4; d++) {
                int e = d + threadIdx.x / 8 & 3;
                copy_word(base + 4 * (to + e), from + e, e < count ? 4 : 0);
            }
        }
    });
    o.next();
}

// accumulate calls use(as, bs) for all slabs of the sum over [first, last). STAGES slabs of each operand are in shared memory: one
// is used while the others are on their way.
template <int STAGES, class SA, class SB, class A, class B, class F>
__device__ __forceinline__ void accumulate(A a, B b, int first, int last, F use) {
    static_assert(SA::DEPTH == SB::DEPTH && SA::THREADS == SB::THREADS, "slabs of one product");
    __shared__ __align__(16) float as[STAGES][SA::WORDS], bs[STAGES][SB::WORDS];
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        int k = first + s * SA::DEPTH;
        if (k < last) fetch(a, as[s], k, last), fetch(b, bs[s], k, last);
        commit();
    }
    int now = 0, next = STAGES - 1;
    for (int k = first; k < last; k += SA::DEPTH) {
        wait_but<STAGES - 2>(); // this thread's part of the slab is there
        __syncthreads();        // all parts of it are, and nobody reads the slab before it any more
        int ahead = k + (STAGES - 1) * SA::DEPTH;
        if (ahead < last) fetch(a, as[next], ahead, last), fetch(b, bs[next], ahead, last);
        commit(); // of nothing at the end, so that the count stays right
        use(as[now], bs[now]);
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
    }
}

#else

// Held is an operand whose slab waits in registers (get) until its place in shared memory is free (put).
template <class O> struct Held {
    O o;
    Quad q[(O::COUNT + 4 / O::WIDTH - 1) / (4 / O::WIDTH)];
    __device__ Held(const O &o) : o(o) {}
    __device__ __forceinline__ void get(int k0, int end) {
        o.each(k0, end, [&](int s, int, const float *from, int count) {
            if constexpr (O::WIDTH == 1) {
                q[s / 4].v[s % 4] = count ? *from : 0;
            } else {
                q[s] = Quad();
                if (count) q[s] = o.wide && count == 4 ? load(Wide(), from, 4) : load(Narrow(), from, count);
            }
        });
        o.next();
    }
    __device__ __forceinline__ void put(float *slab) {
        o.each(0, 0, [&](int s, int to, const float *, int) {
            if constexpr (O::WIDTH == 1) {
                slab[to] = q[s / 4].v[s % 4];
            } else if constexpr (O::STEP == 1) {
                keep(slab + to, q[s]);
            } else {
#pragma unroll
                for (int d = 0; d < 4; d++) slab[to + d * O::STEP] = q[s].v[d];
            }
        });
    }
};

// accumulate calls use(as, bs) for all slabs of the sum over [first, last), of which two are in shared memory: one is used while
// the other is on its way through registers.
template <int, class SA, class SB, class A, class B, class F>
__device__ __forceinline__ void accumulate(A from_a, B from_b, int first, int last, F use) {
    __shared__ __align__(16) float as[2][SA::WORDS], bs[2][SB::WORDS];
    Held<A> a(from_a);
    Held<B> b(from_b);
    a.get(first, last), b.get(first, last);
    a.put(as[0]), b.put(bs[0]);
    __syncthreads();
    int now = 0;
    for (int k = first; k < last; k += SA::DEPTH) {
        bool more = k + SA::DEPTH < last;
        if (more) a.get(k + SA::DEPTH, last), b.get(k + SA::DEPTH, last);
        use(as[now], bs[now]);
        if (more) a.put(as[now ^ 1]), b.put(bs[now ^ 1]);
        __syncthreads();
        now ^= 1;
    }
}

#endif

// What is done with a result v at y[i].
enum Finish {
    Store,      // y = v, with the bias
    StoreReLU,  // y = max(0, v), with the bias
    Add,        // y += v
    Gate,       // y = y > 0 ? v : 0
};

__device__ __forceinline__ float finished(int how, float v, float old) {
    return how == StoreReLU ? (v < 0 ? 0 : v) : how == Add ? old + v : how == Gate ? (old > 0 ? v : 0) : v;
}

template <class Way>
__device__ __forceinline__ void finish(Way way, int how, float bias, Quad q, float *y, int count) {
    Quad old = {};
    if (how >= Add) old = load(way, y, count);
#pragma unroll
    for (int e = 0; e < 4; e++) q.v[e] = finished(how, q.v[e] + bias, old.v[e]);
    store(way, y, q, count);
}

// turned_place is where weight's result (row c, column (o,t)) of the turned product lies in dw [Cout][rows][9]: its taps run backwards.
__device__ __forceinline__ i64 turned_place(int rows, int c, int col) { return ((i64)(col / 9) * rows + c) * 9 + 8 - col % 9; }

// The numbers of thread and block once more. What is worked out from them after a long sum is then not kept in registers
// through it.
__device__ __forceinline__ u32 again_thread() {
    u32 v;
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(v));
    return v;
}

__device__ __forceinline__ u32 again_block() {
    u32 v;
    asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(v));
    return v;
}
