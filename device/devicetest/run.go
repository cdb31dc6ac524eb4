package devicetest

import (
	"fmt"
	"math"
	"testing"

	"cuflow/device"
)

// Open gives a backend of its own to each runner, which closes it.
type Open func() (device.Backend, error)

// Run holds a backend to the whole table: values, guard words, inputs untouched, the same bits the second time, wrong
// lengths refused, and the memory methods. Operands start on 64-byte boundaries; each shift adds a pass in which they start
// that many float32s (or an odd multiple) beyond: 1 for backends that take any address, 4 for those that ask for 16 bytes.
func Run(t *testing.T, open Open, shifts ...int) {
	RunCases(t, open, cases(t), shifts...)
}

// RunCases is Run on some of the table.
func RunCases(t *testing.T, open Open, some []Case, shifts ...int) {
	if err := complete(Cases()); err != nil {
		t.Fatal(err)
	}
	be := opened(t, open)
	t.Run("Memory", func(t *testing.T) {
		if err := checkMemory(be); err != nil {
			t.Error(err)
		}
	})
	t.Run("Lengths", func(t *testing.T) {
		failed := map[string]bool{} // one case says it all
		for _, c := range some {
			if err := checkLengths(be, c); err != nil && !failed[c.Method] {
				t.Errorf("%s: %v", c, err)
				failed[c.Method] = true
			}
		}
	})
	for _, c := range some {
		t.Run(c.String(), func(t *testing.T) {
			if err := check(be, c, shifts); err != nil {
				t.Error(err)
			}
		})
	}
}

// SameBits runs the table on backends that must agree bit for bit: one backend on different numbers of cores.
func SameBits(t *testing.T, first Open, others ...Open) {
	SameBitsCases(t, cases(t), first, others...)
}

// SameBitsCases is SameBits on some of the table.
func SameBitsCases(t *testing.T, some []Case, first Open, others ...Open) {
	one := opened(t, first)
	var rest []device.Backend
	for _, o := range others {
		rest = append(rest, opened(t, o))
	}
	for _, c := range some {
		t.Run(c.String(), func(t *testing.T) {
			l := layOut(c, 0)
			want, err := runOn(one, l)
			if err != nil {
				t.Fatal(err)
			}
			for i, be := range rest {
				got, err := runOn(be, l)
				if err != nil {
					t.Fatal(err)
				}
				if err := l.sameBits(want, got); err != nil {
					t.Errorf("first backend and number %d: %v", i+2, err)
				}
			}
		})
	}
}

// NoAllocs checks that no op allocates on the Go heap once it has run.
func NoAllocs(t *testing.T, open Open) {
	be := opened(t, open)
	for _, c := range cases(t) {
		t.Run(c.String(), func(t *testing.T) {
			p, err := layOut(c, 0).place(be)
			if err != nil {
				t.Fatal(err)
			}
			defer p.free()
			n := testing.AllocsPerRun(2, p.call) // which calls once before it counts
			if err := be.Sync(); err != nil {
				t.Fatal(err)
			}
			if n != 0 {
				t.Errorf("%v allocations per call, want 0", n)
			}
		})
	}
}

// cases is the table, with -short without the sizes of models.
func cases(t *testing.T) []Case {
	if !testing.Short() {
		return Cases()
	}
	var small []Case
	for _, c := range Cases() {
		if !c.Bench {
			small = append(small, c)
		}
	}
	t.Logf("-short: %d cases of models' sizes are left out, %d run", len(Cases())-len(small), len(small))
	return small
}

func opened(t *testing.T, open Open) device.Backend {
	t.Helper()
	be, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := be.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return be
}

func runOn(be device.Backend, l layout) ([]float32, error) {
	p, err := l.place(be)
	if err != nil {
		return nil, err
	}
	defer p.free()
	return p.run()
}

// check holds one case against the reference, at each shift.
func check(be device.Backend, c Case, shifts []int) error {
	oracle := &reference{}
	l := layOut(c, 0)
	image, err := runOn(oracle, l)
	if err != nil {
		return err
	}
	if oracle.last != c.Method {
		return fmt.Errorf("the case names %s and calls %s", c.Method, oracle.last)
	}
	var want [][]float32 // by operand
	for i := range c.Operands {
		want = append(want, l.of(image, i))
	}
	if err := checkAt(be, l, want); err != nil || c.Bench { // large, and shifts are for the small ones
		return err
	}
	for _, shift := range shifts {
		if err := checkAt(be, layOut(c, shift), want); err != nil {
			return fmt.Errorf("operands shifted by %d: %w", shift, err)
		}
	}
	return nil
}

// checkAt calls a case twice from the same start.
func checkAt(be device.Backend, l layout, want [][]float32) error {
	p, err := l.place(be)
	if err != nil {
		return err
	}
	defer p.free()
	got, err := p.run()
	if err != nil {
		return err
	}
	if err := l.intact(got); err != nil {
		return err
	}
	for i, o := range l.Operands {
		if !o.result() {
			continue
		}
		if err := compare(l.of(got, i), want[i], l.tolOf(o)); err != nil {
			return fmt.Errorf("%s%w", o.Name, err)
		}
	}
	again, err := p.run()
	if err != nil {
		return err
	}
	if err := l.sameBits(got, again); err != nil {
		return fmt.Errorf("second call on the same input: %w", err)
	}
	return nil
}

// compare holds an output against the reference. Not-numbers must meet not-numbers, infinities themselves.
func compare(got, want []float32, tol Tol) error {
	scale := rms(want)
	for i := range want {
		g, w := float64(got[i]), float64(want[i])
		bound := tol.Rel*math.Abs(w) + tol.RMS*scale + tol.Abs
		switch {
		case math.Float32bits(got[i]) == poisonBits:
			return fmt.Errorf("[%d] of %d was not written, or made from what was not", i, len(want))
		case math.IsNaN(w) && math.IsNaN(g), math.IsInf(w, 0) && g == w:
		case math.IsNaN(w) || math.IsInf(w, 0) || !(math.Abs(g-w) <= bound):
			return fmt.Errorf("[%d] of %d = %.9g, want %.9g: error %.3g, allowed %.3g (%s)", i, len(want), g, w, math.Abs(g-w), bound, tol.Why)
		}
	}
	return nil
}

// rms is the root of the mean square of what is finite.
func rms(x []float32) float64 {
	var s float64
	n := 0
	for _, v := range x {
		if f := float64(v); !math.IsNaN(f) && !math.IsInf(f, 0) {
			s += f * f
			n++
		}
	}
	return math.Sqrt(s / float64(max(n, 1)))
}

// intact says whether inputs and everything between the operands still have their bits.
func (l layout) intact(got []float32) error {
	for i, o := range l.Operands {
		if o.role == readOnly {
			for j, v := range l.of(l.image, i) {
				if g := l.of(got, i)[j]; math.Float32bits(g) != math.Float32bits(v) {
					return fmt.Errorf("input %s[%d] of %d was changed from %v to %v", o.Name, j, o.Len, v, g)
				}
			}
		}
	}
	end, before := 0, "the start"
	for i := range len(l.start) + 1 {
		next := len(l.image)
		if i < len(l.start) {
			next = l.start[i]
		}
		for j := end; j < next; j++ {
			if math.Float32bits(got[j]) != guardBits {
				return fmt.Errorf("wrote %v outside the operands: %d float32s after the end of %s, %d before the next operand",
					got[j], j-end, before, next-j)
			}
		}
		if i < len(l.start) {
			end, before = l.start[i]+l.Operands[i].Len, l.Operands[i].Name
		}
	}
	return nil
}

func (l layout) sameBits(a, b []float32) error {
	for i, o := range l.Operands {
		if o.role == between {
			continue
		}
		x, y := l.of(a, i), l.of(b, i)
		for j := range x {
			if math.Float32bits(x[j]) != math.Float32bits(y[j]) {
				return fmt.Errorf("%s[%d] of %d is %.9g (%#x) and %.9g (%#x): not the same bits", o.Name, j, o.Len,
					x[j], math.Float32bits(x[j]), y[j], math.Float32bits(y[j]))
			}
		}
	}
	return nil
}
