package neon

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

func parse(t *testing.T, hex string) uint32 {
	t.Helper()
	v, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(v)
}

// A sample is one function of an avo program: from three registers of eight numbers it makes what is stored. The numbers of x are
// floats around 1, of y floats of both signs, of z whole ones: all ones or 0.
type sample struct {
	name string
	make func(c *build.Context, x, y, z reg.VecVirtual) reg.Register
}

// three32 is the samples of an instruction with two sources and a result.
func three32(name string, f func(c *build.Context, ops ...Op)) sample {
	return sample{name, func(c *build.Context, x, y, z reg.VecVirtual) reg.Register {
		d := c.YMM()
		f(c, x, y, d)
		return d
	}}
}

// fma is one of an instruction that changes its last operand.
func fma(name string, f func(c *build.Context, ops ...Op)) sample {
	return sample{name, func(c *build.Context, x, y, z reg.VecVirtual) reg.Register {
		d := c.YMM()
		c.VADDPS(x, x, d)
		f(c, x, y, d)
		return d
	}}
}

// numbered is the samples of an instruction whose first operand is a constant.
func numbered(name string, numbers []int, f func(c *build.Context, n Constant, x, y, z, d reg.VecVirtual)) (all []sample) {
	for _, n := range numbers {
		all = append(all, sample{fmt.Sprintf("%s%d", name, n), func(c *build.Context, x, y, z reg.VecVirtual) reg.Register {
			d := c.YMM()
			f(c, U8(uint8(n)), x, y, z, d)
			return d
		}})
	}
	return all
}

func samples() []sample {
	type context = build.Context
	all := []sample{
		three32("VADDPS", func(c *context, o ...Op) { c.VADDPS(o[0], o[1], o[2]) }),
		three32("VSUBPS", func(c *context, o ...Op) { c.VSUBPS(o[0], o[1], o[2]) }),
		three32("VMULPS", func(c *context, o ...Op) { c.VMULPS(o[0], o[1], o[2]) }),
		three32("VDIVPS", func(c *context, o ...Op) { c.VDIVPS(o[0], o[1], o[2]) }),
		three32("VMAXPS", func(c *context, o ...Op) { c.VMAXPS(o[0], o[1], o[2]) }),
		three32("VMINPS", func(c *context, o ...Op) { c.VMINPS(o[0], o[1], o[2]) }),
		three32("VPADDD", func(c *context, o ...Op) { c.VPADDD(o[0], o[1], o[2]) }),
		three32("VPSUBD", func(c *context, o ...Op) { c.VPSUBD(o[0], o[1], o[2]) }),
		three32("VPADDQ", func(c *context, o ...Op) { c.VPADDQ(o[0], o[1], o[2]) }),
		three32("VPMULLD", func(c *context, o ...Op) { c.VPMULLD(o[0], o[1], o[2]) }),
		three32("VPMULUDQ", func(c *context, o ...Op) { c.VPMULUDQ(o[0], o[1], o[2]) }),
		three32("VPMAXSD", func(c *context, o ...Op) { c.VPMAXSD(o[0], o[1], o[2]) }),
		three32("VPMINSD", func(c *context, o ...Op) { c.VPMINSD(o[0], o[1], o[2]) }),
		three32("VPCMPEQD", func(c *context, o ...Op) { c.VPCMPEQD(o[0], o[1], o[2]) }),
		three32("VPCMPGTD", func(c *context, o ...Op) { c.VPCMPGTD(o[0], o[1], o[2]) }),
		three32("VANDPS", func(c *context, o ...Op) { c.VANDPS(o[0], o[1], o[2]) }),
		three32("VPANDN", func(c *context, o ...Op) { c.VPANDN(o[0], o[1], o[2]) }),
		three32("VORPS", func(c *context, o ...Op) { c.VORPS(o[0], o[1], o[2]) }),
		three32("VXORPS", func(c *context, o ...Op) { c.VXORPS(o[0], o[1], o[2]) }),
		three32("VUNPCKLPS", func(c *context, o ...Op) { c.VUNPCKLPS(o[0], o[1], o[2]) }),
		three32("VUNPCKHPS", func(c *context, o ...Op) { c.VUNPCKHPS(o[0], o[1], o[2]) }),
		three32("VUNPCKLPD", func(c *context, o ...Op) { c.VUNPCKLPD(o[0], o[1], o[2]) }),
		three32("VUNPCKHPD", func(c *context, o ...Op) { c.VUNPCKHPD(o[0], o[1], o[2]) }),
		three32("VHADDPS", func(c *context, o ...Op) { c.VHADDPS(o[0], o[1], o[2]) }),
		three32("VSQRTPS", func(c *context, o ...Op) { c.VSQRTPS(o[0], o[2]) }),
		three32("VCVTPS2DQ", func(c *context, o ...Op) { c.VCVTPS2DQ(o[1], o[2]) }),
		three32("VCVTTPS2DQ", func(c *context, o ...Op) { c.VCVTTPS2DQ(o[1], o[2]) }),
		three32("VCVTDQ2PS", func(c *context, o ...Op) { c.VCVTDQ2PS(o[1], o[2]) }),
		fma("VFMADD231PS", func(c *context, o ...Op) { c.VFMADD231PS(o[0], o[1], o[2]) }),
		fma("VFMADD213PS", func(c *context, o ...Op) { c.VFMADD213PS(o[0], o[1], o[2]) }),
		fma("VFMADD132PS", func(c *context, o ...Op) { c.VFMADD132PS(o[0], o[1], o[2]) }),
		fma("VFMSUB231PS", func(c *context, o ...Op) { c.VFMSUB231PS(o[0], o[1], o[2]) }),
		fma("VFMSUB213PS", func(c *context, o ...Op) { c.VFMSUB213PS(o[0], o[1], o[2]) }),
		fma("VFMSUB132PS", func(c *context, o ...Op) { c.VFMSUB132PS(o[0], o[1], o[2]) }),
		fma("VFNMADD231PS", func(c *context, o ...Op) { c.VFNMADD231PS(o[0], o[1], o[2]) }),
		fma("VFNMADD213PS", func(c *context, o ...Op) { c.VFNMADD213PS(o[0], o[1], o[2]) }),
		fma("VFNMADD132PS", func(c *context, o ...Op) { c.VFNMADD132PS(o[0], o[1], o[2]) }),
		fma("VFNMSUB231PS", func(c *context, o ...Op) { c.VFNMSUB231PS(o[0], o[1], o[2]) }),
		fma("VFNMSUB213PS", func(c *context, o ...Op) { c.VFNMSUB213PS(o[0], o[1], o[2]) }),
		fma("VFNMSUB132PS", func(c *context, o ...Op) { c.VFNMSUB132PS(o[0], o[1], o[2]) }),
		{"VBLENDVPS", func(c *context, x, y, z reg.VecVirtual) reg.Register {
			d := c.YMM()
			c.VBLENDVPS(y, x, z, d)
			return d
		}},
		{"addOne", func(c *context, x, y, z reg.VecVirtual) reg.Register {
			d := c.XMM()
			c.VADDSS(x.AsX(), y.AsX(), d)
			s := c.YMM()
			c.VBROADCASTSS(d, s)
			return s
		}},
		{"crowd", crowd},
		{"uniformThenNot", func(c *context, x, y, z reg.VecVirtual) reg.Register {
			d, e := c.YMM(), c.YMM()
			c.VBROADCASTSS(x.AsX(), d)
			c.VMULPS(d, d, e)
			c.VFMADD231PS(d, e, e)
			c.VFMADD213PS(y, d, e)
			return e
		}},
		{"backAndForth", func(c *context, x, y, z reg.VecVirtual) reg.Register {
			g, d := c.GP64(), c.XMM()
			c.VMOVQ(y.AsX(), g)
			c.ADDQ(U8(7), g)
			c.VMOVQ(g, d)
			s := c.YMM()
			c.VBROADCASTSS(d, s)
			return s
		}},
		{"counts", counts},
	}
	all = append(all, numbered("VROUNDPS", []int{8, 9, 10, 11}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VROUNDPS(n, y, d) })...)
	all = append(all, numbered("VCMPPS", []int{0, 1, 2, 3, 4, 5, 6, 7, 0x1d, 0x1e}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VCMPPS(n, x, y, d) })...)
	all = append(all, numbered("VPSLLD", []int{1, 23, 31}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VPSLLD(n, y, d) })...)
	all = append(all, numbered("VPSRLD", []int{1, 23, 31}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VPSRLD(n, y, d) })...)
	all = append(all, numbered("VPSRAD", []int{1, 23, 31}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VPSRAD(n, y, d) })...)
	all = append(all, numbered("VPSLLQ", []int{1, 32, 63}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VPSLLQ(n, y, d) })...)
	all = append(all, numbered("VPSRLQ", []int{1, 32, 63}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VPSRLQ(n, y, d) })...)
	all = append(all, numbered("VPERM2F128", []int{0x01, 0x20, 0x31, 0x13, 0x02}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) {
		c.VADDPS(x, x, d)
		c.VPERM2F128(n, y, d, d)
	})...)
	all = append(all, numbered("VPERMPD", []int{0xd8, 0x4e, 0xb1, 0x1b, 0x39}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VPERMPD(n, y, d) })...)
	all = append(all, numbered("VPSHUFD", []int{0x4e, 0xb1, 0x88, 0xdd, 0x1b, 0x00, 0x93}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VPSHUFD(n, y, d) })...)
	all = append(all, numbered("VSHUFPS", []int{0x4e, 0xb1, 0x88, 0xdd, 0x1b, 0x72}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VSHUFPS(n, x, y, d) })...)
	all = append(all, numbered("VPBLENDD", []int{0xaa, 0x0f, 0x91}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) { c.VPBLENDD(n, x, y, d) })...)
	all = append(all, numbered("halves", []int{0, 1}, func(c *context, n Constant, x, y, z, d reg.VecVirtual) {
		h := c.XMM()
		c.VEXTRACTF128(n, y, h)
		c.VINSERTF128(n, h, x, d)
	})...)
	return all
}

// crowd holds as many values at once as AVX2 has registers for: some more than NEON has, where a selection needs one of its own.
func crowd(c *build.Context, x, y, z reg.VecVirtual) reg.Register {
	v := []reg.VecVirtual{x, y}
	for i := range 12 {
		d := c.YMM()
		c.VADDPS(x, y, d)
		for range i % 3 {
			c.VMULPS(x, d, d)
		}
		v = append(v, d)
	}
	sum := c.YMM()
	c.VXORPS(sum, sum, sum)
	for i := range v {
		c.VFMADD231PS(v[i], v[(i*5+3)%len(v)], sum)
		c.VBLENDVPS(z, v[(i+1)%len(v)], sum, sum)
	}
	return sum
}

// counts adds in loops and on conditions, for the instructions on whole numbers.
func counts(c *build.Context, x, y, z reg.VecVirtual) reg.Register {
	i, sum, odd, at := c.GP64(), c.GP64(), c.GP64(), c.GP64()
	c.XORQ(sum, sum)
	c.MOVQ(I32(-3), i)
	c.Label("counting")
	c.LEAQ(Mem{Base: sum, Index: i, Scale: 4, Disp: 5}, sum)
	c.MOVQ(i, odd)
	c.ANDQ(I32(1), odd)
	c.CMOVQNE(i, sum)
	c.MOVQ(sum, at)
	c.NEGQ(at)
	c.CMPQ(at, sum)
	c.CMOVQGT(at, sum)
	c.INCQ(i)
	c.CMPQ(i, U8(9))
	c.JLT(LabelRef("counting"))
	c.SHLQ(U8(3), sum)
	c.SUBQ(i, sum)
	c.TESTQ(U32(8), sum)
	c.JZ(LabelRef("even"))
	c.ORQ(i, sum)
	c.Label("even")
	d := c.XMM()
	c.VMOVQ(sum, d)
	s := c.YMM()
	c.VBROADCASTSS(d, s)
	return s
}

// program writes the samples' assembly. Each ends with masked loads and stores: z says which lanes of the result are stored, and
// which of x are added to it.
func program(t *testing.T, path, tag string, compile pass.Interface, all []sample) {
	t.Helper()
	c := build.NewContext()
	c.ConstraintExpr(tag)
	for _, s := range all {
		c.Function(s.name)
		c.Attributes(attr.NOSPLIT)
		c.SignatureExpr("func(x, y, z, d []float32)")
		x, y, z, some := c.YMM(), c.YMM(), c.YMM(), c.YMM()
		px := c.Load(c.Param("x").Base(), c.GP64())
		c.VMOVUPS(Mem{Base: px}, x)
		c.VMOVUPS(Mem{Base: c.Load(c.Param("y").Base(), c.GP64())}, y)
		c.VMOVUPS(Mem{Base: c.Load(c.Param("z").Base(), c.GP64())}, z)
		d := s.make(c, x, y, z)
		out := c.Load(c.Param("d").Base(), c.GP64())
		c.VMOVUPS(d, Mem{Base: out})
		c.VMASKMOVPS(Mem{Base: px}, z, some)
		c.VORPS(some, d, some)
		c.VMASKMOVPS(some, z, Mem{Base: out, Disp: 32})
		c.VZEROUPPER()
		c.RET()
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	config := &build.Config{ErrOut: &said, Passes: []pass.Interface{compile,
		&pass.Output{Writer: file, Printer: printer.NewGoAsm(printer.Config{Argv: []string{"test"}, Pkg: "main"})}}}
	if build.Main(config, c) != 0 {
		t.Fatalf("%s: %s", tag, said.String())
	}
}

const mainText = `
// lanes fills x with numbers of a sequence, by f.
func lanes(seed uint32, f func(v uint32) uint32) []float32 {
	x := make([]float32, 8)
	for i := range x {
		seed = seed*1664525 + 1013904223
		x[i] = math.Float32frombits(f(seed >> 4))
	}
	return x
}

func main() {
	for seed := range uint32(40) {
		x := lanes(seed, func(v uint32) uint32 { return 0x3f800000 + v>>5 })
		y := lanes(seed+100, func(v uint32) uint32 { return v&1<<31 | 0x3f000000 + v>>4 })
		z := lanes(seed+200, func(v uint32) uint32 { return -(v >> 9 & 1) })
		copy(y, x[:seed%3]) // some are equal
		if seed == 0 {
			z = lanes(0, func(uint32) uint32 { return 1<<32 - 1 })
		}
		for _, s := range samples {
			d := make([]float32, 18)
			s.run(x, y, z, d)
			fmt.Print(s.name)
			for _, v := range d {
				if v != v {
					fmt.Print(" nan")
				} else {
					fmt.Printf(" %08x", math.Float32bits(v))
				}
			}
			fmt.Println()
		}
	}
}
`

// Programs do the same on amd64, as avo compiles them, and on arm64, as this package does: every instruction that is known here,
// bit by bit.
func TestSameAsOnAMD64(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the comparison needs a machine with AVX2")
	}
	emulator := tool(t, "qemu-aarch64", "qemu-user")
	dir, all := t.TempDir(), samples()
	program(t, filepath.Join(dir, "k_amd64.s"), "amd64", pass.Compile, all)
	arm := filepath.Join(dir, "k_arm64.s")
	program(t, arm, "arm64", Compile("constants"), all)
	if code, err := os.ReadFile(arm); err != nil || !strings.Contains(string(code), "[sp, #") {
		t.Errorf("no sample uses the stack: %v", err)
	}
	var src, table strings.Builder
	for _, s := range all {
		fmt.Fprintf(&src, "func %s(x, y, z, d []float32)\n", s.name)
		fmt.Fprintf(&table, "\t{%q, %s},\n", s.name, s.name)
	}
	text := "package main\n\nimport (\n\t\"fmt\"\n\t\"math\"\n)\n\n" + src.String() +
		"\nvar samples = []struct {\n\tname string\n\trun func(x, y, z, d []float32)\n}{\n" + table.String() + "}\n" + mainText
	for name, text := range map[string]string{"main.go": text, "go.mod": "module same\n\ngo 1.26\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var outputs [2][]string
	for i, arch := range []string{"amd64", "arm64"} {
		binary := filepath.Join(dir, arch)
		run(t, "env", "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOWORK=off", "go", "build", "-C", dir, "-o", binary, ".")
		if arch == "arm64" {
			outputs[i] = strings.Split(run(t, emulator, binary), "\n")
		} else {
			outputs[i] = strings.Split(run(t, binary), "\n")
		}
	}
	if len(outputs[0]) != 40*len(all)+1 {
		t.Fatalf("%d lines for %d samples", len(outputs[0]), len(all))
	}
	bad := map[string]bool{}
	for i, want := range outputs[0] {
		name, _, _ := strings.Cut(want, " ")
		if got := outputs[1][min(i, len(outputs[1])-1)]; got != want && !bad[name] {
			bad[name] = true
			t.Errorf("arm64 has  %s\namd64 has %s", got, want)
		}
	}
}
