// Solver steps of continuous flows of vectors: device.Continuous. A block takes a tile of samples through the network with their tangents:
// rows are samples, then their first tangents, then their second, ...; units are columns, so that neighbouring threads have neighbouring
// units. What it needs on the way lies in scratch memory of its own, which is small enough to stay in the caches.
//
// A stage is a launch: field_sum says where, field_value what dy/dt is there, field_back what the gradients are.
// Launch of field_value and field_back: field(...) of launch_ode.go.
#include "common.cuh"

enum Smooth { Tanh, Softplus, SiLU };

// Field is the shape of a network, as device.Field.
struct Field {
    int n, d, h, depth, act;
    bool gated, exact, energies;

    __device__ Field(int n, int d, int h, int depth, int act, int flags)
        : n(n), d(d), h(h), depth(depth), act(act), gated(flags & 1), exact(flags & 2), energies(flags & 4) {}
    __device__ int tangents() const { return exact ? d : 1; }
    __device__ int wide() const { return max(d, h); }
    // per is the weights of a layer beside its matrix, by output.
    __device__ int per() const { return gated ? 4 : 2; }
};

// Layer is where a layer's arrays begin, as device.FieldLayer.
struct Layer {
    int in, out, w, b, v, u, c;
    __device__ Layer(const Field &f, int l) {
        in = l == 0 ? f.d : f.h, out = l == f.depth ? f.d : f.h;
        w = l == 0 ? 0 : f.h * (f.d + f.per()) + (l - 1) * f.h * (f.h + f.per());
        b = w + in * out, v = b + out, u = v + out, c = u + out;
    }
};

// Tile is a block's samples at work.
struct Tile {
    const Field &f;
    int lo, s, rows; // first sample, samples, rows

    __device__ Tile(const Field &f, int tile, int size) : f(f), lo(tile * size) {
        s = min(size, f.n - lo);
        rows = s * (1 + f.tangents());
    }
};

// product: y[r][c] = sum_k x[r*row + k*step] * m[k][c], or that added to y; four rows to a thread at a time.
template <bool ADD>
__device__ __forceinline__ void product(int rows, int depth, int cols, const float *x, int row, int step, const float *m, float *y) {
    for (int item = threadIdx.x; item < (rows + 3) / 4 * cols; item += blockDim.x) {
        int c = item % cols, r = item / cols * 4;
        const float *at[4];
#pragma unroll
        for (int j = 0; j < 4; j++) at[j] = x + (i64)min(r + j, rows - 1) * row;
        float sum[4] = {};
        for (int k = 0; k < depth; k++) {
            float v = m[(i64)k * cols + c];
#pragma unroll
            for (int j = 0; j < 4; j++) sum[j] = fmaf(at[j][(i64)k * step], v, sum[j]);
        }
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (r + j < rows) {
                i64 to = (i64)(r + j) * cols + c;
                y[to] = ADD ? y[to] + sum[j] : sum[j];
            }
    }
    __syncthreads();
}

// smooth is an activation and its first two derivatives.
struct Bent { float h, h1, h2; };

__device__ __forceinline__ Bent smooth(int act, float a) {
    if (act == Tanh) {
        float h = tanhf(a), h1 = 1 - h * h;
        return {h, h1, -2 * h * h1};
    }
    float e = expf(-fabsf(a)), s = (a < 0 ? e : 1) / (1 + e), rest = (a < 0 ? 1 : e) / (1 + e);
    if (act == Softplus) return {fmaxf(a, 0) + log1pf(e), s, s * rest};
    return {a * s, s * (1 + a * rest), s * rest * (2 + a * (rest - s))};
}

// gates leaves g and g*b + t*v of a layer: what comes out is gate*raw + shift.
__device__ __forceinline__ void gates(const Field &f, const Layer &l, float t, const float *w, float *gate, float *shift) {
    for (int o = threadIdx.x; o < l.out; o += blockDim.x) {
        float g = f.gated ? 1 / (1 + expf(-fmaf(t, w[l.u + o], w[l.c + o]))) : 1;
        gate[o] = g, shift[o] = fmaf(g, w[l.b + o], t * w[l.v + o]);
    }
    __syncthreads();
}

// load leaves z of a tile, [s][d], and the directions behind.
__device__ __forceinline__ void load(const Tile &t, const float *z, const float *e, float *x) {
    const Field &f = t.f;
    for (int i = threadIdx.x; i < t.s * f.d; i += blockDim.x) {
        int n = i % t.s, d = i / t.s;
        x[n * f.d + d] = z[(i64)d * f.n + t.lo + n];
        if (!f.exact) x[(t.s + n) * f.d + d] = e[(i64)d * f.n + t.lo + n];
    }
    if (f.exact)
        for (int i = threadIdx.x; i < t.s * f.d * f.d; i += blockDim.x) x[t.s * f.d + i] = i % f.d == i / (t.s * f.d) ? 1 : 0;
    __syncthreads();
}

// bend: x = act(gate*raw + shift) of values and act'*gate*raw of tangents; the last layer has no act.
__device__ __forceinline__ void bend(const Tile &t, bool last, int out, const float *gate, const float *shift, const float *raw, float *x) {
    for (int i = threadIdx.x; i < t.s * out; i += blockDim.x) {
        int o = i % out;
        float a = fmaf(gate[o], raw[i], shift[o]), slope = gate[o];
        Bent b = smooth(t.f.act, a);
        x[i] = last ? a : b.h;
        if (!last) slope *= b.h1;
        for (int j = i + t.s * out; j < t.rows * out; j += t.s * out) x[j] = slope * raw[j];
    }
    __syncthreads();
}

// Tape is where a tile's activations are. A forward pass alone takes turns with two.
struct Tape {
    float *x, *raw, *out, *gate, *shift, *dx, *dy;
    int size; // of a layer's

    __device__ Tape(const Field &f, int rows, bool keep, float *work) {
        size = rows * f.wide();
        int kept = keep ? f.depth + 1 : 2;
        x = work, raw = x + (i64)kept * size, out = raw + (i64)(keep ? kept : 1) * size;
        gate = out + (i64)rows * f.d, shift = gate + f.wide();
        dx = shift + f.wide(), dy = dx + size;
    }
};

// evaluate runs the network on tape.x and leaves its result in tape.out.
template <bool KEEP> __device__ __forceinline__ void evaluate(const Tile &t, const Tape &p, float time, const float *w, const float *turned) {
    for (int i = 0; i <= t.f.depth; i++) {
        Layer l(t.f, i);
        float *x = p.x + (i64)(KEEP ? i : i % 2) * p.size, *raw = p.raw + (i64)(KEEP ? i : 0) * p.size;
        float *y = i == t.f.depth ? p.out : p.x + (i64)(KEEP ? i + 1 : (i + 1) % 2) * p.size;
        product<false>(t.rows, l.in, l.out, x, l.in, 1, turned + l.w, raw);
        gates(t.f, l, time, w, p.gate, p.shift);
        bend(t, i == t.f.depth, l.out, p.gate, p.shift, raw, y);
    }
}

// field_turn turns the matrices of all layers round: turned[w + i*out + o] = w[w + o*in + i]. Launch: items(weights).
KERNEL(256, 4) field_turn(int d, int h, int depth, int flags, int weights, const float *w, float *turned) {
    Field f(0, d, h, depth, 0, flags);
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= weights) return;
    int at = 0;
    while (at < depth && Layer(f, at + 1).w <= i) at++;
    Layer l(f, at);
    int j = i - l.w;
    turned[i] = w[j < l.in * l.out ? l.w + j % l.out * l.in + j / l.out : i];
}

// field_value: k = (h, trace, and with energies |h|^2 and the norm of dh/dz) at z, the first rows of y.
KERNEL(256, 2)
field_value(int n, int d, int h, int depth, int act, int flags, int size, int stride, float time, const float *w, const float *turned, const float *e,
            const float *y, float *k, float *work) {
    Field f(n, d, h, depth, act, flags);
    work += (i64)blockIdx.x * stride;
    for (int tile = blockIdx.x; tile * size < n; tile += gridDim.x) {
        Tile t(f, tile, size);
        Tape p(f, size * (1 + f.tangents()), false, work);
        load(t, y, e, p.x);
        evaluate<false>(t, p, time, w, turned);
        for (int i = threadIdx.x; i < t.s; i += blockDim.x) {
            float trace = 0, speed = 0, norm = 0;
            for (int r = 0; r < d; r++) {
                float v = p.out[i * d + r];
                k[(i64)r * n + t.lo + i] = v;
                speed = fmaf(v, v, speed);
            }
            for (int c = 0; c < f.tangents(); c++) {
                const float *j = p.out + (i64)((1 + c) * t.s + i) * d;
                for (int r = 0; r < d; r++) {
                    float dir = f.exact ? (r == c ? 1 : 0) : e[(i64)r * n + t.lo + i];
                    trace = fmaf(dir, j[r], trace), norm = fmaf(j[r], j[r], norm);
                }
            }
            float *q = k + (i64)d * n + t.lo + i;
            q[0] = trace;
            if (f.energies) q[n] = speed, q[2 * (i64)n] = norm;
        }
        __syncthreads();
    }
}

// field_back adds to part [blocks][weights], which `first` clears, the gradient of the weights for that of what field_value made: dk of h,
// and dq0 .. dq2 of the integrands. dat becomes the gradient of z. Matrices lie in part as field_turn leaves them.
KERNEL(256, 2)
field_back(int n, int d, int h, int depth, int act, int flags, int size, int stride, int weights, int first, float time, float dq0, float dq1,
           float dq2, const float *w, const float *turned, const float *e, const float *z, const float *dk, float *dat, float *part, float *work) {
    Field f(n, d, h, depth, act, flags);
    work += (i64)blockIdx.x * stride, part += (i64)blockIdx.x * weights;
    if (first)
        for (int i = threadIdx.x; i < weights; i += blockDim.x) part[i] = 0;
    __syncthreads();
    for (int tile = blockIdx.x; tile * size < n; tile += gridDim.x) {
        Tile t(f, tile, size);
        Tape p(f, size * (1 + f.tangents()), true, work);
        load(t, z, e, p.x);
        evaluate<true>(t, p, time, w, turned);
        for (int i = threadIdx.x; i < t.rows * d; i += blockDim.x) {
            int r = i % d, row = i / d;
            if (row < t.s)
                p.dx[i] = fmaf(2 * dq1, p.out[i], dk[(i64)r * n + t.lo + row]);
            else
                p.dx[i] = fmaf(2 * dq2, p.out[i], dq0 * p.x[i]);
        }
        __syncthreads();
        for (int i = depth; i >= 0; i--) {
            Layer l(f, i);
            const float *x = p.x + (i64)i * p.size, *raw = p.raw + (i64)i * p.size;
            gates(f, l, time, w, p.gate, p.shift);
            for (int o = threadIdx.x; o < l.out; o += blockDim.x) {
                float g = p.gate[o], dgate = 0, dshift = 0;
                for (int row = 0; row < t.s; row++) {
                    int at = row * l.out + o;
                    Bent b = {0, 1, 0};
                    if (i < depth) b = smooth(act, fmaf(g, raw[at], p.shift[o]));
                    float da = b.h1 * p.dx[at], dg = 0;
                    for (int j = at + t.s * l.out; j < t.rows * l.out; j += t.s * l.out) {
                        float v = raw[j] * p.dx[j];
                        da = fmaf(b.h2 * g, v, da), dg = fmaf(b.h1, v, dg);
                        p.dy[j] = g * b.h1 * p.dx[j];
                    }
                    p.dy[at] = g * da;
                    dshift += da, dgate += fmaf(da, raw[at], dg);
                }
                part[l.b + o] += g * dshift, part[l.v + o] += time * dshift;
                if (f.gated) {
                    float dg = fmaf(w[l.b + o], dshift, dgate) * g * (1 - g);
                    part[l.u + o] += time * dg, part[l.c + o] += dg;
                }
            }
            __syncthreads();
            product<true>(l.in, t.rows, l.out, x, 1, l.in, p.dy, part + l.w);
            product<false>(i == 0 ? t.s : t.rows, l.out, l.in, p.dy, l.out, 1, w + l.w, p.dx);
        }
        for (int i = threadIdx.x; i < t.s * d; i += blockDim.x) dat[(i64)(i / t.s) * n + t.lo + i % t.s] = p.dx[i % t.s * d + i / t.s];
        __syncthreads();
    }
}

// field_add adds up what field_back has left: dw += sum over blocks, matrices turned back. Launch: items(weights).
KERNEL(256, 4) field_add(int d, int h, int depth, int flags, int weights, int blocks, const float *part, float *dw) {
    Field f(0, d, h, depth, 0, flags);
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= weights) return;
    int at = 0;
    while (at < depth && Layer(f, at + 1).w <= i) at++;
    Layer l(f, at);
    int j = i - l.w;
    float sum = 0;
    for (int b = 0; b < blocks; b++) sum += part[(i64)b * weights + i];
    dw[j < l.in * l.out ? l.w + j % l.out * l.in + j / l.out : i] += sum;
}

// field_sum: out = a*x + sum_j c_j*k_j, k_0 in first and k_j for j >= 1 in rest, one `stride` after the other; terms with c_j = 0 are not
// read. out may be x. Launch: flat(n).
KERNEL(256, 4)
field_sum(i64 n, i64 stride, float a, float c0, float c1, float c2, float c3, float c4, float c5, float c6, const float *x, const float *first,
          const float *rest, float *out) {
    float c[6] = {c1, c2, c3, c4, c5, c6};
    bool wide = aligned(x) && aligned(first) && aligned(rest) && aligned(out) && stride % 4 == 0;
    flat(n, wide, [&](auto way, i64 i, int count) {
        Quad sum = {};
        auto add = [&](float w, const float *p) {
            if (w == 0) return;
            Quad q = load(way, p + i, count);
#pragma unroll
            for (int e = 0; e < 4; e++) sum.v[e] = fmaf(w, q.v[e], sum.v[e]);
        };
        add(a, x);
        add(c0, first);
#pragma unroll
        for (int j = 0; j < 6; j++) add(c[j], rest + j * stride);
        store(way, out + i, sum, count);
    });
}

// scaled_squares: out[n] += sum_{c,p} (v/(atol + rtol*max(|y|, |yn|)))^2, a warp to a sample. Launch: warps(n).
KERNEL(128, 4)
scaled_squares(int c, int n, int p, float atol, float rtol, const float *y, const float *yn, const float *v, float *out) {
    int s = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (s >= n) return;
    float sum = 0;
    for (int i = lane; i < c * p; i += 32) {
        i64 at = (i64)(i / p) * n * p + (i64)s * p + i % p;
        float q = v[at] / fmaf(rtol, fmaxf(fabsf(y[at]), fabsf(yn[at])), atol);
        sum = fmaf(q, q, sum);
    }
    sum = warp_sum(sum);
    if (lane == 0) out[s] += sum;
}

// field_errors: err[n] = sum over the first c rows of (off/(atol + rtol*max(|y|, |yn|)))^2. Launch: items(n).
KERNEL(256, 4) field_errors(int c, int n, float atol, float rtol, const float *y, const float *yn, const float *off, float *err) {
    int s = blockIdx.x * blockDim.x + threadIdx.x;
    if (s >= n) return;
    float sum = 0;
    for (int r = 0; r < c; r++) {
        i64 at = (i64)r * n + s;
        float q = off[at] / fmaf(rtol, fmaxf(fabsf(y[at]), fabsf(yn[at])), atol);
        sum = fmaf(q, q, sum);
    }
    err[s] = sum;
}

// directions: x = 1 where x >= 0, else -1. Launch: flat(n).
KERNEL(256, 4) directions(i64 n, float *x) {
    flat(n, aligned(x), [&](auto way, i64 i, int count) {
        Quad q = load(way, x + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) q.v[e] = q.v[e] >= 0 ? 1 : -1;
        store(way, x + i, q, count);
    });
}

// smooth_forward: h = act(a), th = act'(a)*u. Launch: flat(n).
KERNEL(256, 4) smooth_forward(i64 n, int act, const float *a, const float *u, float *h, float *th) {
    flat(n, aligned(a) && aligned(u) && aligned(h) && aligned(th), [&](auto way, i64 i, int count) {
        Quad q = load(way, a + i, count), t = load(way, u + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            Bent b = smooth(act, q.v[e]);
            q.v[e] = b.h, t.v[e] *= b.h1;
        }
        store(way, h + i, q, count), store(way, th + i, t, count);
    });
}

// smooth_backward: dh = act'(a)*dh + act''(a)*u*dth, dth = act'(a)*dth. Launch: flat(n).
KERNEL(256, 4) smooth_backward(i64 n, int act, const float *a, const float *u, float *dh, float *dth) {
    flat(n, aligned(a) && aligned(u) && aligned(dh) && aligned(dth), [&](auto way, i64 i, int count) {
        Quad q = load(way, a + i, count), t = load(way, u + i, count), d = load(way, dh + i, count), dt = load(way, dth + i, count);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            Bent b = smooth(act, q.v[e]);
            d.v[e] = fmaf(b.h1, d.v[e], b.h2 * t.v[e] * dt.v[e]), dt.v[e] *= b.h1;
        }
        store(way, dh + i, d, count), store(way, dth + i, dt, count);
    });
}

// dots: out[n] += a * sum_{c,p} x*y, a warp to a sample. Launch: warps(n).
KERNEL(128, 4) dots(int c, int n, int p, float a, const float *x, const float *y, float *out) {
    int s = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (s >= n) return;
    float sum = 0;
    for (int i = lane; i < c * p; i += 32) {
        i64 at = (i64)(i / p) * n * p + (i64)s * p + i % p;
        sum = fmaf(x[at], y[at], sum);
    }
    sum = warp_sum(sum);
    if (lane == 0) out[s] = fmaf(a, sum, out[s]);
}
