package ptx

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

func TestArguments(t *testing.T) {
	m, err := Parse("args.ptx", `.version 8.1
.target sm_80
.entry args(.param .u64 out, .param .u32 a, .param .u8 b, .param .align 8 .b8 c[12], .param .f32 d)
.maxntid 64, 1, 1
{
	.reg .b64 %o; .reg .b32 %r<5>; .reg .f32 %f;
	ld.param.u64 %o, [out]; ld.param.u32 %r0, [a]; ld.param.u8 %r1, [b]; ld.param.u32 %r2, [c+4]; ld.param.u32 %r3, [c+8]; ld.param.f32 %f, [d];
	st.global.v4.u32 [%o], {%r0, %r1, %r2, %r3}; st.global.f32 [%o+16], %f;
}
.entry exact() .reqntid 32 { ret; }`)
	if err != nil {
		t.Fatal(err)
	}
	k := kernel(t, m, "args")
	mem := NewMemory(1<<20, true)
	out := room(t, mem, 20)
	one := [3]int{1, 1, 1}
	good := []uint64{out, ^uint64(6), 0xfe, 5 << 32, 6, bitsArg(1.5)}
	if err := k.Run(mem, Launch{Grid: one, Block: one, Args: good, ArgSizes: []int{8, 4, 1, 12, 4}}, Options{Check: true}); err != nil {
		t.Fatal(err)
	}
	got, err := mem.Bytes(out, 20)
	if want := []byte{0xf9, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0xc0, 0x3f}; err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x %v, want %x", got, err, want)
	}
	with := func(i int, v uint64) []uint64 {
		a := append([]uint64(nil), good...)
		a[i] = v
		return a
	}
	for _, c := range []struct {
		kernel string
		l      Launch
		want   string
	}{
		{"args", Launch{Grid: one, Block: one, Args: good[:5]}, "takes 6 arguments, the launch has 5"},
		{"args", Launch{Grid: one, Block: one, Args: with(1, out)}, "parameter 1 (a) is of 4 bytes, too few for 0x7f"},
		{"args", Launch{Grid: one, Block: one, Args: with(2, 256)}, "parameter 2 (b) is of 1 bytes, too few for 0x100"},
		{"args", Launch{Grid: one, Block: one, Args: good, ArgSizes: []int{8, 4, 1, 12, 8}}, "parameter 4 (d) is of 4 bytes, the launch gives 8"},
		{"args", Launch{Grid: one, Block: one, Args: good, ArgSizes: []int{8, 4}}, "sizes of 2"},
		{"args", Launch{Grid: one, Block: [3]int{65, 1, 1}, Args: good}, "more than 64 threads"},
		{"args", Launch{Grid: one, Block: [3]int{0, 1, 1}, Args: good}, "block [0 1 1]"},
		{"args", Launch{Grid: [3]int{1, 1 << 16, 1}, Block: one, Args: good}, "grid [1 65536 1]"},
		{"args", Launch{Grid: [3]int{1 << 30, 4, 1}, Block: one, Args: good}, "too large"},
		{"args", Launch{Grid: one, Block: one, Args: good, Shared: 1 << 20}, "shared memory"},
		{"args", Launch{Grid: one, Block: one, Args: good, Shared: -1}, "shared memory"},
		{"exact", Launch{Grid: one, Block: one}, ".reqntid says [32 1 1]"},
	} {
		if err := kernel(t, m, c.kernel).Run(mem, c.l, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.l, err, c.want)
		}
	}
}

func TestSpecialRegisters(t *testing.T) {
	names := []string{"tid.x", "tid.y", "tid.z", "ntid.x", "ntid.y", "ntid.z", "ctaid.x", "ctaid.y", "ctaid.z", "nctaid.x", "nctaid.y", "nctaid.z",
		"laneid", "warpid", "nwarpid", "lanemask_eq", "lanemask_le", "lanemask_lt", "lanemask_ge", "lanemask_gt", "dynamic_smem_size", "total_smem_size"}
	for i, name := range names {
		m, err := Parse("special.ptx", `.version 8.1
.target sm_80
.entry special(.param .u64 out) {
	.reg .b64 %o; .reg .b32 %r<9>; .reg .pred %p; .shared .b8 s[100];
	mov.u32 %r0, %tid.x; mov.u32 %r1, %tid.y; mov.u32 %r2, %tid.z; mad.lo.u32 %r0, %r2, 15, %r0; mad.lo.u32 %r0, %r1, 5, %r0; setp.ne.u32 %p, %r0, 41;
	mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ctaid.y; mov.u32 %r5, %ctaid.z; mad.lo.u32 %r3, %r4, 2, %r3; mad.lo.u32 %r3, %r5, 8, %r3; setp.ne.or.u32 %p, %r3, 13, %p;
	@%p bra end; ld.param.u64 %o, [out]; mov.u32 %r6, %`+name+`; st.global.u32 [%o], %r6; end: ret;
}`)
		if err != nil {
			t.Fatal(err)
		}
		mem := NewMemory(1<<20, true)
		out := room(t, mem, 4)
		l := Launch{Grid: [3]int{2, 4, 3}, Block: [3]int{5, 3, 4}, Shared: 64, Args: []uint64{out}}
		if err := kernel(t, m, "special").Run(mem, l, Options{Check: true, Races: true}); err != nil {
			t.Fatal(err)
		}
		got := bitsArg(download(t, mem, out, 1)[0])
		want := []uint64{1, 2, 2, 5, 3, 4, 1, 2, 1, 2, 4, 3, 9, 1, 2, 1 << 9, 1<<10 - 1, 1<<9 - 1, 0xfffffe00, 0xfffffc00, 64, 192}[i]
		if got != want {
			t.Errorf("%%%s = %d, want %d", name, got, want)
		}
	}
}

// TestWorkers holds that results do not depend on how many blocks run at a time, nor does which fault is reported.
func TestWorkers(t *testing.T) {
	const n = 128
	k := kernel(t, compiled(t), "gemm_f32")
	r := rand.New(rand.NewPCG(1, 2))
	a, b := normal(r, n*n), normal(r, n*n)
	var first []float32
	for _, workers := range []int{1, 2, 5} {
		mem := NewMemory(1<<24, true)
		pa, pb, pc := upload(t, mem, a), upload(t, mem, b), room(t, mem, 4*n*n)
		l := Launch{Grid: [3]int{n / 64, n / 64, 1}, Block: [3]int{256, 1, 1}, Args: []uint64{pc, pa, pb, 0, n, n, n}}
		if err := k.Run(mem, l, Options{Workers: workers}); err != nil {
			t.Fatal(err)
		}
		c := download(t, mem, pc, n*n)
		if first == nil {
			first = c
		}
		for i := range c {
			if c[i] != first[i] {
				t.Fatalf("%d workers: c[%d] = %v, with one %v", workers, i, c[i], first[i])
			}
		}
	}
	p := program{threads: 1, blocks: 50, body: `mov.u32 %r1, %ctaid.x; setp.lt.u32 %p1, %r1, 17; @%p1 ret; trap;`}
	for range 20 {
		_, err := p.run(t, Options{Workers: 4})
		var f *Fault
		if !errors.As(err, &f) || f.Block != [3]int{17, 0, 0} {
			t.Fatalf("%v, want the fault of block 17", err)
		}
	}
}

// TestBarriersMatter takes the barriers out of compiled kernels that need them, and the wait out of one that copies.
func TestBarriersMatter(t *testing.T) {
	text, err := os.ReadFile("testdata/nvrtc121_80.ptx")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kernel, without string
		threads         int
		want            Kind
	}{{"gemm_f32", "bar.sync", 256, SharedRace}, {"gemm_bf16", "bar.sync", 128, SharedRace}, {"gemm_bf16", "cp.async.wait_group", 128, AsyncPending}} {
		m, err := Parse("broken.ptx", strings.ReplaceAll(string(text), c.without, "// "+c.without))
		if err != nil {
			t.Fatal(err)
		}
		mem := NewMemory(1<<20, true)
		zero := upload(t, mem, make([]float32, 64*64))
		args := []uint64{room(t, mem, 4*64*64), zero, zero, 64, 64, 64}
		if c.kernel == "gemm_f32" {
			args = append(args[:3], 0, 64, 64, 64)
		}
		var f *Fault
		err = kernel(t, m, c.kernel).Run(mem, Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{c.threads, 1, 1}, Args: args}, Options{Check: true})
		if !errors.As(err, &f) || f.Kind != c.want {
			t.Errorf("%s without %s: %v, want %v", c.kernel, c.without, err, c.want)
		}
	}
}

func TestFigures(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       Stats
	}{
		{"coalesced", `mad.wide.u32 %l1, %t, 4, %i; ld.global.u32 %r1, [%l1]; ret;`, Stats{GlobalAccesses: 1, GlobalBytes: 128, GlobalSectors: 4}},
		{"one word for all", `ld.global.u32 %r1, [%i]; ret;`, Stats{GlobalAccesses: 1, GlobalBytes: 128, GlobalSectors: 1}},
		{"every eighth word", `mad.wide.u32 %l1, %t, 32, %i; ld.global.u32 %r1, [%l1]; ret;`, Stats{GlobalAccesses: 1, GlobalBytes: 128, GlobalSectors: 32}},
		{"off by one word", `mad.wide.u32 %l1, %t, 4, %i; ld.global.u32 %r1, [%l1+4]; ret;`, Stats{GlobalAccesses: 1, GlobalBytes: 128, GlobalSectors: 5}},
		{"16 bytes each", `mad.wide.u32 %l1, %t, 16, %i; ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%l1]; ret;`, Stats{GlobalAccesses: 1, GlobalBytes: 512, GlobalSectors: 16}},
		{"half of the lanes", `setp.lt.u32 %p1, %t, 16; mad.wide.u32 %l1, %t, 4, %i; @%p1 ld.u32 %r1, [%l1]; ret;`, Stats{GlobalAccesses: 1, GlobalBytes: 64, GlobalSectors: 2}},
		{"row of shared memory", toShared + `st.shared.u32 [%s], %t; ret;`, Stats{SharedAccesses: 1, SharedPasses: 1}},
		{"column of shared memory", `.shared .b8 m[4096]; mov.u32 %s, m; mad.lo.u32 %s, %t, 128, %s; st.shared.u32 [%s], %t; ret;`,
			Stats{SharedAccesses: 1, SharedPasses: 32, BankConflicts: 31}},
		{"padded column", `.shared .b8 m[4224]; mov.u32 %s, m; mad.lo.u32 %s, %t, 132, %s; st.shared.u32 [%s], %t; ret;`, Stats{SharedAccesses: 1, SharedPasses: 1}},
		{"16 bytes each to shared memory", `.shared .align 16 .b8 m[512]; mov.u32 %s, m; mad.lo.u32 %s, %t, 16, %s; st.shared.v4.u32 [%s], {%t, %t, %t, %t}; ret;`,
			Stats{SharedAccesses: 1, SharedPasses: 4}},
		{"8 bytes each, in one bank", `.shared .align 8 .b8 m[4096]; mov.u32 %s, m; mad.lo.u32 %s, %t, 128, %s; st.shared.v2.u32 [%s], {%t, %t}; ret;`,
			Stats{SharedAccesses: 1, SharedPasses: 32, BankConflicts: 30}},
		{"generic address", toShared + `cvt.u64.u32 %l1, %s; cvta.shared.u64 %l1, %l1; st.u32 [%l1], %t; ret;`, Stats{SharedAccesses: 1, SharedPasses: 1}},
	} {
		var s Stats
		p := program{name: c.name, threads: 32, in: count(256), body: c.body}
		if _, err := p.run(t, Options{Stats: &s}); err != nil {
			t.Fatal(err)
		}
		if s.Instructions*32 != s.LaneInstructions || s.Instructions < 6 {
			t.Errorf("%s: %d instructions, %d of lanes", c.name, s.Instructions, s.LaneInstructions)
		}
		s.Instructions, s.LaneInstructions = 0, 0
		if s != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, s, c.want)
		}
	}
	var s Stats // lanes that part count as lanes
	p := program{threads: 32, body: `setp.lt.u32 %p1, %t, 8; @%p1 bra a; ret; a: add.u32 %r1, %t, %t; ret;`}
	if _, err := p.run(t, Options{Stats: &s}); err != nil || s.Instructions != 9 || s.LaneInstructions != 6*32+24+8+8 {
		t.Errorf("%+v %v", s, err)
	}
}
