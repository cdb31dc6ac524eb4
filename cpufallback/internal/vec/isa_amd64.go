//go:build amd64 && !noasm

package vec

//go:generate ../gen/vec/gen.sh

import (
	"github.com/klauspost/cpuid/v2"

	"cuflow/device"
)

// ISAs are the instruction sets that this machine has kernels for, the fastest first.
func ISAs() []string {
	var have []string
	if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL) {
		have = append(have, "avx512")
	}
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		have = append(have, "avx2")
	}
	return append(have, "generic")
}

// assembly gives the kernels of an instruction set that has its own, else nil.
func assembly(isa string) *Kernels {
	switch isa {
	case "avx512":
		return &Kernels{
			Fill: fillAVX512, Axpy: axpyAVX512, Scale: scaleAVX512, Lerp: lerpAVX512, AddMul: addMulAVX512, MulAdd: mulAddAVX512,
			Sum: sumAVX512, SumSquares: sumSquaresAVX512, MaxAbsDiff: maxAbsDiffAVX512,
			SegmentSums: segmentSumsAVX512, SegmentSquares: segmentSquaresAVX512,
			Couple:          moves{coupleShiftSigmoidAVX512, coupleShiftTanhAVX512, coupleAffineTanhAVX512},
			Uncouple:        moves{uncoupleShiftSigmoidAVX512, uncoupleShiftTanhAVX512, uncoupleAffineTanhAVX512},
			CoupleBackward:  backwards{backShiftSigmoidAVX512, backShiftTanhAVX512, backAffineTanhAVX512},
			ActNormBackward: actNormBackwardAVX512,
			Unzip:           unzipAVX512, Zip: zipAVX512,
			Uniforms: uniformsAVX512, UniformRows: uniformRowsAVX512, Dequantize: dequantizeAVX512,
			Normals: normalsAVX512, NormalRows: normalRowsAVX512, Logistics: logisticsAVX512, LogisticRows: logisticRowsAVX512,
			Adam: func(g, p, m, v []float32, c *AdamConsts) {
				adamAVX512(g, p, m, v, c.Clip, c.Beta1, c.Rest1, c.Beta2, c.Rest2, c.Step, c.Fix2, c.Eps)
			},
			Adamax: func(g, p, m, v []float32, c *AdamConsts) {
				adamaxAVX512(g, p, m, v, c.Clip, c.Beta1, c.Rest1, c.Beta2, c.Rest2, c.Step, c.Fix2, c.Eps)
			},
			Curves: [curveKinds]CurvePasses{
				device.AffineCurve:     curvePasses(affineForwardAVX512, affineInverseAVX512, affineBackwardAVX512, affineInverseBackwardAVX512),
				device.LinearSpline:    curvePasses(linearForwardAVX512, linearInverseAVX512, linearBackwardAVX512, linearInverseBackwardAVX512),
				device.RationalSpline:  curvePasses(rationalForwardAVX512, rationalInverseAVX512, rationalBackwardAVX512, rationalInverseBackwardAVX512),
				device.LogisticMixture: curvePasses(mixtureForwardAVX512, mixtureInverseAVX512, mixtureBackwardAVX512, mixtureInverseBackwardAVX512),
			},
			Raise: raiseAVX512, Shares: sharesAVX512,
			Affine: affineAVX512, AffineReLU: affineReLUAVX512, Mask: maskAVX512, AffineAbout: affineAboutAVX512,
			Sigmoid: sigmoidAVX512, Tanh: tanhAVX512, LogLogistic: logLogisticAVX512,
			Deviations: deviationsAVX512, SumsAbout: sumsAboutAVX512, Logit: logitAVX512,
		}
	case "avx2":
		return &Kernels{
			Fill: fillAVX2, Axpy: axpyAVX2, Scale: scaleAVX2, Lerp: lerpAVX2, AddMul: addMulAVX2, MulAdd: mulAddAVX2,
			Sum: sumAVX2, SumSquares: sumSquaresAVX2, MaxAbsDiff: maxAbsDiffAVX2,
			SegmentSums: segmentSumsAVX2, SegmentSquares: segmentSquaresAVX2,
			Couple:          moves{coupleShiftSigmoidAVX2, coupleShiftTanhAVX2, coupleAffineTanhAVX2},
			Uncouple:        moves{uncoupleShiftSigmoidAVX2, uncoupleShiftTanhAVX2, uncoupleAffineTanhAVX2},
			CoupleBackward:  backwards{backShiftSigmoidAVX2, backShiftTanhAVX2, backAffineTanhAVX2},
			ActNormBackward: actNormBackwardAVX2,
			Unzip:           unzipAVX2, Zip: zipAVX2,
			Uniforms: uniformsAVX2, UniformRows: uniformRowsAVX2, Dequantize: dequantizeAVX2,
			Normals: normalsAVX2, NormalRows: normalRowsAVX2, Logistics: logisticsAVX2, LogisticRows: logisticRowsAVX2,
			Adam: func(g, p, m, v []float32, c *AdamConsts) {
				adamAVX2(g, p, m, v, c.Clip, c.Beta1, c.Rest1, c.Beta2, c.Rest2, c.Step, c.Fix2, c.Eps)
			},
			Adamax: func(g, p, m, v []float32, c *AdamConsts) {
				adamaxAVX2(g, p, m, v, c.Clip, c.Beta1, c.Rest1, c.Beta2, c.Rest2, c.Step, c.Fix2, c.Eps)
			},
			Curves: [curveKinds]CurvePasses{
				device.AffineCurve:     curvePasses(affineForwardAVX2, affineInverseAVX2, affineBackwardAVX2, affineInverseBackwardAVX2),
				device.LinearSpline:    curvePasses(linearForwardAVX2, linearInverseAVX2, linearBackwardAVX2, linearInverseBackwardAVX2),
				device.RationalSpline:  curvePasses(rationalForwardAVX2, rationalInverseAVX2, rationalBackwardAVX2, rationalInverseBackwardAVX2),
				device.LogisticMixture: curvePasses(mixtureForwardAVX2, mixtureInverseAVX2, mixtureBackwardAVX2, mixtureInverseBackwardAVX2),
			},
			Raise: raiseAVX2, Shares: sharesAVX2,
			Affine: affineAVX2, AffineReLU: affineReLUAVX2, Mask: maskAVX2, AffineAbout: affineAboutAVX2,
			Sigmoid: sigmoidAVX2, Tanh: tanhAVX2, LogLogistic: logLogisticAVX2,
			Deviations: deviationsAVX2, SumsAbout: sumsAboutAVX2, Logit: logitAVX2,
		}
	}
	return nil
}
