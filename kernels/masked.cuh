// The shape of a layer of a masked network, whose units are sorted by what they know.
#pragma once
#include "common.cuh"

enum Layer { First, Hidden, Last };

// Masked is the shape of a layer, as device.Masked.
struct Masked {
    int layer, d, h, q, n;
    __device__ int cin() const { return layer == First ? d : h; }
    __device__ int cout() const { return layer == Last ? q * d : h; }
    __device__ int units(int degree) const { return degree * (h / (d - 1)) + min(degree, h % (d - 1)); }
    __device__ int degree(int unit) const {
        int each = h / (d - 1), more = h % (d - 1), first = more * (each + 1);
        return unit >= first ? more + 1 + (unit - first) / each : 1 + unit / (each + 1);
    }
    __device__ int reach(int o) const { return layer == First ? degree(o) : layer == Hidden ? units(degree(o)) : units(o / q); }
    __device__ int start(int i) const {
        return layer == First ? units(min(i, d - 1)) : layer == Hidden ? units(degree(i) - 1) : q * degree(i);
    }
};
