// The way back through an autoregressive flow, a whole layer in one launch: device.MaskedNetInverse. A block owns eight samples and goes
// with them from dimension to dimension, each hidden unit computed once, when the dimensions that it knows are there. What it knows of its
// samples stays in shared memory; weights, which all blocks want at the same time, come through the L2 cache. A warp takes one unit, its
// lanes share the inputs.
#include "curves.cuh"
#include "gaussians.cuh"
#include "masked.cuh"

constexpr int samples = 8, maxLayers = 8;

// Near is how parameters in shared memory are read: four samples at a time, all of which are there.
struct Near {};
__device__ __forceinline__ Quad load(Near, const float *p, int) { return load(Wide{}, p, 4); }

// Net is a masked network, plain or residual, as device.MaskedNet, and its weights by layer.
struct Net {
    int d, h, q, n, depth, residual;
    const float **w, **b; // in shared memory, since they are asked for by number
};

// half is samples 0 .. 3 or 4 .. 7 of rows that lie together: four floats a row, so that neighbouring lanes read neighbouring rows without
// a conflict of banks. sample is one of a row.
__device__ __forceinline__ float *half(float *array, int rows, int i) { return array + i * rows * 4; }
__device__ __forceinline__ float &sample(float *array, int rows, int r, int e) { return half(array, rows, e / 4)[r * 4 + e % 4]; }

// Room is a block's shared memory: of every value eight samples, in halves. A residual network's h is kept for the units of one step, but for the
// last; relu(h) and relu(dense1) of each block are kept whole.
struct Room {
    float *x, *out, *trunk, *hidden; // [D], [Q], [units of a step], arrays of [H]
};

// unit is what a row of weights makes of the first `terms` of `inputs` inputs, of sample `lane` in the first eight lanes.
__device__ __forceinline__ float unit(const float *w, float *in, int inputs, int terms) {
    int lane = threadIdx.x & 31;
    float sum[samples] = {};
    for (int k = lane; k < terms; k += 32) {
        float u = w[k];
        Quad a = load(Near{}, half(in, inputs, 0) + 4 * k, 4), b = load(Near{}, half(in, inputs, 1) + 4 * k, 4);
#pragma unroll
        for (int e = 0; e < 4; e++) sum[e] = fmaf(u, a.v[e], sum[e]), sum[e + 4] = fmaf(u, b.v[e], sum[e + 4]);
    }
    float own = 0;
#pragma unroll
    for (int e = 0; e < samples; e++) {
        float all = warp_sum(sum[e]);
        own = lane == e ? all : own;
    }
    return own;
}

// rows computes outputs lo .. hi-1 of a layer of the first `terms` inputs and calls leave(row, sample, value).
template <class F>
__device__ __forceinline__ void rows(const float *w, const float *b, int cin, int lo, int hi, int terms, float *in, F leave) {
    int lane = threadIdx.x & 31;
    for (int r = lo + (threadIdx.x >> 5); r < hi; r += blockDim.x >> 5) {
        float v = unit(w + (i64)r * cin, in, cin, terms);
        if (lane < samples) leave(r, lane, v + b[r]);
    }
    __syncthreads();
}

// hidden_step computes the units that become known with dimensions 0 .. d-1, layer after layer.
// kept(array, row, sample, value) is told of each.
template <class F>
__device__ __forceinline__ void hidden_step(const Net &net, const Room &room, const float *term, int first, int d, F kept) {
    Masked s = {Hidden, net.d, net.h, net.q, net.n};
    int lo = s.units(d - 1), hi = s.units(d), size = net.h * samples;
    auto array = [&](int i) { return room.hidden + i * size; };
    for (int i = 0; i < (net.residual ? 2 * net.depth + 1 : net.depth); i++) {
        float *in = i == 0 ? room.x : array(i - 1);
        rows(net.w[i], net.b[i], i == 0 ? net.d : net.h, lo, hi, i == 0 ? d : hi, in, [&](int r, int e, float v) {
            if (i == 0 && term && first + e < net.n) v += term[(i64)r * net.n + first + e];
            if (!net.residual || i % 2 == 1) { // dense1 of a block
                v = fmaxf(v, 0);
                sample(array(i), net.h, r, e) = v;
                kept(net.residual ? 3 * (i / 2) + 2 : i, r, e, v);
                return;
            }
            float *trunk = room.trunk + (r - lo) * samples + e;
            if (i > 0) v += *trunk;
            *trunk = v;
            kept(3 * (i / 2), r, e, v);
            if (i < 2 * net.depth) v = fmaxf(v, 0), kept(3 * (i / 2) + 1, r, e, v);
            sample(array(i), net.h, r, e) = v;
        });
    }
}

// inverse is the whole of a block's work.
template <class Kind>
__device__ __forceinline__ void inverse(const Net &net, const Spline &curve, int still, int keeps, i64 apart, const float *term, float *x,
                                        float *kept, float *params, float *logdet) {
    extern __shared__ __align__(16) float shared[];
    Masked s = {Last, net.d, net.h, net.q, net.n};
    int arrays = net.residual ? 2 * net.depth + 1 : net.depth, first = blockIdx.x * samples, last = arrays;
    Room room = {shared, 0, 0, 0};
    room.out = room.x + net.d * samples;
    room.trunk = room.out + net.q * samples;
    room.hidden = room.trunk + (net.residual ? (net.h + net.d - 2) / (net.d - 1) * samples : 0);
    for (int i = threadIdx.x; i < net.d * samples; i += blockDim.x) {
        int n = first + i % samples;
        sample(room.x, net.d, i / samples, i % samples) = n < net.n ? x[(i64)(i / samples) * net.n + n] : 0;
    }
    __syncthreads();
    Quad ld = {};
    for (int d = 0; d < net.d; d++) {
        if (d > 0)
            hidden_step(net, room, term, first, d, [&](int array, int r, int e, float v) {
                if (keeps && first + e < net.n) kept[array * apart + (i64)r * net.n + first + e] = v;
            });
        rows(net.w[last], net.b[last], net.h, net.q * d, net.q * (d + 1), s.units(d), room.hidden + (arrays - 1) * net.h * samples,
             [&](int r, int e, float v) {
                 sample(room.out, net.q, r - net.q * d, e) = v;
                 if (first + e < net.n) params[(i64)r * net.n + first + e] = v;
             });
        if (d >= still && threadIdx.x < samples / 4) {
            float *at = half(room.x, net.d, threadIdx.x) + 4 * d;
            Quad v = load(Near{}, at, 4);
            Quad terms = Kind::inverse(curve, Params<Near>{half(room.out, net.q, threadIdx.x), 4, 4}, v);
            ::keep(at, v);
#pragma unroll
            for (int e = 0; e < 4; e++) ld.v[e] += terms.v[e];
        }
        __syncthreads();
    }
    for (int i = threadIdx.x; i < net.d * samples; i += blockDim.x) {
        int n = first + i % samples;
        if (n < net.n) x[(i64)(i / samples) * net.n + n] = sample(room.x, net.d, i / samples, i % samples);
    }
    if (threadIdx.x < samples / 4) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int n = first + 4 * threadIdx.x + e;
            if (n < net.n) logdet[n] -= ld.v[e];
        }
    }
}

// INVERSE_KERNEL(NAME, KIND): x becomes what the curve with params = net(x) takes to x, logdet[n] -= sum log dy/dx. `apart` is from one
// hidden array in kept to the next. Launch: MaskedInverse(n), with the shared memory of Room.
#define INVERSE_KERNEL(NAME, KIND)                                                                                                 \
    KERNEL(256, 1)                                                                                                                 \
    masked_inverse_##NAME(int d, int h, int q, int n, int depth, int residual, int still, int keep, i64 apart, int k, int on,      \
                          float lo, float size, float scale, const float *term, float *x, float *kept, float *params,              \
                          float *logdet, const float *w0, const float *b0, const float *w1, const float *b1, const float *w2,      \
                          const float *b2, const float *w3, const float *b3, const float *w4, const float *b4, const float *w5,    \
                          const float *b5, const float *w6, const float *b6, const float *w7, const float *b7) {                   \
        __shared__ const float *w[maxLayers], *b[maxLayers];                                                                       \
        if (threadIdx.x == 0) {                                                                                                    \
            w[0] = w0, w[1] = w1, w[2] = w2, w[3] = w3, w[4] = w4, w[5] = w5, w[6] = w6, w[7] = w7;                                \
            b[0] = b0, b[1] = b1, b[2] = b2, b[3] = b3, b[4] = b4, b[5] = b5, b[6] = b6, b[7] = b7;                                \
        }                                                                                                                          \
        Net net = {d, h, q, n, depth, residual, w, b};                                                                             \
        inverse<KIND>(net, Spline{k, on, lo, size, scale}, still, keep, apart, term, x, kept, params, logdet);                     \
    }

INVERSE_KERNEL(affine, Affine)
INVERSE_KERNEL(linear, Linear)
INVERSE_KERNEL(quadratic, Quadratic)
INVERSE_KERNEL(rational, Rational)
INVERSE_KERNEL(logistic, Logistic)
INVERSE_KERNEL(gauss, Gauss)
