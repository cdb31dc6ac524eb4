package device_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"
	"cuflow/kernels"
	"cuflow/kernels/ptx"
)

// opener opens a gpu Backend over the interpreter, with every checker on; figures by kernel are added to stats.
func opener(target kernels.Target, precision string, stats map[string]*ptx.Stats) devicetest.Open {
	return func() (device.Backend, error) {
		return device.NewGPU(device.NewSim(device.SimConfig{Target: target, Stats: stats}), precision)
	}
}

// TestSim holds every op to the truth table of package devicetest, on the PTX that ships and through the launches that ship: float64
// formulas, odd sizes, operands off 16-byte boundaries, guard words, the same bits twice; and the interpreter watches every
// access. Both targets, every precision; each tile of the convolutions has its turn, and at the end every kernel must have run.
func TestSim(t *testing.T) {
	t.Parallel()
	targets(t, func(t *testing.T, target kernels.Target) {
		figures := map[string]*ptx.Stats{}
		small := smallCases()
		var convs, some []devicetest.Case
		for _, c := range small {
			if strings.HasPrefix(c.Method, "Conv") {
				convs = append(convs, c)
				if tileCase.MatchString(c.Name) {
					some = append(some, c)
				}
			}
		}
		if len(some) == 0 {
			t.Fatal("no case for the tiles of convolutions")
		}
		devicetest.RunCases(t, opener(target, "fp32", figures), small, 1, 4)
		for _, p := range precisions[target] {
			if p.unit > 0 {
				t.Run(p.name, func(t *testing.T) { devicetest.RunCases(t, opener(target, p.name, figures), p.loosen(convs), 1, 4) })
			}
			for i := range 3 {
				t.Run(fmt.Sprintf("%s tile %d", p.name, i), func(t *testing.T) {
					devicetest.RunCases(t, func() (device.Backend, error) {
						be, err := opener(target, p.name, figures)()
						if err == nil {
							device.PickTile(be, i)
						}
						return be, err
					}, p.loosen(some), 1)
				})
			}
		}
		t.Run("wide mixes", func(t *testing.T) {
			be, err := opener(target, "fp32", figures)()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []int{130, 257, 515} {
				mixAgrees(t, be, c, 37)
			}
		})
		t.Run("bytes", func(t *testing.T) {
			be, err := opener(target, "fp32", figures)()
			if err != nil {
				t.Fatal(err)
			}
			x, err := be.Alloc(300)
			if err != nil {
				t.Fatal(err)
			}
			be.(device.ByteUploader).UploadBytes(x, make([]byte, 300)) // see TestUploads for what comes of it
			if err := be.Sync(); err != nil {
				t.Error(err)
			}
		})
		report(t, target, figures)
	})
}

// smallCases are those that are not of the sizes of models, which are too many instructions for a test; and of whole stacks, which
// here are convolutions one after the other, those that are not of several of a CPU's tiles.
func smallCases() []devicetest.Case {
	return slices.DeleteFunc(devicetest.Cases(), func(c devicetest.Case) bool {
		return c.Bench || strings.HasPrefix(c.Method, "Stack") && c.Flops > 1e6
	})
}

// targets runs a test on the PTX of each target, beside the other.
func targets(t *testing.T, f func(t *testing.T, target kernels.Target)) {
	for _, target := range []kernels.Target{kernels.Compute70, kernels.Compute80} {
		t.Run("compute_"+string(target), func(t *testing.T) {
			t.Parallel()
			f(t, target)
		})
	}
}

// tileCase are cases with rows and columns beyond the small tiles, or a sum that is shared out.
var tileCase = regexp.MustCompile(`17->33 k3|64->48 k1`)

// rounding is what a precision does to factors: to nearest, so that an error is at most unit of the factor.
type rounding struct {
	name string
	unit float64
}

var precisions = map[kernels.Target][]rounding{
	kernels.Compute70: {{"fp32", 0}},
	kernels.Compute80: {{"fp32", 0}, {"tf32", 0x1p-11}, {"bf16", 0x1p-8}},
}

// loosen gives cases the tolerance of their factors' rounding.
func (p rounding) loosen(cases []devicetest.Case) []devicetest.Case {
	if p.unit == 0 {
		return cases
	}
	cases = slices.Clone(cases)
	for i := range cases {
		if strings.HasPrefix(cases[i].Method, "ConvForward") || strings.HasPrefix(cases[i].Method, "ConvBackward") {
			cases[i].Tol = devicetest.Tol{RMS: 4 * p.unit, Abs: 4 * p.unit, Why: "two roundings of at most a unit, most of them less, in each " +
				"term of a sum whose terms cancel to their root mean square: an error above 4 units of that is many standard deviations"}
		}
	}
	return cases
}

// mixAgrees holds MixForward and MixBackward of c channels to the reference: the table's cases end at 128.
func mixAgrees(t *testing.T, be device.Backend, c, m int) {
	r := rand.New(rand.NewPCG(uint64(c), uint64(m)))
	operands := [][]float32{random(r, c*c), random(r, c), random(r, c*m), random(r, c*m), random(r, c*c)}
	var results [2][][]float32
	for i, be := range []device.Backend{be, devicetest.Reference()} {
		var b []device.Buffer
		for _, v := range operands {
			buf, err := be.Alloc(len(v))
			if err != nil {
				t.Fatal(err)
			}
			be.Upload(buf, v)
			b = append(b, buf)
		}
		be.MixForward(c, m, b[0], b[1], b[2])
		be.MixBackward(c, m, b[0], b[2], b[3], b[4])
		for _, buf := range b {
			v := make([]float32, buf.Len())
			if err := be.Download(v, buf); err != nil {
				t.Fatal(err)
			}
			results[i] = append(results[i], v)
		}
	}
	for i, want := range results[1] {
		scale, worst := 0.0, 0.0
		for j, w := range want {
			scale = max(scale, math.Abs(float64(w)))
			worst = max(worst, math.Abs(float64(w)-float64(results[0][i][j])))
		}
		if worst > 1e-5*scale { // sums of c products; da is a sum of m products of such sums
			t.Errorf("%d channels: operand %d is off by %g of %g", c, i, worst, scale)
		}
	}
}

func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// report fails for kernels that never ran, and for those of much shared memory whose accesses meet in a bank; and it prints the
// figures of all.
func report(t *testing.T, target kernels.Target, figures map[string]*ptx.Stats) {
	for _, k := range kernels.Table(target) {
		f := figures[k.Name]
		if f == nil || f.Instructions == 0 {
			t.Errorf("%s never ran", k.Name)
			continue
		}
		switch k.Family {
		case "conv", "tensor", "mix", "shape":
			if f.BankConflicts > 0 {
				t.Errorf("%s: %d bank conflicts", k.Name, f.BankConflicts)
			}
		}
		t.Logf("%-28s %12d lane instructions  bytes asked / bytes moved %.2f  bank conflicts %d in %d accesses", k.Name, f.LaneInstructions,
			float64(f.GlobalBytes)/float64(32*max(1, f.GlobalSectors)), f.BankConflicts, f.SharedAccesses)
	}
}

// TestMemoryTraffic runs shapes that models have, whose rows start on 16-byte boundaries: warps then ask for whole sectors of 32
// bytes, and banks of shared memory do not conflict.
func TestMemoryTraffic(t *testing.T) {
	t.Parallel()
	var cases []devicetest.Case
	for _, c := range devicetest.Cases() {
		conv := strings.HasPrefix(c.Method, "Conv")
		switch {
		case !c.Bench || strings.Contains(c.Name, "n=262145"): // an odd length: rows off the boundary
		case strings.HasPrefix(c.Method, "MixForward") || strings.HasPrefix(c.Method, "MixBackward") || strings.HasPrefix(c.Method, "LU"):
		case strings.HasPrefix(c.Method, "MaskedNet"): // too many instructions; most are those of the ops of single layers
		case conv && !strings.Contains(c.Name, "n64 4x4"): // the smallest: the rest are millions of instructions
		default:
			cases = append(cases, c)
		}
	}
	figures := map[string]*ptx.Stats{}
	devicetest.RunCases(t, opener(kernels.Compute80, "fp32", figures), cases)
	for _, k := range kernels.Table(kernels.Compute80) {
		f := figures[k.Name]
		if f == nil {
			continue
		}
		filled := float64(f.GlobalBytes) / float64(32*f.GlobalSectors) // above 1 where lanes read the same word
		t.Logf("%-28s bytes asked / bytes moved %.2f, bank conflicts %d", k.Name, filled, f.BankConflicts)
		least := 0.9
		if l, ok := unfilled[k.Name]; ok {
			least = l
		}
		if filled < least || f.BankConflicts > 0 {
			t.Errorf("%s: want at least %.2f and no conflict", k.Name, least)
		}
	}
}

// unfilled are the kernels that leave sectors unfilled, and how far they may.
var unfilled = map[string]float64{
	// A warp adds up the few parts of a row: a handful of words in all.
	"row_sums": 0.1, "row_pairs": 0.25, "scaled_squares": 0.1, "dots": 0.1, "channel_stats": 0.15, "actnorm_init": 0.15, "class_sums": 0.4,
	"planar_finish": 0.7, "radial_finish": 0.7,
	// The parameters of the components of a few channels: some kilobytes in all.
	"cdf_parts": 0.6,
	// Only one side of a matrix's diagonal is touched, and rows of 17 begin anywhere.
	"sylvester_fold": 0.5, "sylvester_fold_backward": 0.35,
	// Rows of a packed triangle begin anywhere; a sample is placed by the parameters of its own component, one sample beside another.
	"triangle_backward": 0.8, "mixture_place": 0.5, "mixture_place_full": 0.4,
	// Rows of weights of as many dimensions as a table has columns begin anywhere.
	"masked_data": 0.75,
	// A tap shifts a row by a pixel, off the sector's boundary. What is asked twice comes from the cache.
	"conv_forward3_flat": 0.7, "conv_data3_flat": 0.7, "conv_fold": 0.7,
	// Rows of 9 taps or 9 times a few channels start anywhere.
	"conv_data1_strip": 0.8, "conv_weight1_tall": 0.8, "turned_finish": 0.7,
	// The matrices of a small net are turned round once an op: some kilobytes, from the cache.
	"field_turn": 0.2, "field_add": 0.8,
	// Tokens and pixels are picked by an index: neighbours in one row may be far apart in the other.
	"gather": 0.7, "scatter": 0.7,
}
