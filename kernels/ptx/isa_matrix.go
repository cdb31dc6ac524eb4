package ptx

import "math/bits"

// matrixForms are the tensor-core instructions: a warp holds each matrix in pieces, a few elements in each lane.
//
// Products are exact. A sum of products is formed in float64 and rounded once to float32, which is more accurate than
// hardware, whose order and width of summation are not documented.
var matrixForms = []form{
	{syntax: `mma.sync.aligned.shape.row.col.f32.bf16.bf16.f32 d, a, b, c;  .shape = { .m16n8k8, .m16n8k16 };`, build: mmaBF16},
	{syntax: `mma.sync.aligned.shape.row.col.f32.tf32.tf32.f32 d, a, b, c;  .shape = { .m16n8k4, .m16n8k8 };`, build: mmaTF32},
	{syntax: `ldmatrix.sync.aligned.m8n8.num{.trans}.space.b16 d, [a];  .num = { .x1, .x2, .x4 };  .space = { .shared, .shared::cta };`, build: ldmatrix},
}

// element is where one element of a fragment is: register r of lane l, and its upper half or lower.
type element struct{ l, r, half int }

// The fragments of m16n8k*, by the manual: lane l belongs to group g = l/4 and is number t = l%4 in it. Elements of 16 bits
// come in pairs along k, two in a register.
//
//	A, 16 x k: register r holds row g + 8*(r%2), and k from 4*width*(r/2) on
//	B, k x 8:  register r holds column g, and k from 4*width*r on
//	C, 16 x 8: register r holds row g + 8*(r/2), column 2*t + r%2
func fragmentA(row, k, pair int) element {
	l := row%8*4 + k/pair%4
	return element{l, row/8 + k/(4*pair)*2, k % pair}
}

func fragmentB(k, col, pair int) element {
	return element{col*4 + k/pair%4, k / (4 * pair), k % pair}
}

// mma is d = a b + c, with a function that reads an element of a or b from its register.
func mma(x *call, k, pair int, read func(v uint32, half int) float64) exec {
	t := typeOf["b32"]
	perLane := k / pair * 16 / 32
	d, c := x.targets("d", 4, typeOf["f32"], false), x.sources("c", 4, typeOf["f32"], false)
	a, b := x.sources("a", perLane, t, false), x.sources("b", perLane/2, t, false)
	x.in.sync = syncWarp
	return func(w *warp, m uint32) {
		w.whole(m)
		var left [16][16]float64
		var right [8][16]float64
		for i := range k {
			for row := range 16 {
				e := fragmentA(row, i, pair)
				left[row][i] = read(w.words[a[e.r].row][e.l], e.half)
			}
			for col := range 8 {
				e := fragmentB(i, col, pair)
				right[col][i] = read(w.words[b[e.r].row][e.l], e.half)
			}
		}
		var out [4][32]uint32
		for row := range 16 {
			for col := range 8 {
				l, r := row%8*4+col/2, row/8*2+col%2
				s := float64(f32(uint64(w.words[c[r].row][l])))
				p, q := left[row][:k], right[col][:k]
				for i, v := range p {
					s += v * q[i]
				}
				out[r][l] = uint32(bits32(float32(s)))
			}
		}
		for r := range d {
			w.words[d[r].row] = out[r]
		}
	}
}

// whole checks that all lanes of the warp are there.
func (w *warp) whole(m uint32) {
	if m != full {
		w.fault(BarrierDivergence, bits.TrailingZeros32(m), 0, "only lanes %032b of the warp are there", m)
	}
}

func mmaBF16(x *call) exec {
	k := map[string]int{"m16n8k8": 8, "m16n8k16": 16}[x.mods["shape"]]
	return mma(x, k, 2, func(v uint32, half int) float64 { return float64(brain32(uint64(v >> (16 * half)))) })
}

// mmaTF32 ignores the low 13 bits of its inputs, as hardware does.
func mmaTF32(x *call) exec {
	k := map[string]int{"m16n8k4": 4, "m16n8k8": 8}[x.mods["shape"]]
	return mma(x, k, 1, func(v uint32, _ int) float64 { return float64(f32(uint64(v &^ 0x1fff))) })
}

// ldmatrix loads 8x8 matrices of 16-bit elements. Lanes 8i to 8i+7 give the addresses of the rows of matrix i; register i
// of lane l gets the elements 2*(l%4) and 2*(l%4)+1 of row l/4, or with .trans those of column l/4.
func ldmatrix(x *call) exec {
	n := map[string]int{"x1": 1, "x2": 2, "x4": 4}[x.mods["num"]]
	trans := x.has("trans")
	a := x.address("[a]", "shared")
	d := x.targets("d", n, typeOf["b32"], false)
	x.in.sync = syncWarp
	return func(w *warp, m uint32) {
		w.whole(m)
		if w.b.stats != nil {
			w.count(shared, a, full>>(32-8*n), 16)
		}
		var out [4][32]uint32
		for i := range n {
			var rows [8][]byte
			for j := range rows {
				l := 8*i + j
				rows[j] = w.reach(l, shared, a.at(w, l), 16, load)
			}
			for l := range 32 {
				var v uint32
				for h := range 2 {
					row, col := l/4, 2*(l%4)+h
					if trans {
						row, col = col, row
					}
					v |= uint32(getBytes(rows[row][2*col:], 2)) << (16 * h)
				}
				out[i][l] = v
			}
		}
		for i := range d {
			w.words[d[i].row] = out[i]
		}
	}
}
