// What the convolutions of conv.cu and tensor.cu share.
#pragma once
#include "common.cuh"

// Image is where columns lie: M = n*p of them, p = h*w to a sample.
struct Image { int m, h, w; };

// taps_inside has bit t set where tap t of column col lies within the image.
__device__ __forceinline__ u32 taps_inside(Image g, int col) {
    if (col >= g.m) return 0;
    u32 pixel = (u32)col % (u32)(g.h * g.w);
    int i = pixel / g.w, j = pixel % g.w;
    u32 across = (j > 0 ? 1 : 0) | 2 | (j + 1 < g.w ? 4 : 0);
    return (i > 0 ? across : 0) | across << 3 | (i + 1 < g.h ? across << 6 : 0);
}

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
