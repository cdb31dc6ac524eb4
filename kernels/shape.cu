// Moves: squeeze, checkerboards, permutations of channels, pixels to channels and back. Each element is read once and written
// once, and no bit of it changes.
#include "rows.cuh"

// permute: y[c,m] = x[perm[c],m]. Launch: rows(c, m).
KERNEL(256, 4) permute(int m, int span, int tiles, const float *perm, const float *x, float *y) {
    Part r = part_of(m, span, tiles);
    x += r.start + ((i64)perm[r.c] - r.c) * m, y += r.start;
    quads(r.count, threadIdx.x, blockDim.x, aligned(x) && aligned(y),
          [&](auto way, i64 i, int count) { store(way, y + i, load(way, x + i, count), count); });
}

// unzip and zip move between a line of an image and two lines of half its width, its even and its odd pixels:
// a[2j] <-> even[j], a[2j+1] <-> odd[j]. A thread moves 4 pixels, or 2 where a line does not divide by 4.
struct Lines { float *a, *even, *odd; };

template <bool ZIP> __device__ __forceinline__ void move_line(Lines l, int j, bool wide) {
    if (wide) {
        float4 *a = (float4 *)(l.a + 4 * j);
        float2 *even = (float2 *)(l.even + 2 * j), *odd = (float2 *)(l.odd + 2 * j);
        if (ZIP) {
            float2 e = *even, o = *odd;
            *a = make_float4(e.x, o.x, e.y, o.y);
        } else {
            float4 q = *a;
            *even = make_float2(q.x, q.z), *odd = make_float2(q.y, q.w);
        }
    } else if (ZIP) {
        l.a[2 * j] = l.even[j], l.a[2 * j + 1] = l.odd[j];
    } else {
        l.even[j] = l.a[2 * j], l.odd[j] = l.a[2 * j + 1];
    }
}

// lines calls move_line for every line of x [C][N][H][W]; place(c, n, i) says where its halves are.
template <bool ZIP, class F>
__device__ __forceinline__ void lines(int c, int n, int h, int w, bool wide, float *x, F place) {
    wide = wide && w % 4 == 0;
    int moves = wide ? w / 4 : w / 2;
    u32 item = blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= (u32)c * n * h * moves) return;
    u32 line = item / moves;
    Lines l = place(line / h / n, line / h % n, line % h);
    l.a = x + (i64)line * w;
    move_line<ZIP>(l, item % moves, wide);
}

// squeezed is where the halves of line i of channel c lie: y[4c+2u+v, n, i', j] = x[c, n, 2i'+u, 2j+v].
__device__ __forceinline__ Lines squeezed(int n, int h, int w, float *y, int c, int s, int i) {
    i64 plane = (i64)h / 2 * (w / 2);
    float *even = y + ((4 * (i64)c + i % 2 * 2) * n + s) * plane + (i64)i / 2 * (w / 2);
    return {nullptr, even, even + n * plane};
}

// squeeze: x [C][N][H][W], H and W even, to y [4C][N][H/2][W/2]. Launch: items(c*n*h*w/2), of which half is enough for lines
// that divide by 4.
KERNEL(256, 4) squeeze(int c, int n, int h, int w, float *x, float *y) {
    lines<false>(c, n, h, w, aligned(x) && aligned(y), x, [=](int k, int s, int i) { return squeezed(n, h, w, y, k, s, i); });
}

// unsqueeze: y [4C][N][H/2][W/2] to x [C][N][H][W]. Launch: as squeeze.
KERNEL(256, 4) unsqueeze(int c, int n, int h, int w, float *y, float *x) {
    lines<true>(c, n, h, w, aligned(x) && aligned(y), x, [=](int k, int s, int i) { return squeezed(n, h, w, y, k, s, i); });
}

// packed is where the halves of line i of channel c lie, with the colour of pixel (i, j) = (i+j+parity)%2:
// y[c,n,i,j] = x[c,n,i,2j+(i+parity)%2], y[C+c,n,i,j] = x[c,n,i,2j+(i+parity+1)%2].
__device__ __forceinline__ Lines packed(int c, int n, int h, int w, int parity, float *y, int k, int s, int i) {
    float *first = y + (((i64)k * n + s) * h + i) * (w / 2), *second = first + (i64)c * n * h * (w / 2);
    bool odd = (i + parity) % 2;
    return {nullptr, odd ? second : first, odd ? first : second};
}

// checker_pack: x [C][N][H][W], W even, to y [2C][N][H][W/2]. Launch: as squeeze.
KERNEL(256, 4) checker_pack(int c, int n, int h, int w, int parity, float *x, float *y) {
    lines<false>(c, n, h, w, aligned(x) && aligned(y), x,
                 [=](int k, int s, int i) { return packed(c, n, h, w, parity, y, k, s, i); });
}

// checker_unpack: y [2C][N][H][W/2] to x [C][N][H][W]. Launch: as squeeze.
KERNEL(256, 4) checker_unpack(int c, int n, int h, int w, int parity, float *y, float *x) {
    lines<true>(c, n, h, w, aligned(x) && aligned(y), x,
                [=](int k, int s, int i) { return packed(c, n, h, w, parity, y, k, s, i); });
}

// transpose: y[k,j,i] = x[k,i,j], x [count][rows][cols]: Flatten with rows = N and cols = P, Unflatten with rows = P, cols = N.
// A block turns a tile of 32x32, whose rows in shared memory are a word apart from a multiple of the banks.
// Launch: count*ceil(rows/32)*ceil(cols/32) blocks of 256.
KERNEL(256, 4) transpose(int rows, int cols, const float *x, float *y) {
    __shared__ float tile[32][33];
    u32 down = (rows + 31) / 32, across = (cols + 31) / 32;
    int i0 = blockIdx.x / across % down * 32, j0 = blockIdx.x % across * 32, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    i64 start = (i64)(blockIdx.x / across / down) * rows * cols;
    x += start, y += start;
    for (int i = warp; i < 32; i += 8)
        if (i0 + i < rows && j0 + lane < cols) tile[i][lane] = x[(i64)(i0 + i) * cols + j0 + lane];
    __syncthreads();
    for (int j = warp; j < 32; j += 8)
        if (j0 + j < cols && i0 + lane < rows) y[(i64)(j0 + j) * rows + i0 + lane] = tile[lane][j];
}
