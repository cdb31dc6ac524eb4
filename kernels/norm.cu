// Batch normalisation, of the flow itself (Dinh, Sohl-Dickstein, Bengio, "Density estimation using Real NVP", 2017) and inside
// conditioners, the statistics that it and actnorm start from, weight normalisation (Salimans and Kingma, 2016), and the folding of
// an actnorm into the weights before it.
#include "rows.cuh"

// Statistics of channels take two passes: row_total, row_mean -> mean; row_total about the mean, row_mean -> variance. Two passes
// keep a constant row's variance at 0.

// row_total: part[c*tiles+t] = sum over the part of row c of x, or of (x - mean[c])^2 where mean is given. Launch: rows(c, m).
KERNEL(256, 4) row_total(int m, int span, int tiles, const float *x, const float *mean, float *part) {
    Part r = part_of(m, span, tiles);
    x += r.start;
    float sum = 0, mu = mean ? mean[r.c] : 0;
    bool square = mean;
    quads(r.count, threadIdx.x, blockDim.x, aligned(x), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (square) q.v[e] = e < count ? (q.v[e] - mu) * (q.v[e] - mu) : 0;
        sum += quad_sum(q);
    });
    sum = block_sum(sum);
    if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

// row_mean: mean[r] = sum_t part[r,t] / m. The mean of channels, and their variance from squares about the mean.
KERNEL(128, 4) row_mean(int rows, int tiles, int m, const float *part, float *mean) {
    row_finish(rows, tiles, part, [&](int r, float sum) { mean[r] = sum / m; });
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

// row_dot gives every thread of the block sum_j a[j]*b[j].
__device__ __forceinline__ float row_dot(int n, const float *a, const float *b) {
    float sum = 0;
    for (int j = threadIdx.x; j < n; j += blockDim.x) sum = fmaf(a[j], b[j], sum);
    return block_sum(sum);
}

// weight_norm: w[i,j] = g[i]*v[i,j]/|v[i,:]|. Launch: a block of 128 a row.
KERNEL(128, 4) weight_norm(int cols, const float *g, const float *v, float *w) {
    v += (i64)blockIdx.x * cols, w += (i64)blockIdx.x * cols;
    float k = g[blockIdx.x] / sqrtf(row_dot(cols, v, v));
    for (int j = threadIdx.x; j < cols; j += blockDim.x) w[j] = k * v[j];
}

// weight_norm_backward: with u = v[i,:]/|v[i,:]|: dg[i] += dw[i,:].u; dv[i,:] += g[i]/|v[i,:]| * (dw[i,:] - (dw[i,:].u) u).
// Launch: a block of 128 a row.
KERNEL(128, 4) weight_norm_backward(int cols, const float *g, const float *v, const float *dw, float *dv, float *dg) {
    i64 start = (i64)blockIdx.x * cols;
    v += start, dw += start, dv += start;
    float inv = 1 / sqrtf(row_dot(cols, v, v)), along = row_dot(cols, dw, v) * inv, k = g[blockIdx.x] * inv;
    for (int j = threadIdx.x; j < cols; j += blockDim.x) dv[j] = fmaf(k, dw[j] - along * (v[j] * inv), dv[j]);
    if (threadIdx.x == 0) dg[blockIdx.x] += along;
}

// row_scale folds an actnorm that follows a convolution into its weights: wf[i,j] = exp(logs[i])*w[i,j];
// bf[i] = exp(logs[i])*b[i]. Launch: a block of 128 a row.
KERNEL(128, 4) row_scale(int cols, const float *logs, const float *w, const float *b, float *wf, float *bf) {
    int i = blockIdx.x;
    float e = expf(logs[i]);
    for (int j = threadIdx.x; j < cols; j += blockDim.x) wf[(i64)i * cols + j] = e * w[(i64)i * cols + j];
    if (threadIdx.x == 0) bf[i] = e * b[i];
}

// row_scale_backward unfolds the gradients: dw[i,j] += exp(logs[i])*dwf[i,j]; db[i] += exp(logs[i])*dbf[i];
// dlogs[i] += dbf[i]*bf[i] + sum_j dwf[i,j]*wf[i,j]. Launch: a block of 128 a row.
KERNEL(128, 4)
row_scale_backward(int cols, const float *logs, const float *wf, const float *bf, const float *dwf, const float *dbf, float *dw,
                   float *db, float *dlogs) {
    int i = blockIdx.x;
    i64 start = (i64)i * cols;
    float e = expf(logs[i]), dot = row_dot(cols, dwf + start, wf + start);
    for (int j = threadIdx.x; j < cols; j += blockDim.x) dw[start + j] = fmaf(e, dwf[start + j], dw[start + j]);
    if (threadIdx.x) return;
    dlogs[i] += fmaf(dbf[i], bf[i], dot);
    db[i] = fmaf(e, dbf[i], db[i]);
}
