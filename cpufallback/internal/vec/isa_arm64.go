//go:build arm64 && !noasm

package vec

import "cuflow/device"

// ISAs are the instruction sets that this machine has kernels for, the fastest first. Every arm64 processor that Go runs on has NEON.
func ISAs() []string { return []string{"neon", "generic"} }

// assembly gives the kernels of an instruction set that has its own, else nil.
func assembly(isa string) *Kernels {
	if isa != "neon" {
		return nil
	}
	return &Kernels{
		Fill: fillNEON, Axpy: axpyNEON, Scale: scaleNEON, Lerp: lerpNEON, AddMul: addMulNEON, MulAdd: mulAddNEON,
		Sum: sumNEON, SumSquares: sumSquaresNEON, MaxAbsDiff: maxAbsDiffNEON,
		SegmentSums: segmentSumsNEON, SegmentSquares: segmentSquaresNEON,
		Couple:          moves{coupleShiftSigmoidNEON, coupleShiftTanhNEON, coupleAffineTanhNEON},
		Uncouple:        moves{uncoupleShiftSigmoidNEON, uncoupleShiftTanhNEON, uncoupleAffineTanhNEON},
		CoupleBackward:  backwards{backShiftSigmoidNEON, backShiftTanhNEON, backAffineTanhNEON},
		ActNormBackward: actNormBackwardNEON,
		Unzip:           unzipNEON, Zip: zipNEON,
		Uniforms: uniformsNEON, UniformRows: uniformRowsNEON, Dequantize: dequantizeNEON,
		Normals: normalsNEON, NormalRows: normalRowsNEON, Logistics: logisticsNEON, LogisticRows: logisticRowsNEON,
		Adam: func(g, p, m, v []float32, c *AdamConsts) {
			adamNEON(g, p, m, v, c.Clip, c.Beta1, c.Rest1, c.Beta2, c.Rest2, c.Step, c.Fix2, c.Eps)
		},
		Adamax: func(g, p, m, v []float32, c *AdamConsts) {
			adamaxNEON(g, p, m, v, c.Clip, c.Beta1, c.Rest1, c.Beta2, c.Rest2, c.Step, c.Fix2, c.Eps)
		},
		Curves: [curveKinds]CurvePasses{
			device.AffineCurve:     curvePasses(affineForwardNEON, affineInverseNEON, affineBackwardNEON, affineInverseBackwardNEON),
			device.LinearSpline:    curvePasses(linearForwardNEON, linearInverseNEON, linearBackwardNEON, linearInverseBackwardNEON),
			device.RationalSpline:  curvePasses(rationalForwardNEON, rationalInverseNEON, rationalBackwardNEON, rationalInverseBackwardNEON),
			device.LogisticMixture: curvePasses(mixtureForwardNEON, mixtureInverseNEON, mixtureBackwardNEON, mixtureInverseBackwardNEON),
		},
		Raise: raiseNEON, Shares: sharesNEON,
		Affine: affineNEON, AffineReLU: affineReLUNEON, Mask: maskNEON, AffineAbout: affineAboutNEON,
		Sigmoid: sigmoidNEON, Tanh: tanhNEON, LogLogistic: logLogisticNEON,
		Deviations: deviationsNEON, SumsAbout: sumsAboutNEON, Logit: logitNEON,
	}
}
