// Sylvester flows (van den Berg, Hasenclever, Tomczak and Welling, 2018) beside their matrix products, and orthogonal matrices by
// Householder's reflections. r1, r2, u1, u2 are [M][M]; s, tau, rho, b [M]; a, y, t [M][N].
#include "gate.cuh"
#include "rows.cuh"
#include "vectors.cuh"

// product gives every lane the dot product of two rows of c floats.
__device__ __forceinline__ float product(int c, const float *x, const float *y) {
    float sum = 0;
    for (int i = threadIdx.x & 31; i < c; i += 32) sum = fmaf(x[i], y[i], sum);
    return warp_sum(sum);
}

// householder: q [rows][C] = the first rows of (I - 2 v0 v0^T/|v0|^2) (I - 2 v1 v1^T/|v1|^2) ..., v [K][C]. A warp takes a row through the
// reflections; a lane's columns are its own. Launch: warps(rows).
KERNEL(128, 4) householder(int rows, int c, int k, const float *v, float *q) {
    int row = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (row >= rows) return;
    q += (i64)row * c;
    for (int i = lane; i < c; i += 32) q[i] = i == row;
    for (int j = 0; j < k; j++, v += c) {
        float scale = -2 * product(c, q, v) / product(c, v, v);
        for (int i = lane; i < c; i += 32) q[i] = fmaf(scale, v[i], q[i]);
    }
}

// householder_backward goes through the reflections from the last to the first, takes each off q and dq, and adds
//
//	dv[j] += -2/|v|^2 * sum_rows ((dq.v before) q + (q.v after) dq),  q and dq as they are after
//
// It is one block, for a matrix small beside the products that use it. Launch: 1 block of 512; dynamic shared memory 2*rows floats.
KERNEL(512, 1) householder_backward(int rows, int c, int k, const float *v, float *q, float *dq, float *dv) {
    extern __shared__ float dots[];
    float *after = dots, *before = dots + rows;
    int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    for (int j = k - 1; j >= 0; j--) {
        const float *vj = v + (i64)j * c;
        float scale = -2 / product(c, vj, vj);
        for (int r = warp; r < rows; r += blockDim.x >> 5) {
            float *qr = q + (i64)r * c, *dr = dq + (i64)r * c;
            float pq = product(c, qr, vj), pd = product(c, dr, vj);
            for (int i = lane; i < c; i += 32) qr[i] = fmaf(scale * pq, vj[i], qr[i]), dr[i] = fmaf(scale * pd, vj[i], dr[i]);
            if (lane == 0) after[r] = -pq, before[r] = pd;
        }
        __syncthreads();
        for (int i = threadIdx.x; i < c; i += blockDim.x) {
            float sum = 0;
            for (int r = 0; r < rows; r++) sum = fmaf(before[r], q[(i64)r * c + i], fmaf(after[r], dq[(i64)r * c + i], sum));
            dv[(i64)j * c + i] += scale * sum;
        }
        __syncthreads();
    }
}

// sylvester_fold: s = max(log(1+exp(tau)), 2^-126); r1 = U1 + diag((s-1)*exp(-rho)); r2 = U2 + diag(exp(rho)). Of u1 and u2 what lies above
// the diagonal is read. Launch: items(m*m).
KERNEL(256, 4)
sylvester_fold(int m, const float *u1, const float *u2, const float *tau, const float *rho, float *r1, float *r2, float *s) {
    int k = blockIdx.x * blockDim.x + threadIdx.x, i = k / m, j = k % m;
    if (k >= m * m) return;
    if (i == j) {
        float scale = fmaxf(softplus(tau[i]), 0x1p-126f);
        s[i] = scale, r1[k] = (scale - 1) * expf(-rho[i]), r2[k] = expf(rho[i]);
    } else
        r1[k] = i < j ? u1[k] : 0, r2[k] = i < j ? u2[k] : 0;
}

// sylvester_fold_backward: du1 and du2 += dr1 and dr2 above the diagonal; dtau += (ds + dr1[i,i]*exp(-rho))*sigmoid(tau);
// drho += dr2[i,i]*exp(rho) - dr1[i,i]*(s-1)*exp(-rho). Launch: items(m*m).
KERNEL(256, 4)
sylvester_fold_backward(int m, const float *tau, const float *rho, const float *dr1, const float *dr2, const float *ds, float *du1,
                        float *du2, float *dtau, float *drho) {
    int k = blockIdx.x * blockDim.x + threadIdx.x, i = k / m, j = k % m;
    if (k >= m * m || i > j) return;
    if (i < j) {
        du1[k] += dr1[k], du2[k] += dr2[k];
        return;
    }
    float e = expf(-rho[i]), t = expf(-fabsf(tau[i]));
    dtau[i] += fmaf(dr1[k], e, ds[i]) * ((tau[i] > 0 ? 1 : t) / (1 + t));
    drho[i] += fmaf(dr2[k], expf(rho[i]), -dr1[k] * (softplus(tau[i]) - 1) * e);
}

// sylvester_gate: y = h(a); logdet[n] += sum_i log g'(a[i,n]), where logdet is given. Launch: vectors(m, n).
KERNEL(256, 4)
sylvester_gate(int m, int n, int h, float slope, const float *s, const float *a, float *y, float *logdet) {
    Lane l = lane_of(n);
    float sum = 0;
    if (l.live)
        for (int k = l.warp; k < m; k += l.step) {
            Gate g = {h, slope, s[k]};
            Point p = point(g, a[(i64)k * n + l.i]);
            y[(i64)k * n + l.i] = p.h;
            sum += logf(slope_at(g, p));
        }
    sum = over_warps<0>(sum);
    if (logdet && l.live && l.warp == 0) logdet[l.i] += sum;
}

// sylvester_gate_backward: dx = dx*h'(a) + dld*(s-1)*h''(a)/g'(a), in place; ds[i] += sum_n dld*h'(a)/g'(a), or where tiles > 1 the
// parts of it in part [M][tiles] for row_sums. Launch: rows(m, n).
KERNEL(256, 4)
sylvester_gate_backward(int n, int span, int tiles, int h, float slope, float dld, const float *s, const float *a, float *dx, float *ds,
                        float *part) {
    Part r = part_of(n, span, tiles);
    Gate g = {h, slope, s[r.c]};
    a += r.start, dx += r.start;
    float sum = 0;
    for (int i = threadIdx.x; i < r.count; i += blockDim.x) {
        Point p = point(g, a[i]);
        float det = slope_at(g, p);
        dx[i] = fmaf(dx[i], p.h1, dld * (g.s - 1) * p.h2 / det);
        sum += dld * p.h1 / det;
    }
    sum = block_sum(sum);
    if (threadIdx.x) return;
    if (tiles == 1)
        ds[r.c] += sum;
    else
        part[blockIdx.x] = sum;
}

// sylvester_solve: t holds Q^T y and becomes Q^T (y-x) = R1 h(a); a is written; logdet[n] -= sum_i log g'(a[i,n]), where it is given.
// A thread takes a sample from the last coordinate to the first. Of r1 and r2 the diagonal and what lies above are read.
// Launch: items(n). Scratch: hs and xs [M][N], for h(a) and Q^T x.
KERNEL(256, 2)
sylvester_solve(int m, int n, int h, float slope, const float *r1, const float *r2, const float *b, const float *s, float *t, float *a,
                float *logdet, float *hs, float *xs) {
    int sample = blockIdx.x * blockDim.x + threadIdx.x;
    if (sample >= n) return;
    t += sample, a += sample, hs += sample, xs += sample;
    float sum = 0;
    for (int i = m - 1; i >= 0; i--) {
        float moved = 0, q = b[i];
        for (int j = i + 1; j < m; j++) {
            moved = fmaf(r1[i * m + j], hs[(i64)j * n], moved);
            q = fmaf(r2[i * m + j], xs[(i64)j * n], q);
        }
        Gate g = {h, slope, s[i]};
        float y = t[(i64)i * n], at = solve(g, fmaf(r2[i * m + i], y - moved, q));
        Point p = point(g, at);
        moved = fmaf(r1[i * m + i], p.h, moved);
        a[(i64)i * n] = at, hs[(i64)i * n] = p.h, xs[(i64)i * n] = y - moved, t[(i64)i * n] = moved;
        sum += logf(slope_at(g, p));
    }
    if (logdet) logdet[sample] -= sum;
}
