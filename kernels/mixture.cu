// A mixture of K Gaussians in D dimensions: x [D][N], means and logs [K][D], l [K][D(D-1)/2], responsibilities r and log-densities
// q [K][N]. Component k has the precision A^T A, A lower triangular with exp(logs) on the diagonal and l below, if there is l.
//
// Squares are taken of differences, (x-mean)*exp(logs): expanded, their terms would cancel. So they are no product of matrices, but
// they are tiled like one: a warp keeps 8 rows of 128 samples, a lane 4 samples, and parameters pass through shared memory.
#include "rows.cuh"

constexpr int samples = 128; // of a tile
constexpr int slab = 32;     // rows of a tile, and steps of the sum between two stages
constexpr int rows = 8;      // of a warp

// tile_sums sums over j in [first, last), for the rows and samples of a block's tile. read fills shared memory with two parameters for each
// row and step from j0 on; of(j, way, col, count) loads a quad of samples; f(v, a, b, row of the warp, sample of the quad, sum) adds a
// step to a sum; put(row, col, sums, wide, count) stores four of them.
template <class Read, class Of, class F, class Put>
__device__ __forceinline__ void tile_sums(int n, bool wide, int tiles, int rowCount, int first, int last, Read read, Of of, F f, Put put) {
    __shared__ float as[slab][slab + 1], bs[slab][slab + 1]; // [row][step]: filled by rows or by columns without conflict
    int lane = threadIdx.x & 31, mine = (threadIdx.x >> 5) * rows, row0 = blockIdx.x / tiles * slab;
    int col = blockIdx.x % tiles * samples + 4 * lane, count = min(4, n - col);
    wide = wide && n % 4 == 0;
    float sums[rows][4] = {};
    for (int j0 = first; j0 < last; j0 += slab) {
        int steps = min(slab, last - j0);
        __syncthreads();
        read(row0, j0, steps, as, bs);
        __syncthreads();
        if (count <= 0) continue;
        for (int j = 0; j < steps; j++) {
            Quad q = wide ? of(j0 + j, Wide{}, col, count) : of(j0 + j, Narrow{}, col, count);
#pragma unroll
            for (int c = 0; c < rows; c++) {
                float a = as[mine + c][j], b = bs[mine + c][j];
#pragma unroll
                for (int e = 0; e < 4; e++) sums[c][e] = f(q.v[e], a, b, c, e, sums[c][e]);
            }
        }
    }
    if (count <= 0) return;
#pragma unroll
    for (int c = 0; c < rows; c++)
        if (row0 + mine + c < rowCount) {
            Quad q = {sums[c][0], sums[c][1], sums[c][2], sums[c][3]};
            put(row0 + mine + c, col, q, wide, count);
        }
}

// mixture_squares: part[s,k,n] = sum_d ((x[d,n]-mean[k,d])*exp(logs[k,d]))^2 over the dimensions [s*span, (s+1)*span).
// Launch: mixture_tiles(k, d, n): 128 threads; grid (ceil(n/128)*ceil(k/32), ceil(d/span)). Scratch: part [grid.y][k][n].
KERNEL(128, 4)
mixture_squares(int k, int d, int n, int span, const float *mean, const float *logs, const float *x, float *part) {
    int first = blockIdx.y * span;
    part += (i64)blockIdx.y * k * n;
    tile_sums(
        n, aligned(x), (n + samples - 1) / samples, k, first, min(d, first + span),
        [&](int k0, int d0, int steps, auto &as, auto &bs) {
            for (int i = threadIdx.x; i < slab * slab; i += blockDim.x) {
                int row = i / slab, step = i % slab;
                bool inside = k0 + row < k && step < steps;
                i64 at = (i64)(k0 + row) * d + d0 + step;
                as[row][step] = inside ? mean[at] : 0;
                bs[row][step] = inside ? expf(logs[at]) : 0;
            }
        },
        [&](int j, auto way, int col, int count) { return load(way, x + (i64)j * n + col, count); },
        [](float v, float mean, float e, int, int, float sum) {
            float t = (v - mean) * e;
            return fmaf(t, t, sum);
        },
        [&](int row, int col, const Quad &q, bool wide, int count) {
            float *p = part + (i64)row * n + col;
            if (wide && aligned(p))
                store(Wide{}, p, q, 4);
            else
                store(Narrow{}, p, q, count);
        });
}

// mixture_finish: q[k,n] = sum_d (logs[k,d] - log(2 pi)/2) - sum_s part[s,k,n]/2. Launch: blocks(k).
KERNEL(128, 4) mixture_finish(int k, int d, int n, int splits, const float *logs, const float *part, float *q) {
    constexpr float halfLog2Pi = 0.918938533204672741780f;
    int row = blockIdx.x;
    float sum = 0;
    for (int i = threadIdx.x; i < d; i += blockDim.x) sum += logs[(i64)row * d + i] - halfLog2Pi;
    sum = block_sum(sum);
    part += (i64)row * n, q += (i64)row * n;
    quads(n, threadIdx.x, blockDim.x, aligned(part) && aligned(q) && n % 4 == 0, [&](auto way, i64 i, int count) {
        Quad all = {};
        for (int s = 0; s < splits; s++) {
            Quad one = load(way, part + (i64)s * k * n + i, count);
#pragma unroll
            for (int e = 0; e < 4; e++) all.v[e] += one.v[e];
        }
#pragma unroll
        for (int e = 0; e < 4; e++) all.v[e] = fmaf(-0.5f, all.v[e], sum);
        store(way, q + i, all, count);
    });
}

// mixture_dx: dx[d,n] = -dlp * sum_k r[k,n]*(x[d,n]-mean[k,d])*exp(2*logs[k,d]).
// Launch: mixture_slabs(d, n): 128 threads; grid ceil(n/128)*ceil(d/32).
KERNEL(128, 4)
mixture_dx(int k, int d, int n, float dlp, const float *mean, const float *logs, const float *r, const float *x, float *dx) {
    int tiles = (n + samples - 1) / samples, d0 = blockIdx.x / tiles * slab + (threadIdx.x >> 5) * rows;
    int col = blockIdx.x % tiles * samples + 4 * (threadIdx.x & 31), have = min(4, n - col);
    bool wide = aligned(x) && aligned(r) && aligned(dx);
    Quad xs[rows];
#pragma unroll
    for (int c = 0; c < rows; c++) {
        xs[c] = {};
        if (d0 + c < d && have > 0) {
            const float *p = x + (i64)(d0 + c) * n + col;
            xs[c] = wide && n % 4 == 0 ? load(Wide{}, p, 4) : load(Narrow{}, p, have);
        }
    }
    tile_sums(
        n, wide, tiles, d, 0, k,
        [&](int row0, int k0, int steps, auto &as, auto &bs) {
            for (int i = threadIdx.x; i < slab * slab; i += blockDim.x) {
                int row = i % slab, step = i / slab; // neighbours in memory are dimensions
                bool inside = row0 + row < d && step < steps;
                i64 at = (i64)(k0 + step) * d + row0 + row;
                as[row][step] = inside ? mean[at] : 0;
                bs[row][step] = inside ? expf(logs[at]) : 0;
            }
        },
        [&](int j, auto way, int col, int count) { return load(way, r + (i64)j * n + col, count); },
        [&](float v, float mean, float e, int c, int i, float sum) { return fmaf(v, (xs[c].v[i] - mean) * e * e, sum); },
        [&](int row, int col, Quad q, bool wide, int count) {
#pragma unroll
            for (int e = 0; e < 4; e++) q.v[e] *= -dlp;
            float *p = dx + (i64)row * n + col;
            if (wide)
                store(Wide{}, p, q, 4);
            else
                store(Narrow{}, p, q, count);
        });
}

// mixture_dparams: with t = (x[d,n]-mean[k,d])*exp(logs[k,d]),
//
//	dmean[k,d] += dlp * sum_n r[k,n]*t*exp(logs[k,d]);  dlogs[k,d] += dlp * sum_n r[k,n]*(1-t^2)
//
// A warp has 2 components by 4 dimensions, its lanes the samples. Launch: warps(ceil(k/2)*ceil(d/4)).
KERNEL(128, 4)
mixture_dparams(int k, int d, int n, float dlp, const float *mean, const float *logs, const float *r, const float *x, float *dmean,
                float *dlogs) {
    int across = (d + 3) / 4, item = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    int k0 = item / across * 2, d0 = item % across * 4;
    if (k0 >= k) return;
    float mu[2][4], e[2][4], s1[2][4] = {}, s2[2][4] = {};
#pragma unroll
    for (int a = 0; a < 2; a++)
#pragma unroll
        for (int b = 0; b < 4; b++) {
            i64 at = (i64)min(k0 + a, k - 1) * d + min(d0 + b, d - 1);
            mu[a][b] = mean[at], e[a][b] = expf(logs[at]);
        }
    quads(n, lane, 32, aligned(x) && aligned(r) && n % 4 == 0, [&](auto way, i64 i, int count) {
        Quad weight[2];
#pragma unroll
        for (int a = 0; a < 2; a++) weight[a] = load(way, r + (i64)min(k0 + a, k - 1) * n + i, count);
#pragma unroll
        for (int b = 0; b < 4; b++) {
            Quad v = load(way, x + (i64)min(d0 + b, d - 1) * n + i, count);
#pragma unroll
            for (int a = 0; a < 2; a++)
#pragma unroll
                for (int c = 0; c < 4; c++) {
                    float t = (v.v[c] - mu[a][b]) * e[a][b], g = weight[a].v[c] * t;
                    s1[a][b] += g;
                    s2[a][b] += fmaf(-g, t, weight[a].v[c]);
                }
        }
    });
#pragma unroll
    for (int a = 0; a < 2; a++)
#pragma unroll
        for (int b = 0; b < 4; b++) {
            float dm = warp_sum(s1[a][b]), dl = warp_sum(s2[a][b]);
            if (lane == 0 && k0 + a < k && d0 + b < d) {
                i64 at = (i64)(k0 + a) * d + d0 + b;
                dmean[at] += dlp * e[a][b] * dm;
                dlogs[at] += dlp * dl;
            }
        }
}

// log_total gives every lane log sum_k exp(logits[k]), the same in every warp.
__device__ __forceinline__ float log_total(int k, const float *logits) {
    int lane = threadIdx.x & 31;
    float top = logits[0], sum = 0;
    for (int i = lane; i < k; i += 32) top = fmaxf(top, logits[i]);
    for (int o = 16; o; o >>= 1) top = fmaxf(top, __shfl_xor_sync(allLanes, top, o));
    for (int i = lane; i < k; i += 32) sum += expf(logits[i] - top);
    return top + logf(warp_sum(sum));
}

// mixture_evidence: e = log sum_k pi[k]*exp(q[k,n]); logp[n] += e; q[k,n] becomes pi[k]*exp(q[k,n]-e). Log-densities are thousands of nats:
// they are compared with the greatest by themselves, the weights by themselves, so that differences are rounded as differences.
// Launch: items(n), a thread a sample.
KERNEL(256, 4) mixture_evidence(int k, int n, const float *logits, float *q, float *logp) {
    float whole = log_total(k, logits);
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    q += i;
    float q0 = q[0], w0 = logits[0];
    for (int c = 1; c < k; c++) {
        float v = q[(i64)c * n], w = logits[c];
        if ((v - q0) + (w - w0) > 0) q0 = v, w0 = w;
    }
    float sum = 0;
    for (int c = 0; c < k; c++) {
        float t = expf((q[(i64)c * n] - q0) + (logits[c] - w0));
        sum += t;
        q[(i64)c * n] = t;
    }
    for (int c = 0; c < k; c++) q[(i64)c * n] /= sum;
    logp[i] += q0 + (logf(sum) + (w0 - whole));
}

// mixture_dlogits: dlogits[k] += dlp * sum_n (r[k,n] - pi[k]). Launch: warps(k).
KERNEL(128, 4) mixture_dlogits(int k, int n, float dlp, const float *logits, const float *r, float *dlogits) {
    float whole = log_total(k, logits);
    int c = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (c >= k) return;
    r += (i64)c * n;
    float sum = 0;
    quads(n, lane, 32, aligned(r), [&](auto way, i64 i, int count) { sum += quad_sum(load(way, r + i, count)); });
    sum = warp_sum(sum);
    if (lane == 0) dlogits[c] += dlp * fmaf(-(float)n, expf(logits[c] - whole), sum);
}

// center: y[c,m] = x[c,m] - mean[c]. Launch: rows(c, m).
KERNEL(256, 4) center(int m, int span, int tiles, const float *mean, const float *x, float *y) {
    Part r = part_of(m, span, tiles);
    x += r.start, y += r.start;
    float mu = mean[r.c];
    quads(r.count, threadIdx.x, blockDim.x, aligned(x) && aligned(y), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] -= mu;
        store(way, y + i, q, count);
    });
}

// center_backward: dx[c,m] += dy[c,m]; dmean[c] -= sum_m dy[c,m]. Launch: rows(c, m).
// Scratch: part [c*tiles] where tiles > 1; then row_sums(c, tiles, 0, part, dmean) finishes.
KERNEL(256, 4) center_backward(int m, int span, int tiles, const float *dy, float *dx, float *dmean, float *part) {
    Part r = part_of(m, span, tiles);
    dy += r.start, dx += r.start;
    float sum = 0;
    quads(r.count, threadIdx.x, blockDim.x, aligned(dy) && aligned(dx), [&](auto way, i64 i, int count) {
        Quad g = load(way, dy + i, count), q = load(way, dx + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] += g.v[e];
        sum += quad_sum(g);
        store(way, dx + i, q, count);
    });
    sum = block_sum(sum);
    if (threadIdx.x) return;
    if (tiles == 1)
        dmean[r.c] -= sum;
    else
        part[blockIdx.x] = -sum;
}

// weigh: x[c,m] *= a*w[m]. Launch: rows(c, m).
KERNEL(256, 4) weigh(int m, int span, int tiles, float a, const float *w, float *x) {
    Part r = part_of(m, span, tiles);
    w += r.tile * span, x += r.start;
    quads(r.count, threadIdx.x, blockDim.x, aligned(w) && aligned(x), [&](auto way, i64 i, int count) {
        Quad v = load(way, w + i, count), q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] *= a * v.v[e];
        store(way, x + i, q, count);
    });
}

// triangle: a [d][d] has exp(logs) on the diagonal, l [d(d-1)/2] below, 0 above. Launch: blocks(d), a row each.
KERNEL(128, 4) triangle(int d, const float *logs, const float *l, float *a) {
    int i = blockIdx.x;
    l += (i64)i * (i - 1) / 2, a += (i64)i * d;
    for (int j = threadIdx.x; j < d; j += blockDim.x) a[j] = j < i ? l[j] : j == i ? expf(logs[i]) : 0;
}

// triangle_backward: dlogs[i] += da[i,i]*exp(logs[i]); dl += what lies below the diagonal of da. Launch: blocks(d).
KERNEL(128, 4) triangle_backward(int d, const float *logs, const float *da, float *dlogs, float *dl) {
    int i = blockIdx.x;
    dl += (i64)i * (i - 1) / 2, da += (i64)i * d;
    for (int j = threadIdx.x; j < i; j += blockDim.x) dl[j] += da[j];
    if (threadIdx.x == 0) dlogs[i] = fmaf(da[i], expf(logs[i]), dlogs[i]);
}

// mixture_pick: pick[n] = the first component with u[n] below the sum of the weights up to its own, or the last. Launch: items(n).
KERNEL(256, 4) mixture_pick(int k, int n, const float *logits, const float *u, float *pick) {
    float whole = log_total(k, logits);
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = u[i], sum = 0;
    int c = 0;
    for (; c < k - 1; c++) {
        sum += expf(logits[c] - whole);
        if (v < sum) break;
    }
    pick[i] = c;
}

// mixture_place: x[d,n] = mean[k,d] + x[d,n]*exp(-logs[k,d]), k = pick[n], in place. Launch: flat(4*d*n), a thread an element.
KERNEL(256, 4) mixture_place(int d, int n, const float *pick, const float *mean, const float *logs, float *x) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x, step = (i64)gridDim.x * blockDim.x;
    for (; i < (i64)d * n; i += step) {
        i64 at = (i64)pick[i % n] * d + i / n;
        x[i] = fmaf(x[i], expf(-logs[at]), mean[at]);
    }
}

// mixture_place_full: x becomes the y with A (y-mean[k]) = x, k = pick[n], in place: forward substitution, a sample by a warp, the known part of
// a row's sum by lanes. Launch: ceil(n/4) blocks of 128, dynamic shared memory 4*d floats.
KERNEL(128, 4)
mixture_place_full(int d, int n, const float *pick, const float *mean, const float *logs, const float *l, float *x) {
    extern __shared__ float solutions[];
    int lane = threadIdx.x & 31, i = blockIdx.x * 4 + (threadIdx.x >> 5);
    float *away = solutions + (threadIdx.x >> 5) * d; // y - mean
    if (i >= n) return;
    i64 k = (i64)pick[i];
    mean += k * d, logs += k * d, l += k * d * (d - 1) / 2;
    for (int row = 0; row < d; row++) {
        float sum = 0;
        for (int j = lane; j < row; j += 32) sum = fmaf(l[j], away[j], sum);
        sum = warp_sum(sum);
        if (lane == 0) {
            float y = (x[(i64)row * n + i] - sum) * expf(-logs[row]);
            away[row] = y;
            x[(i64)row * n + i] = mean[row] + y;
        }
        __syncwarp();
        l += row;
    }
}

// at_most: x = min(x, bound); NaN stays. Launch: flat(n).
KERNEL(256, 4) at_most(i64 n, float bound, float *x) {
    flat(n, aligned(x), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] = q.v[e] > bound ? bound : q.v[e];
        store(way, x + i, q, count);
    });
}
