package device

import "cuflow/kernels"

// The kernels of Map and MapBackward by Func.
var (
	mapKernels = [...]string{
		SigmoidMap: "map_sigmoid", LogitMap: "map_logit", TanhMap: "map_tanh", AtanhMap: "map_atanh", SoftplusMap: "map_softplus",
		LogExpm1Map: "map_logexpm1", AsinhMap: "map_asinh", SinhMap: "map_sinh", LeakyReLUMap: "map_leakyrelu",
	}
	mapBackwardKernels = [...]string{
		SigmoidMap: "map_backward_sigmoid", LogitMap: "map_backward_logit", TanhMap: "map_backward_tanh", AtanhMap: "map_backward_atanh",
		SoftplusMap: "map_backward_softplus", LogExpm1Map: "map_backward_logexpm1", AsinhMap: "map_backward_asinh",
		SinhMap: "map_backward_sinh", LeakyReLUMap: "map_backward_leakyrelu",
	}
)

func fitMap(f Map) {
	fit(f.Func >= 0 && int(f.Func) < len(mapKernels) && (f.Func != LeakyReLUMap || f.Slope > 0))
}

func (g *gpu) Map(r Rows, f Map, x, logdet Buffer) {
	fit(x.n == r.Len() && logdet.n == r.N)
	fitMap(f)
	g.begin("Map")
	g.perSample(mapKernels[f.Func], r, 1, logdet, float(f.Slope), ptr(x))
}

func (g *gpu) MapBackward(f Map, x, dx Buffer, dld float32) {
	fit(x.n == dx.n)
	fitMap(f)
	g.begin("MapBackward")
	g.run(mapBackwardKernels[f.Func], kernels.Flat(x.n), num(x.n), float(f.Slope), float(dld), ptr(x), ptr(dx))
}
