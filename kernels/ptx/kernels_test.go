package ptx

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// compiled reads the module that NVRTC 12.1 made of three kernels for compute_80.
func compiled(t testing.TB) *Module {
	text, err := os.ReadFile("testdata/nvrtc121_80.ptx")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse("nvrtc121_80.ptx", string(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func kernel(t testing.TB, m *Module, name string) *Kernel {
	k, err := m.Kernel(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func normal(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// upload puts values in new device memory; room only reserves it.
func upload(t testing.TB, m *Memory, v []float32) uint64 {
	p := room(t, m, 4*len(v))
	b, err := m.Bytes(p, 4*len(v))
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return p
}

func room(t testing.TB, m *Memory, n int) uint64 {
	p, err := m.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func download(t testing.TB, m *Memory, p uint64, n int) []float32 {
	b := make([]byte, 4*n)
	if err := m.CopyOut(b, p); err != nil {
		t.Fatal(err)
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

func bitsArg(v float32) uint64 { return uint64(math.Float32bits(v)) }

// everything is all checkers and all figures.
func everything(s *Stats) Options { return Options{Check: true, Races: true, Stats: s} }

func TestCoupling(t *testing.T) {
	const rows, dim, half = 9, 784, 391
	r := rand.New(rand.NewPCG(1, 2))
	mem := NewMemory(1<<24, true)
	x, st := normal(r, rows*dim), normal(r, rows*2*(dim-half))
	px, ps := upload(t, mem, x), upload(t, mem, st)
	py, pl := room(t, mem, 4*len(x)), upload(t, mem, make([]float32, rows))
	var s Stats
	l := Launch{Grid: [3]int{rows, 1, 1}, Block: [3]int{256, 1, 1}, Args: []uint64{py, pl, px, ps, bitsArg(2), dim, half}}
	if err := kernel(t, compiled(t), "coupling_forward").Run(mem, l, everything(&s)); err != nil {
		t.Fatal(err)
	}
	y, logDet := download(t, mem, py, len(x)), download(t, mem, pl, rows)
	for i := range rows {
		sum := 0.0
		for j := range dim {
			want := float64(x[i*dim+j])
			if j >= half {
				scale := 2 * math.Tanh(float64(st[i*2*(dim-half)+j-half]))
				sum += scale
				want = want*math.Exp(scale) + float64(st[i*2*(dim-half)+dim-half+j-half])
			}
			if got := float64(y[i*dim+j]); math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
				t.Fatalf("y[%d][%d] = %v, want %v", i, j, got, want)
			}
		}
		if math.Abs(sum-float64(logDet[i])) > 1e-5*(1+math.Abs(sum)) {
			t.Errorf("log-det %d = %v, want %v", i, logDet[i], sum)
		}
	}
}

func TestGEMM(t *testing.T) {
	const m, n, k = 100, 130, 77
	r := rand.New(rand.NewPCG(1, 2))
	mem := NewMemory(1<<24, true)
	a, b, bias := normal(r, m*k), normal(r, k*n), normal(r, n)
	pa, pb, pbias, pc := upload(t, mem, a), upload(t, mem, b), upload(t, mem, bias), room(t, mem, 4*m*n)
	l := Launch{Grid: [3]int{(n + 63) / 64, (m + 63) / 64, 1}, Block: [3]int{256, 1, 1}, Args: []uint64{pc, pa, pb, pbias, m, n, k}}
	var s Stats
	if err := kernel(t, compiled(t), "gemm_f32").Run(mem, l, everything(&s)); err != nil {
		t.Fatal(err)
	}
	c := download(t, mem, pc, m*n)
	for i := range m {
		for j := range n {
			want := float64(bias[j])
			for q := range k {
				want += float64(a[i*k+q]) * float64(b[q*n+j])
			}
			if got := float64(c[i*n+j]); math.Abs(got-want) > 1e-4 {
				t.Fatalf("c[%d][%d] = %v, want %v", i, j, got, want)
			}
		}
	}
	if s.LaneInstructions == 0 || s.GlobalSectors == 0 || s.SharedPasses == 0 {
		t.Errorf("figures missing: %+v", s)
	}
	t.Logf("%+v", s)
}

func TestTensorCoreGEMM(t *testing.T) {
	const m, n, k = 128, 128, 96
	r := rand.New(rand.NewPCG(1, 2))
	mem := NewMemory(1<<24, true)
	brains := func(v []float32) uint64 {
		p := room(t, mem, 2*len(v))
		raw := make([]byte, 2*len(v))
		for i := range v {
			u := math.Float32bits(v[i]) >> 16
			binary.LittleEndian.PutUint16(raw[2*i:], uint16(u))
			v[i] = math.Float32frombits(u << 16)
		}
		if err := mem.CopyIn(p, raw); err != nil {
			t.Fatal(err)
		}
		return p
	}
	a, b := normal(r, m*k), normal(r, n*k)
	pa, pb, pc := brains(a), brains(b), room(t, mem, 4*m*n)
	l := Launch{Grid: [3]int{n / 64, m / 64, 1}, Block: [3]int{128, 1, 1}, Args: []uint64{pc, pa, pb, m, n, k}}
	if err := kernel(t, compiled(t), "gemm_bf16").Run(mem, l, everything(&Stats{})); err != nil {
		t.Fatal(err)
	}
	c := download(t, mem, pc, m*n)
	for i := range m {
		for j := range n {
			want := 0.0
			for q := range k {
				want += float64(a[i*k+q]) * float64(b[j*k+q])
			}
			if got := float64(c[i*n+j]); math.Abs(got-want) > 1e-4 {
				t.Fatalf("c[%d][%d] = %v, want %v", i, j, got, want)
			}
		}
	}
}

func BenchmarkGEMM(b *testing.B) {
	const n = 256
	k := kernel(b, compiled(b), "gemm_f32")
	r := rand.New(rand.NewPCG(1, 2))
	for name, o := range map[string]Options{"plain": {}, "check": {Check: true}, "all": everything(&Stats{})} {
		b.Run(name, func(b *testing.B) {
			mem := NewMemory(1<<24, name != "plain")
			pa, pb, pc := upload(b, mem, normal(r, n*n)), upload(b, mem, normal(r, n*n)), room(b, mem, 4*n*n)
			l := Launch{Grid: [3]int{n / 64, n / 64, 1}, Block: [3]int{256, 1, 1}, Args: []uint64{pc, pa, pb, 0, n, n, n}}
			var s Stats
			if err := k.Run(mem, l, Options{Stats: &s}); err != nil {
				b.Fatal(err)
			}
			o.Workers = 1
			b.ResetTimer()
			for b.Loop() {
				if err := k.Run(mem, l, o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(s.LaneInstructions)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mlane/s")
		})
	}
}
