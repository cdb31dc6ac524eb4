package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// matrixCase is an mma instruction. Its model multiplies matrices; where the elements are in the lanes is written here as
// the manual's formulas give it: from a lane and a register to a row and a column, the other way round than the package.
type matrixCase struct {
	code string
	k    int
	pair int // elements in a register
}

func matrixCases() []matrixCase {
	return []matrixCase{
		{"mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", 8, 2}, {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", 16, 2},
		{"mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32", 4, 1}, {"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", 8, 1},
	}
}

func (c matrixCase) registers() (a, b int) { return 16 * c.k / 32 / c.pair, 8 * c.k / 32 / c.pair }

// program loads a, b and c from in, lane by lane and register by register, and stores d.
func (c matrixCase) program() string {
	na, nb := c.registers()
	list := func(prefix string, n int) string {
		var s []string
		for i := range n {
			s = append(s, fmt.Sprintf("%%%s%d", prefix, i))
		}
		return "{" + strings.Join(s, ", ") + "}"
	}
	var s strings.Builder
	s.WriteString(".version 8.1\n.target sm_80\n.visible .entry test(.param .u64 out, .param .u64 in) {\n" +
		".reg .b32 %a<4>, %b<4>, %t; .reg .f32 %c<4>, %d<4>; .reg .b64 %i, %o;\n" +
		"mov.u32 %t, %laneid; ld.param.u64 %i, [in]; mad.wide.u32 %i, %t, 48, %i; ld.param.u64 %o, [out]; mad.wide.u32 %o, %t, 16, %o;\n")
	for i := range na {
		fmt.Fprintf(&s, "ld.global.b32 %%a%d, [%%i+%d];\n", i, 4*i)
	}
	for i := range nb {
		fmt.Fprintf(&s, "ld.global.b32 %%b%d, [%%i+%d];\n", i, 16+4*i)
	}
	s.WriteString("ld.global.v4.f32 " + list("c", 4) + ", [%i+32];\n")
	fmt.Fprintf(&s, "%s %s, %s, %s, %s;\n", c.code, list("d", 4), list("a", na), list("b", nb), list("c", 4))
	s.WriteString("st.global.v4.f32 [%o], " + list("d", 4) + ";\n}\n")
	return s.String()
}

func TestMMA(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for _, c := range matrixCases() {
		na, nb := c.registers()
		var a, b, sum [16][16]float64
		raw := make([]byte, 32*48)
		element := func() (uint32, float64) {
			v := math.Float32bits(float32(r.NormFloat64()))
			if c.pair == 2 {
				return v >> 16, float64(math.Float32frombits(v &^ 0xffff))
			}
			return v, float64(math.Float32frombits(v &^ 0x1fff)) // the bits below TF32 are there, and have to be ignored
		}
		for lane := range 32 {
			group, number := lane/4, lane%4
			at := raw[48*lane:]
			for i := range na * c.pair { // the manual's a_i
				row, col := group, number*c.pair+i%c.pair
				if i/c.pair%2 == 1 {
					row += 8
				}
				if i/c.pair >= 2 {
					col += 4 * c.pair
				}
				v, x := element()
				a[row][col] = x
				old := binary.LittleEndian.Uint32(at[4*(i/c.pair):])
				binary.LittleEndian.PutUint32(at[4*(i/c.pair):], old|v<<(16*(i%c.pair)))
			}
			for i := range nb * c.pair { // b_i
				row := number*c.pair + i%c.pair + 4*c.pair*(i/c.pair)
				v, x := element()
				b[row][group] = x
				old := binary.LittleEndian.Uint32(at[16+4*(i/c.pair):])
				binary.LittleEndian.PutUint32(at[16+4*(i/c.pair):], old|v<<(16*(i%c.pair)))
			}
			for i := range 4 { // c_i
				v := float32(r.NormFloat64())
				sum[group+8*(i/2)][number*2+i%2] = float64(v)
				binary.LittleEndian.PutUint32(at[32+4*i:], math.Float32bits(v))
			}
		}
		m, err := Parse("mma.ptx", c.program())
		if err != nil {
			t.Fatal(err)
		}
		mem := NewMemory(1<<20, true)
		in, out := room(t, mem, len(raw)), room(t, mem, 32*16)
		if err := mem.Fill(out, 32*16, 0); err != nil {
			t.Fatal(err)
		}
		if err := mem.CopyIn(in, raw); err != nil {
			t.Fatal(err)
		}
		if err := kernel(t, m, "test").Run(mem, Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{32, 1, 1}, Args: []uint64{out, in}}, everything(&Stats{})); err != nil {
			t.Fatal(err)
		}
		got := download(t, mem, out, 128)
		for lane := range 32 {
			for i := range 4 {
				row, col := lane/4+8*(i/2), lane%4*2+i%2
				want := sum[row][col]
				for k := range c.k {
					want += a[row][k] * b[k][col]
				}
				if v := float64(got[4*lane+i]); math.Abs(v-want) > 1e-6*(1+math.Abs(want)) {
					t.Errorf("%s: d[%d][%d] = %v, want %v", c.code, row, col, v, want)
				}
			}
		}
	}
}
