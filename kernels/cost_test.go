package kernels_test

import (
	"math"
	"slices"
	"testing"

	"cuflow/kernels"
)

// costed are the families whose kernels all have a cost.
var costed = []string{"memory", "reduce", "noise", "actnorm", "norm", "coupling", "shape", "prior", "classes", "adam", "mix", "lu", "conv", "tensor"}

func TestEveryKernelHasACost(t *testing.T) {
	for _, k := range kernels.Table(kernels.Compute80) {
		args := slices.Repeat([]uint64{1}, len(k.Args))
		c, ok := kernels.CostOf(k.Name, kernels.One(), args)
		if !ok {
			if slices.Contains(costed, k.Family) {
				t.Errorf("%s has none", k.Name)
			}
			continue
		}
		if c.Flops < 0 || c.Bytes <= 0 {
			t.Errorf("%s: %+v", k.Name, c)
		}
	}
	if _, ok := kernels.CostOf("none", kernels.One(), nil); ok {
		t.Error("a kernel that does not exist has a cost")
	}
}

// TestCosts holds figures to the formulas beside the kernels, worked out by hand.
func TestCosts(t *testing.T) {
	conv := func(rows, channels, m, how uint64) []uint64 {
		return []uint64{rows, channels, m, 1, 1, 64, how, 1, 1, 1, 1, 0}
	}
	for _, c := range []struct {
		name string
		s    kernels.Shape
		args []uint64
		want kernels.Cost
	}{
		{"axpy", kernels.Flat(1000), []uint64{1000, 0, 1, 1}, kernels.Cost{Flops: 2000, Bytes: 12000}},
		{"adam", kernels.Flat(10), []uint64{10, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0}, kernels.Cost{Flops: 160, Bytes: 280}},
		{"adam", kernels.Flat(10), []uint64{10, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1}, kernels.Cost{Flops: 190, Bytes: 360}},
		{"actnorm", kernels.Shape{GridX: 12}, []uint64{5000, 4096, 2, 1, 1, 1}, kernels.Cost{Flops: 60000, Bytes: 240000}}, // 6 rows in 2 tiles
		{"mix_64", kernels.Shape{GridX: 4}, []uint64{3, 100, 0, 1, 0, 1}, kernels.Cost{Flops: 1800, Bytes: 4 * (9 + 600)}},
		{"conv_forward1_big_bf16", kernels.Shape{GridX: 2, GridY: 1}, conv(4, 3, 10, 1), kernels.Cost{Flops: 240, Bytes: 4 * (12 + 30 + 40), Precision: kernels.BF16}},
		{"conv_data3_flat", kernels.Shape{GridX: 1, GridY: 1}, conv(4, 3, 10, 2), kernels.Cost{Flops: 9 * 240, Bytes: 4 * (108 + 30 + 80)}},  // reads what it adds to
		{"conv_data3_flat", kernels.Shape{GridX: 1, GridY: 3}, conv(4, 3, 10, 2), kernels.Cost{Flops: 9 * 240, Bytes: 4 * (108 + 30 + 120)}}, // leaves three parts
		{"conv_weight3_tall_tf32", kernels.Shape{GridX: 1, GridY: 1}, []uint64{4, 27, 10, 1, 10, 64, 0, 1, 1, 1, 1, 0}, // x has 3 channels
			kernels.Cost{Flops: 2 * 4 * 27 * 10, Bytes: 4 * (40 + 30 + 216), Precision: kernels.TF32}},
	} {
		if got, ok := kernels.CostOf(c.name, c.s, c.args); !ok || got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestRoofline(t *testing.T) {
	p := kernels.H200()
	for _, c := range []struct {
		cost       kernels.Cost
		seconds    float64
		arithmetic bool
	}{
		{kernels.Cost{Flops: 60e9, Bytes: 4.3e6}, 1e-3, true},
		{kernels.Cost{Flops: 60e9, Bytes: 4.3e9, Precision: kernels.TF32}, 1e-3, false},
		{kernels.Cost{Flops: 790e9, Bytes: 4.3e6, Precision: kernels.BF16}, 1e-3, true},
	} {
		if s, a := p.Roofline(c.cost); math.Abs(s-c.seconds) > 1e-9 || a != c.arithmetic {
			t.Errorf("%+v: %g s, arithmetic %v", c.cost, s, a)
		}
	}
	if i := (kernels.Cost{Flops: 6, Bytes: 4}).Intensity(); i != 1.5 {
		t.Errorf("intensity %g", i)
	}
}
