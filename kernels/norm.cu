// Batch normalisation, of the flow itself (Dinh, Sohl-Dickstein, Bengio, "Density estimation using Real NVP", 2017) and inside
// conditioners, the statistics that it and actnorm start from, weight normalisation (Salimans and Kingma, 2016), and the folding of
// an actnorm into the weights before it.
#include "stats.cuh"

// row_total: part[c*tiles+t] = sum over the part of row c of x; row_sums adds them up. Launch: rows(c, m).
KERNEL(256, 4) row_total(int m, int span, int tiles, const float *x, float *part) {
    Part r = part_of(m, span, tiles);
    x += r.start;
    float sum = 0;
    quads(r.count, threadIdx.x, blockDim.x, aligned(x), [&](auto way, i64 i, int count) { sum += quad_sum(load(way, x + i, count)); });
    sum = block_sum(sum);
    if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

// row_parts leaves, of part t of row c of x, part[0,c,t] = sum of the differences from the row's first element, and part[1,c,t] = sum of
// their squares about their own mean. A thread holds its up to 16 elements meanwhile. Launch: rows(c, m); scratch: part
// [2][C][tiles].
KERNEL(256, 4) row_parts(int c, int m, int span, int tiles, const float *x, float *part) {
    Part r = part_of(m, span, tiles);
    float first = x[(i64)r.c * m], sum = 0, squares = 0;
    x += r.start;
    bool wide = aligned(x);
    Quad held[4];
#pragma unroll
    for (int s = 0; s < 4; s++) {
        int i = 4 * (threadIdx.x + s * blockDim.x), count = r.count - i;
        if (count <= 0) break;
        held[s] = wide && count >= 4 ? load(Wide{}, x + i, 4) : load(Narrow{}, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) held[s].v[e] = e < count ? held[s].v[e] - first : 0;
        sum += quad_sum(held[s]);
    }
    sum = block_sum(sum);
    float mean = sum / r.count;
#pragma unroll
    for (int s = 0; s < 4; s++) {
        int count = r.count - 4 * (threadIdx.x + s * blockDim.x);
        if (count <= 0) break;
#pragma unroll
        for (int e = 0; e < 4; e++) held[s].v[e] = e < count ? (held[s].v[e] - mean) * (held[s].v[e] - mean) : 0;
        squares += quad_sum(held[s]);
    }
    squares = block_sum(squares);
    if (threadIdx.x == 0) part[blockIdx.x] = sum, part[(i64)c * tiles + blockIdx.x] = squares;
}

// channel_stats: mean[r] and variance[r] of each row, from row_parts. Launch: warps(rows).
KERNEL(128, 4)
channel_stats(int rows, int m, int span, int tiles, const float *x, const float *part, float *mean, float *variance) {
    row_moments(rows, m, span, tiles, x, part, [&](int r, Moments s) { mean[r] = s.mean, variance[r] = s.variance; });
}

// batch_norm_fold: b[c] = -mean[c]; logs[c] = -log(variance[c]+eps)/2: batch normalisation as an actnorm. Launch: items(c).
KERNEL(256, 4) batch_norm_fold(int c, float eps, const float *mean, const float *variance, float *logs, float *b) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= c) return;
    b[i] = -mean[i];
    logs[i] = -0.5f * logf(variance[i] + eps);
}

// batch_norm_scale: scale[c] = gamma[c]/sqrt(variance[c]+eps); shift[c] = beta[c] - mean[c]*scale[c]. Launch: items(c).
KERNEL(256, 4)
batch_norm_scale(int c, float eps, const float *mean, const float *variance, const float *gamma, const float *beta, float *scale,
                 float *shift) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= c) return;
    float k = gamma[i] / sqrtf(variance[i] + eps);
    scale[i] = k;
    shift[i] = fmaf(-mean[i], k, beta[i]);
}

// batch_norm_backward: dx[c,m] += share/M * (dmean + 2*dvar*(x[c,m]-mean[c])), the part of the gradient that flows through the
// batch's own statistics; dmean = -db[c], dvar = -dlogs[c]/(2*(variance[c]+eps)). Launch: rows(c, m).
KERNEL(256, 4)
batch_norm_backward(int m, int span, int tiles, float share, float eps, const float *mean, const float *variance,
                    const float *dlogs, const float *db, const float *x, float *dx) {
    Part r = part_of(m, span, tiles);
    x += r.start, dx += r.start;
    float k = share / m, mu = mean[r.c], a = -k * db[r.c], b = -k * dlogs[r.c] / (variance[r.c] + eps);
    quads(r.count, threadIdx.x, blockDim.x, aligned(x) && aligned(dx), [&](auto way, i64 i, int count) {
        Quad qx = load(way, x + i, count), qd = load(way, dx + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) qd.v[e] += fmaf(b, qx.v[e] - mu, a);
        store(way, dx + i, qd, count);
    });
}

// affine_act: y[c,m] = act(scale[c]*x[c,m] + shift[c]), act = ReLU where relu is not 0. Launch: rows(c, m).
KERNEL(256, 4)
affine_act(int m, int span, int tiles, int relu, const float *scale, const float *shift, const float *x, float *y) {
    Part r = part_of(m, span, tiles);
    x += r.start, y += r.start;
    float k = scale[r.c], s = shift[r.c];
    quads(r.count, threadIdx.x, blockDim.x, aligned(x) && aligned(y), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float v = fmaf(k, q.v[e], s);
            q.v[e] = relu && v < 0 ? 0 : v;
        }
        store(way, y + i, q, count);
    });
}

// batch_norm_act_sums is the first pass back through affine_act and batch_norm_scale, with g = dy*act'(y) and
// xh = (x-mean[c])/sqrt(variance[c]+eps): part[0,c,t] = sum g, part[1,c,t] = sum g*xh. Launch: rows(c, m); scratch: part
// [2][C][tiles].
KERNEL(256, 4)
batch_norm_act_sums(int c, int m, int span, int tiles, int relu, float eps, const float *mean, const float *variance,
                    const float *x, const float *y, const float *dy, float *part) {
    Part r = part_of(m, span, tiles);
    x += r.start, y += r.start, dy += r.start;
    float mu = mean[r.c], istd = 1 / sqrtf(variance[r.c] + eps), s0 = 0, s1 = 0;
    quads(r.count, threadIdx.x, blockDim.x, aligned(x) && aligned(y) && aligned(dy), [&](auto way, i64 i, int count) {
        Quad g = load(way, dy + i, count), qy = load(way, y + i, count), qx = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            if (relu && !(qy.v[e] > 0)) g.v[e] = 0; // 0 beyond count too: dy is
            qx.v[e] = g.v[e] * ((qx.v[e] - mu) * istd);
        }
        s0 += quad_sum(g), s1 += quad_sum(qx);
    });
    s0 = block_sum(s0), s1 = block_sum(s1);
    if (threadIdx.x == 0) part[blockIdx.x] = s0, part[(i64)c * tiles + blockIdx.x] = s1;
}

// batch_norm_act_backward is the second pass: each block adds up its row's parts, and
//
//	dgamma[c] += sum g*xh;  dbeta[c] += sum g;  dy = gamma[c]*istd*(g - mean_m g - xh*mean_m(g*xh)), in place
//
// Launch: rows(c, m).
KERNEL(256, 4)
batch_norm_act_backward(int c, int m, int span, int tiles, int relu, float eps, const float *mean, const float *variance,
                        const float *gamma, const float *x, const float *y, float *dy, float *dgamma, float *dbeta,
                        const float *part) {
    Part r = part_of(m, span, tiles);
    x += r.start, y += r.start, dy += r.start;
    float s0 = 0, s1 = 0;
    for (int t = threadIdx.x; t < tiles; t += blockDim.x) {
        s0 += part[(i64)r.c * tiles + t];
        s1 += part[((i64)c + r.c) * tiles + t];
    }
    s0 = block_sum(s0), s1 = block_sum(s1);
    if (r.tile == 0 && threadIdx.x == 0) dbeta[r.c] += s0, dgamma[r.c] += s1;
    s0 /= m, s1 /= m;
    float mu = mean[r.c], istd = 1 / sqrtf(variance[r.c] + eps), k = gamma[r.c] * istd;
    quads(r.count, threadIdx.x, blockDim.x, aligned(x) && aligned(y) && aligned(dy), [&](auto way, i64 i, int count) {
        Quad g = load(way, dy + i, count), qy = load(way, y + i, count), qx = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            if (relu && !(qy.v[e] > 0)) g.v[e] = 0;
            g.v[e] = k * (g.v[e] - s0 - (qx.v[e] - mu) * istd * s1);
        }
        store(way, dy + i, g, count);
    });
}

// A row of weights is a block's: a quad of it a thread at a time. along calls f(way, j, count) for the quads of n elements.
template <class F> __device__ __forceinline__ void along(int n, bool wide, F f) { quads(n, threadIdx.x, blockDim.x, wide, f); }

// row_dot gives every thread of the block sum_j a[j]*b[j].
__device__ __forceinline__ float row_dot(int n, const float *a, const float *b) {
    float sum = 0;
    along(n, aligned(a) && aligned(b), [&](auto way, i64 j, int count) {
        Quad p = load(way, a + j, count), q = load(way, b + j, count); // 0 beyond count
#pragma unroll
        for (int e = 0; e < 4; e++) sum = fmaf(p.v[e], q.v[e], sum);
    });
    return block_sum(sum);
}

// weight_norm: w[i,j] = g[i]*v[i,j]/|v[i,:]|. Launch: a block of 128 a row.
KERNEL(128, 4) weight_norm(int cols, const float *g, const float *v, float *w) {
    v += (i64)blockIdx.x * cols, w += (i64)blockIdx.x * cols;
    float k = g[blockIdx.x] / sqrtf(row_dot(cols, v, v));
    along(cols, aligned(v) && aligned(w), [&](auto way, i64 j, int count) {
        Quad q = load(way, v + j, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] *= k;
        store(way, w + j, q, count);
    });
}

// weight_norm_backward: with u = v[i,:]/|v[i,:]|: dg[i] += dw[i,:].u; dv[i,:] += g[i]/|v[i,:]| * (dw[i,:] - (dw[i,:].u) u).
// Launch: a block of 128 a row.
KERNEL(128, 4) weight_norm_backward(int cols, const float *g, const float *v, const float *dw, float *dv, float *dg) {
    i64 start = (i64)blockIdx.x * cols;
    v += start, dw += start, dv += start;
    float inv = 1 / sqrtf(row_dot(cols, v, v)), share = row_dot(cols, dw, v) * inv, k = g[blockIdx.x] * inv;
    along(cols, aligned(v) && aligned(dw) && aligned(dv), [&](auto way, i64 j, int count) {
        Quad qv = load(way, v + j, count), qw = load(way, dw + j, count), qd = load(way, dv + j, count);
#pragma unroll
        for (int e = 0; e < 4; e++) qd.v[e] = fmaf(k, qw.v[e] - share * (qv.v[e] * inv), qd.v[e]);
        store(way, dv + j, qd, count);
    });
    if (threadIdx.x == 0) dg[blockIdx.x] += share;
}

// row_scale folds an actnorm that follows a convolution into its weights: wf[i,j] = exp(logs[i])*w[i,j];
// bf[i] = exp(logs[i])*b[i]. Launch: a block of 128 a row.
KERNEL(128, 4) row_scale(int cols, const float *logs, const float *w, const float *b, float *wf, float *bf) {
    int i = blockIdx.x;
    float k = expf(logs[i]);
    w += (i64)i * cols, wf += (i64)i * cols;
    along(cols, aligned(w) && aligned(wf), [&](auto way, i64 j, int count) {
        Quad q = load(way, w + j, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] *= k;
        store(way, wf + j, q, count);
    });
    if (threadIdx.x == 0) bf[i] = k * b[i];
}

// row_scale_backward unfolds the gradients: dw[i,j] += exp(logs[i])*dwf[i,j]; db[i] += exp(logs[i])*dbf[i];
// dlogs[i] += dbf[i]*bf[i] + sum_j dwf[i,j]*wf[i,j]. Launch: a block of 128 a row.
KERNEL(128, 4)
row_scale_backward(int cols, const float *logs, const float *wf, const float *bf, const float *dwf, const float *dbf, float *dw,
                   float *db, float *dlogs) {
    int i = blockIdx.x;
    wf += (i64)i * cols, dwf += (i64)i * cols, dw += (i64)i * cols;
    float k = expf(logs[i]), dot = 0;
    along(cols, aligned(wf) && aligned(dwf) && aligned(dw), [&](auto way, i64 j, int count) {
        Quad qw = load(way, wf + j, count), qf = load(way, dwf + j, count), qd = load(way, dw + j, count);
#pragma unroll
        for (int e = 0; e < 4; e++) dot = fmaf(qf.v[e], qw.v[e], dot), qd.v[e] = fmaf(k, qf.v[e], qd.v[e]);
        store(way, dw + j, qd, count);
    });
    dot = block_sum(dot);
    if (threadIdx.x) return;
    dlogs[i] += fmaf(dbf[i], bf[i], dot);
    db[i] = fmaf(k, dbf[i], db[i]);
}
