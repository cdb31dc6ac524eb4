// The channel mix: x[i,m] = b[i] + sum_j a[i,j]*x[j,m] for every pixel, in place; a [C][C], x [C][M], C at most 1024.
#include "common.cuh"

// mix keeps all C rows of `COLS` columns in shared memory, so that it may overwrite them in x. 128 threads compute 4x4 results
// each: ROWS rows at a time, whose part of a goes through shared memory COLS columns at a time. transposed mixes with a^T.
//
// at[k][r] = a[i0+r, k0+k], its rows 4 words longer than they are: so filling it by columns, 8 at a time, and reading 4 neighbours
// of a row touch each bank once.
template <int COLS>
__device__ __forceinline__ void mix(int c, int m, int transposed, const float *a, const float *b, float *x) {
    constexpr int ACROSS = COLS / 4, ROWS = 4 * 128 / ACROSS, DEPTH = COLS, LONG = ROWS + 4;
    extern __shared__ __align__(16) float shared[];
    float *at = shared, *xs = shared + DEPTH * LONG; // [DEPTH][LONG], [c][COLS]
    int lo = blockIdx.x * COLS, t = threadIdx.x, tx = t % ACROSS * 4, ty = t / ACROSS * 4;
    bool wide = m % 4 == 0 && aligned(x);
    for (int e = t; e < c * ACROSS; e += 128) {
        int row = e / ACROSS, col = e % ACROSS * 4, count = m - lo - col;
        Quad q = {};
        if (wide && count >= 4)
            q = load(Wide{}, x + (i64)row * m + lo + col, 4);
        else if (count > 0)
            q = load(Narrow{}, x + (i64)row * m + lo + col, count);
        keep(xs + row * COLS + col, q);
    }
    for (int i0 = 0; i0 < c; i0 += ROWS) {
        float sum[4][4];
#pragma unroll
        for (int r = 0; r < 4; r++) {
            float bias = b && i0 + ty + r < c ? b[i0 + ty + r] : 0;
#pragma unroll
            for (int e = 0; e < 4; e++) sum[r][e] = bias;
        }
        for (int k0 = 0; k0 < c; k0 += DEPTH) {
            __syncthreads();
            for (int e = t; e < DEPTH * ROWS; e += 128) {
                int k = transposed ? e / ROWS : e / (8 * ROWS) * 8 + e % 8;
                int r = transposed ? e % ROWS : e / 8 % ROWS;
                int i = i0 + r, j = k0 + k;
                at[k * LONG + r] = i < c && j < c ? a[transposed ? j * c + i : i * c + j] : 0;
            }
            __syncthreads();
            int depth = min(DEPTH, c - k0);
#pragma unroll 4
            for (int k = 0; k < depth; k++) {
                Quad q = load(Wide{}, xs + (k0 + k) * COLS + tx, 4), w = load(Wide{}, at + k * LONG + ty, 4);
#pragma unroll
                for (int r = 0; r < 4; r++)
#pragma unroll
                    for (int e = 0; e < 4; e++) sum[r][e] = fmaf(w.v[r], q.v[e], sum[r][e]);
            }
        }
        int count = m - lo - tx;
#pragma unroll
        for (int r = 0; r < 4; r++)
            if (i0 + ty + r < c && count > 0) {
                Quad q = {{sum[r][0], sum[r][1], sum[r][2], sum[r][3]}};
                float *y = x + (i64)(i0 + ty + r) * m + lo + tx;
                if (wide && count >= 4)
                    store(Wide{}, y, q, 4);
                else
                    store(Narrow{}, y, q, count);
            }
    }
}

// mix_64, mix_32, mix_16 and mix_8 are for C up to 128, 256, 512 and 1024. b is optional.
//
// Launch: mix(c, m): ceil(m/COLS) blocks of 128; dynamic shared memory 2048 + 4*COLS + c*COLS floats, at most 41 KiB.
#define MIX(COLS)                                                                                               \
    KERNEL(128, 4) mix_##COLS(int c, int m, int transposed, const float *a, const float *b, float *x) {         \
        mix<COLS>(c, m, transposed, a, b, x);                                                                   \
    }

MIX(64)
MIX(32)
MIX(16)
MIX(8)
