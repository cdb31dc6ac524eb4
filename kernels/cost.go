package kernels

import "strings"

// Cost is what a launch asks of a device, whatever the device is.
type Cost struct {
	// Flops are additions, multiplications, divisions and functions such as exp, by the formula beside the kernel; a multiply-add is
	// two. What a tile computes beyond its matrix is not counted.
	Flops int64
	// Bytes are of the operands, each element read or written once, and twice if both: what no cache can save.
	Bytes int64
	// Precision is of the products.
	Precision Precision
}

// Peak is what a device can do in a second.
type Peak struct {
	FP32, TF32, BF16 float64 // flops, with sums in float32
	Bandwidth        float64 // bytes from and to memory
	Multiprocessors  int
}

// H200 is NVIDIA's H200: bf16 and bandwidth as they were measured on large products and copies, the rest by the data sheet.
func H200() Peak {
	return Peak{FP32: 60e12, TF32: 395e12, BF16: 790e12, Bandwidth: 4.3e12, Multiprocessors: 132}
}

// Flops are those of a precision.
func (p Peak) Flops(of Precision) float64 {
	switch of {
	case TF32:
		return p.TF32
	case BF16:
		return p.BF16
	}
	return p.FP32
}

// Roofline is the time in seconds below which no launch of this cost can be, and whether arithmetic is what bounds it.
func (p Peak) Roofline(c Cost) (seconds float64, arithmetic bool) {
	compute, memory := float64(c.Flops)/p.Flops(c.Precision), float64(c.Bytes)/p.Bandwidth
	return max(compute, memory), compute > memory
}

// Intensity is flops per byte.
func (c Cost) Intensity() float64 { return float64(c.Flops) / float64(max(1, c.Bytes)) }

// CostOf is the cost of a launch with these arguments, as Kernel.Args has them; of pointers only whether they are 0 matters. ok
// is false for a kernel that has no entry here.
func CostOf(name string, s Shape, args []uint64) (c Cost, ok bool) {
	for _, p := range []Precision{TF32, BF16} {
		if base, found := strings.CutSuffix(name, string(p)); found {
			c, ok = CostOf(base, s, args)
			c.Precision = p
			return c, ok
		}
	}
	n := func(i int) int64 { return int64(uint32(args[i])) } // a whole number
	given := func(i int) int64 {                             // 1 for an operand that is there
		if args[i] == 0 {
			return 0
		}
		return 1
	}
	// elements of an array, with flops and accesses of 4 bytes for each
	each := func(elements, flops, accesses int64) (Cost, bool) {
		return Cost{Flops: elements * flops, Bytes: 4 * elements * accesses}, true
	}
	// the columns that the blocks of rows.cuh work on; rows are GridX/tiles
	rows := func(m, tiles int64, flops, accesses int64) (Cost, bool) {
		return each(int64(s.GridX)/tiles*m, flops, accesses)
	}

	switch name {
	case "fill":
		return each(int64(args[0]), 0, 1)
	case "copy":
		return each(int64(args[0]), 0, 2)
	case "widen":
		return Cost{Bytes: 5 * int64(args[0])}, true
	case "scale":
		return each(int64(args[0]), 1, 2)
	case "axpy":
		return each(int64(args[0]), 2, 3)
	case "blend":
		return each(int64(args[0]), 3, 3)
	case "sum_parts":
		return each(int64(args[0]), 1, 1)
	case "sum_squares_parts":
		return each(int64(args[0]), 2, 1)
	case "max_abs_diff_parts":
		return each(int64(args[0]), 2, 2)
	case "sum_finish", "max_finish":
		return each(n(0), 1, 1)
	case "add_sum":
		return Cost{Flops: n(0) + n(1), Bytes: 4 * (n(0) + 2*n(1))}, true
	case "row_pairs":
		return Cost{Flops: 2 * n(0) * n(1), Bytes: 8 * n(0) * (n(1) + 2)}, true
	case "row_sums", "sample_sums":
		return Cost{Flops: n(0) * n(1), Bytes: 4 * n(0) * (n(1) + 2)}, true

	case "uniform", "normal", "logistic":
		return each(n(0)*n(1)*n(2), 30, 1) // whole-number work: 10 rounds a word
	case "dropout": // x read and written; Philox as above
		return each(n(0)*n(1)*n(2), 32, 2)
	case "dequantize":
		return each(n(0)*n(1)*n(2), 30, 2)

	case "actnorm", "actnorm_inverse":
		return rows(n(0), n(2), 2, 2)
	case "actnorm_backward":
		return each(n(0)*n(1), 6, 4)
	case "row_total":
		return rows(n(0), n(2), 1, 1)
	case "row_parts":
		return each(n(0)*n(1), 5, 1)
	case "channel_stats", "actnorm_init":
		return Cost{Flops: 5 * n(0) * n(3), Bytes: 4 * n(0) * (2*n(3) + 3)}, true
	case "batch_norm_fold":
		return each(n(0), 4, 4)
	case "batch_norm_scale":
		return each(n(0), 5, 6)
	case "batch_norm_backward":
		return rows(n(0), n(2), 4, 3)
	case "affine_act":
		return rows(n(0), n(2), 3, 2)
	case "batch_norm_act_sums":
		return each(n(0)*n(1), 5, 3)
	case "batch_norm_act_backward":
		return each(n(0)*n(1), 6, 4)
	case "weight_norm", "row_scale":
		return each(int64(s.GridX)*n(0), 3, 2)
	case "weight_norm_backward", "row_scale_backward":
		return each(int64(s.GridX)*n(0), 6, 4)

	case "coupling_backward_additive":
		return each(int64(args[0]), 1, 5)
	case "permute":
		return rows(n(0), n(2), 0, 2)
	case "squeeze", "unsqueeze", "checker_pack", "checker_unpack":
		return each(n(0)*n(1)*n(2)*n(3), 0, 2)
	case "transpose":
		tiles := int64(ceil(int(n(0)), 32) * ceil(int(n(1)), 32))
		return each(int64(s.GridX)/tiles*n(0)*n(1), 0, 2)

	case "gaussian_logp":
		return each(n(0)*n(1)*n(2), 3, 1)
	case "logistic_logp":
		return each(n(0)*n(1)*n(2), 5, 1)
	case "logistic_logp_backward":
		return each(int64(args[0]), 3, 2)
	case "logit":
		return each(n(0)*n(1)*n(2), 10, 2)
	case "logit_inverse":
		return each(int64(args[0]), 6, 2)
	case "adam":
		ema := given(13)
		return each(int64(args[0]), 16+3*ema, 7+2*ema)

	case "class_affine", "class_affine_inverse":
		return each(n(0)*n(1)*n(2), 3, 2)
	case "class_affine_backward":
		return each(n(0)*n(1)*n(2), 6, 4)
	case "class_logdet":
		return each(n(0)*n(1), 1, 1)
	case "class_sums":
		return each(n(0)*n(1), 2, 2)

	case "mix_64", "mix_32", "mix_16", "mix_8":
		c, m := n(0), n(1)
		return Cost{Flops: 2 * c * c * m, Bytes: 4 * (c*c + c*given(4) + 2*c*m)}, true
	case "lu_compose":
		c := n(0)
		return Cost{Flops: 2 * c * c * c / 3, Bytes: 4 * (3*c*c + 3*c)}, true
	case "lu_invert":
		c := n(0)
		return Cost{Flops: 2 * c * c * c, Bytes: 4 * (3*c*c + 3*c)}, true
	case "lu_backward":
		c := n(0)
		return Cost{Flops: 2 * c * c * c, Bytes: 4 * (7*c*c + 5*c)}, true

	case "conv_finish":
		rows, m, splits, how := n(0), n(1), n(4), n(5)
		return each(rows*m, splits, splits+1+old(how))
	case "conv_fold":
		rows, m, splits, how := n(0), n(1), n(5), n(6)
		return each(rows*m, 9*splits, 9*splits+1+old(how))
	case "weight_finish", "turned_finish":
		return each(n(0)*n(1), n(2), n(2)+2)
	}
	switch {
	case strings.HasPrefix(name, "coupling_forward_"), strings.HasPrefix(name, "coupling_inverse_"):
		return each(n(0)*n(1)*n(2), 10, 4)
	case strings.HasPrefix(name, "coupling_backward_"):
		return each(n(0)*n(1), 20, 8)
	case strings.HasPrefix(name, "conv_forward"), strings.HasPrefix(name, "conv_data"):
		rows, channels, m, how := n(0), n(1), n(2), n(6)
		taps := tapsOf(name)
		written := rows * m * (1 + old(how))
		if s.GridY > 1 {
			written = rows * m * int64(s.GridY)
		}
		return Cost{Flops: 2 * rows * channels * taps * m, Bytes: 4 * (rows*channels*taps + channels*m + written)}, true
	case strings.HasPrefix(name, "conv_weight"):
		rows, cols, m := n(0), n(1), n(2)
		taps := tapsOf(name)
		written := 2 * rows * cols
		if s.GridY > 1 {
			written = rows * cols * int64(s.GridY)
		}
		return Cost{Flops: 2 * rows * cols * m, Bytes: 4 * (rows*m + cols/taps*m + written)}, true
	}
	return Cost{}, false
}

// old is 1 where a convolution's finish reads what it replaces: Add and Gate of enum Finish.
func old(how int64) int64 {
	if how >= 2 {
		return 1
	}
	return 0
}

// tapsOf is 9 for the kernels of a 3x3 convolution.
func tapsOf(name string) int64 {
	if strings.HasPrefix(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz_"), "3") {
		return 9
	}
	return 1
}
