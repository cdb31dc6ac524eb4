package devicetest

import "cuflow/device"

func (r *reference) Flatten(s device.Rows, x, y device.Buffer) {
	k := r.begin()
	flatten(s, k.in(x, s.Len()), k.out(y, s.Len()))
	k.done()
}

func flatten(s device.Rows, x, y []float64) {
	for c := range s.C {
		for n := range s.N {
			for p := range s.P {
				y[(c*s.P+p)*s.N+n] = x[(c*s.N+n)*s.P+p]
			}
		}
	}
}

func (r *reference) Unflatten(s device.Rows, x, y device.Buffer) {
	k := r.begin()
	unflatten(s, k.in(x, s.Len()), k.out(y, s.Len()))
	k.done()
}

func unflatten(s device.Rows, x, y []float64) {
	for c := range s.C {
		for n := range s.N {
			for p := range s.P {
				y[(c*s.N+n)*s.P+p] = x[(c*s.P+p)*s.N+n]
			}
		}
	}
}

func flattenCases() (cs []Case) {
	for _, r := range []device.Rows{{C: 1, N: 1, P: 1}, {C: 3, N: 0, P: 4}, {C: 3, N: 5, P: 1}, {C: 1, N: 31, P: 33}, {C: 2, N: 17, P: 16},
		{C: 5, N: 3, P: 1000}, {C: 3, N: 64, P: 1024}} {
		n := r.Len()
		for _, m := range []struct {
			method string
			call   func(be device.Backend, r device.Rows, x, y device.Buffer)
		}{{"Flatten", device.Backend.Flatten}, {"Unflatten", device.Backend.Unflatten}} {
			cs = append(cs, Case{
				Method: m.method, Name: rowsName(r), Bench: r.N == 64, Tol: exact,
				Operands: []Operand{in("x", n, normal(0, 1)), out("y", n)},
				Call:     func(be device.Backend, o []device.Buffer) { m.call(be, r, o[0], o[1]) },
			})
		}
	}
	return cs
}
