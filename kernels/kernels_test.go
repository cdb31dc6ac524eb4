package kernels_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"
	"cuflow/kernels"
	"cuflow/kernels/ptx"
)

// TestOps holds every op to the truth table of package devicetest: float64 formulas, odd sizes, operands off 16-byte
// boundaries, guard words, the same bits twice; and the interpreter watches every access. Each tile of the convolutions
// has its turn, and at the end every kernel of the table must have run.
func TestOps(t *testing.T) {
	targets(t, func(t *testing.T, target kernels.Target) {
		if target != kernels.Compute80 && sameCode(t, target, kernels.Compute80) {
			t.Logf("compute_%s is the same code as compute_80, on which the table runs", target)
			return
		}
		figures := map[string]*ptx.Stats{}
		with := func(change func(m *machine)) func() (device.Backend, error) {
			return func() (device.Backend, error) {
				m, err := open(target)
				if err != nil {
					return nil, err
				}
				m.stats = figures
				change(m)
				return m, nil
			}
		}
		var small, some []devicetest.Case
		for _, c := range devicetest.Cases() {
			if c.Bench { // sizes of models: too many instructions for a test
				continue
			}
			small = append(small, c)
			if strings.HasPrefix(c.Method, "Conv") && tileCase.MatchString(c.Name) {
				some = append(some, c)
			}
		}
		if len(some) == 0 {
			t.Fatal("no case for the tiles of convolutions")
		}
		devicetest.RunCases(t, with(func(*machine) {}), small, 1, 4)
		for _, p := range precisions[target] {
			for i := range 3 {
				t.Run(fmt.Sprintf("tile %d%s", i, p.Precision), func(t *testing.T) {
					devicetest.RunCases(t, with(func(m *machine) {
						m.precision = p.Precision
						m.convTile = func(p kernels.Precision, op string, k, rows, steps, cols int) kernels.Tile {
							return kernels.ConvTiles(p, op, k, rows, steps, cols)[i]
						}
						m.weightTile = func(p kernels.Precision, k, rows, cols, m int) kernels.Tile {
							tiles := kernels.WeightTiles(p, k, rows, cols, m)
							return tiles[min(i, len(tiles)-1)]
						}
					}), p.loosen(some), 1)
				})
			}
		}
		t.Run("wide mixes", func(t *testing.T) {
			be, err := with(func(*machine) {})()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []int{130, 257, 515} {
				mixAgrees(t, be, c, 37)
			}
		})
		report(t, target, figures)
	})
}

// tileCase are cases with rows and columns beyond the small tiles, or a sum that is shared out.
var tileCase = regexp.MustCompile(`17->33 k3|64->48 k1`)

// rounding is what a precision does to factors: to nearest, so that an error is at most unit of the factor.
type rounding struct {
	kernels.Precision
	unit float64
}

var precisions = map[kernels.Target][]rounding{
	kernels.Compute70: {{kernels.FP32, 0}},
	kernels.Compute80: {{kernels.FP32, 0}, {kernels.TF32, 0x1p-11}, {kernels.BF16, 0x1p-8}},
}

// loosen gives cases the tolerance of their factors' rounding.
func (p rounding) loosen(cases []devicetest.Case) []devicetest.Case {
	if p.unit == 0 {
		return cases
	}
	cases = slices.Clone(cases)
	for i := range cases {
		cases[i].Tol = devicetest.Tol{RMS: 4 * p.unit, Abs: 4 * p.unit, Why: "two roundings of at most a unit, most of them less, in each " +
			"term of a sum whose terms cancel to their root mean square: an error above 4 units of that is many standard deviations"}
	}
	return cases
}

// sameCode says whether two targets' modules differ in nothing but their names.
func sameCode(t *testing.T, a, b kernels.Target) bool {
	for _, k := range kernels.Table(a) {
		x, err1 := kernels.Module(k.Family, a)
		y, err2 := kernels.Module(k.Family, b)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		_, x, _ = strings.Cut(x, ".target sm_"+string(a))
		_, y, _ = strings.Cut(y, ".target sm_"+string(b))
		if x != y {
			return false
		}
	}
	return true
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

// TestSourceIsCompiled: each PTX names the hash of the source that it was compiled from, and the compiler.
func TestSourceIsCompiled(t *testing.T) {
	sources, err := filepath.Glob("*.cu")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	headers, err := filepath.Glob("*.cuh")
	if err != nil {
		t.Fatal(err)
	}
	targets(t, func(t *testing.T, target kernels.Target) {
		for _, cu := range sources {
			h := sha256.New()
			for _, f := range append([]string{cu}, headers...) {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				h.Write(b)
			}
			family := strings.TrimSuffix(cu, ".cu")
			if !slices.ContainsFunc(kernels.Table(target), func(k kernels.Kernel) bool { return k.Family == family }) {
				if target == kernels.Compute80 {
					t.Errorf("no kernel of %s is in the table", cu)
				}
				continue
			}
			text, err := kernels.Module(family, target)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, want := range []string{
				fmt.Sprintf("// Written by scripts/kernels from %s.", cu),
				fmt.Sprintf("// source sha256 %x\n", h.Sum(nil)),
				fmt.Sprintf("// compiler NVRTC 12.1.105 compute_%s\n", target),
				fmt.Sprintf(".target sm_%s\n", target),
			} {
				if !strings.Contains(text, want) {
					t.Errorf("%s has no %q: run scripts/kernels", cu, want)
				}
			}
		}
	})
}

var entry = regexp.MustCompile(`(?s)\.entry (\w+)\((.*?)\)`)
var param = regexp.MustCompile(`\.param \.(\w+) `)

// TestTable: the table names every entry of every module, with its arguments; and the interpreter knows every opcode.
func TestTable(t *testing.T) {
	targets(t, func(t *testing.T, target kernels.Target) {
		if _, err := parsed[target](); err != nil {
			t.Fatal(err)
		}
		args := map[string]string{} // by family.kernel
		families := map[string]bool{}
		for _, k := range kernels.Table(target) {
			args[k.Family+"."+k.Name] = k.Args
			families[k.Family] = true
		}
		files, err := filepath.Glob("*_" + string(target) + ".ptx")
		if err != nil || len(files) != len(families) {
			t.Errorf("%d families in the table, %d files: %v", len(families), len(files), err)
		}
		for family := range families {
			text, err := kernels.Module(family, target)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range entry.FindAllStringSubmatch(text, -1) {
				name := family + "." + m[1]
				want, ok := args[name]
				if !ok {
					t.Errorf("%s is not in the table", name)
					continue
				}
				delete(args, name)
				var got []string
				for _, p := range param.FindAllStringSubmatch(m[2], -1) {
					got = append(got, p[1])
				}
				var types []string
				for _, letter := range want {
					types = append(types, map[rune]string{'p': "u64", 'l': "u64", 'i': "u32", 'f': "f32"}[letter])
				}
				if strings.Join(got, " ") != strings.Join(types, " ") {
					t.Errorf("%s takes %v, the table says %s", name, got, want)
				}
			}
		}
		for name := range args {
			t.Errorf("%s is in the table and in no module", name)
		}
	})
}

func TestModuleOfNothing(t *testing.T) {
	if _, err := kernels.Module("none", kernels.Compute80); err == nil {
		t.Error("a module that does not exist was found")
	}
}
