package devicetest

import (
	"errors"
	"math"
	"strings"
	"testing"
	"unsafe"

	"cuflow/device"
)

func openReference() (device.Backend, error) { return Reference(), nil }

// The reference passes its own table: operands, shapes and methods of all cases fit together.
func TestReference(t *testing.T) {
	Run(t, openReference, 1, 4)
}

// On float64 memory it computes the same.
func TestFloat64(t *testing.T) {
	for _, c := range Cases() {
		if c.Bench {
			continue
		}
		if err := check(Float64(), c, nil); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
}

func TestTable(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Cases() {
		if names[c.String()] {
			t.Errorf("two cases are called %s", c)
		}
		names[c.String()] = true
		outputs := 0
		for _, o := range c.Operands {
			if !o.result() {
				continue
			}
			outputs++
			if c.tolOf(o).Why == "" {
				t.Errorf("%s: the tolerance of %s has no reason", c, o.Name)
			}
		}
		if outputs == 0 {
			t.Errorf("%s has no output", c)
		}
	}
}

func TestCompleteMissesNothing(t *testing.T) {
	all := Cases()
	var without []Case
	for _, c := range all {
		if c.Method != "CouplingInverse" {
			without = append(without, c)
		}
	}
	mentions(t, complete(without), "CouplingInverse has no case")
	mentions(t, complete(append(all, Case{Method: "Transmogrify"})), "no method Transmogrify")
	if err := complete(all); err != nil {
		t.Error(err)
	}
}

func mentions(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want an error about %q", err, text)
	}
}

// find is the case of this name.
func find(t *testing.T, name string) Case {
	t.Helper()
	for _, c := range Cases() {
		if c.String() == name {
			return c
		}
	}
	t.Fatalf("no case %s", name)
	return Case{}
}

// faulty is the reference with one fault, in Axpy, Copy or Sum.
type faulty struct {
	device.Backend
	axpy func(f *faulty, a float32, x, y device.Buffer)
	copy func(f *faulty, dst, src device.Buffer)
	sum  func(f *faulty, a float32, x, out device.Buffer)
	runs int
}

func (f *faulty) Axpy(a float32, x, y device.Buffer) {
	f.runs++
	f.axpy(f, a, x, y)
}

func (f *faulty) Copy(dst, src device.Buffer) { f.copy(f, dst, src) }

func (f *faulty) Sum(a float32, x, out device.Buffer) { f.sum(f, a, x, out) }

// beyond reaches the i-th float32 from the start of a buffer, wherever that is.
func beyond(b device.Buffer, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(&b.Host()[0]), 4*i))
}

func TestRunnerCatches(t *testing.T) {
	for _, c := range []struct {
		fault, text, on string
		backend         faulty
	}{{
		"a write past the end", "outside the operands", "Axpy/n=33",
		faulty{axpy: func(f *faulty, a float32, x, y device.Buffer) {
			f.Backend.Axpy(a, x, y)
			*beyond(y, y.Len()) = 0
		}},
	}, {
		"a write before the start", "outside the operands", "Axpy/n=33",
		faulty{axpy: func(f *faulty, a float32, x, y device.Buffer) {
			f.Backend.Axpy(a, x, y)
			*beyond(y, -1) = 0
		}},
	}, {
		"a whole register written past the end", "outside the operands", "Axpy/n=33",
		faulty{axpy: func(f *faulty, a float32, x, y device.Buffer) {
			f.Backend.Axpy(a, x, y)
			*beyond(y, 47) = 0
		}},
	}, {
		"an element not written", "was not written", "Copy/n=33",
		faulty{copy: func(f *faulty, dst, src device.Buffer) { f.Backend.Copy(dst.Slice(0, 32), src.Slice(0, 32)) }},
	}, {
		"an output read before it is written", "made from what was not", "Sum/n=1000",
		faulty{sum: func(f *faulty, a float32, x, out device.Buffer) {
			before := out.Host()[0]
			f.Backend.Sum(a, x, out)
			out.Host()[0] += 0 * before
		}},
	}, {
		"an input read past its end", "= NaN", "Sum/n=31",
		faulty{sum: func(f *faulty, a float32, x, out device.Buffer) {
			f.Backend.Sum(a, x, out)
			out.Host()[0] += 0 * *beyond(x, 31)
		}},
	}, {
		"an input changed", "input x[0] of 33 was changed", "Axpy/n=33",
		faulty{axpy: func(f *faulty, a float32, x, y device.Buffer) {
			f.Backend.Axpy(a, x, y)
			x.Host()[0]++
		}},
	}, {
		"a wrong value", "y[7] of 33", "Axpy/n=33",
		faulty{axpy: func(f *faulty, a float32, x, y device.Buffer) {
			f.Backend.Axpy(a, x, y)
			y.Host()[7] *= 1 + 1e-5
		}},
	}, {
		"a tail left out of a sum", "out[0] of 1", "Sum/n=1000",
		faulty{sum: func(f *faulty, a float32, x, out device.Buffer) { f.Backend.Sum(a, x.Slice(0, 999), out) }},
	}, {
		"a NaN lost", "want NaN", "Sum/n=33 with NaN",
		faulty{sum: func(f *faulty, a float32, x, out device.Buffer) { f.Backend.Sum(a, x.Slice(0, 5), out) }},
	}, {
		"an infinity of the wrong sign", "want +Inf", "Sum/n=33 with +Inf",
		faulty{sum: func(f *faulty, a float32, x, out device.Buffer) { f.Backend.Sum(-a, x, out) }},
	}, {
		"another result the second time", "not the same bits", "Axpy/n=33",
		faulty{axpy: func(f *faulty, a float32, x, y device.Buffer) {
			f.Backend.Axpy(a, x, y)
			if f.runs%2 == 0 {
				y.Host()[32] = math.Nextafter32(y.Host()[32], 10)
			}
		}},
	}, {
		"a fault only off the boundary", "shifted by 3", "Axpy/n=33",
		faulty{axpy: func(f *faulty, a float32, x, y device.Buffer) {
			f.Backend.Axpy(a, x, y)
			if address(y)%64 != 0 {
				y.Host()[0]++
			}
		}},
	}} {
		t.Run(c.fault, func(t *testing.T) {
			k := find(t, c.on)
			if err := check(Reference(), k, []int{3}); err != nil {
				t.Fatalf("without the fault: %v", err)
			}
			c.backend.Backend = Reference()
			mentions(t, check(&c.backend, k, []int{3}), c.text)
		})
	}
}

func TestRunnerCatchesAMislabelledCase(t *testing.T) {
	k := find(t, "Axpy/n=33")
	k.Method = "Copy"
	mentions(t, check(Reference(), k, nil), "names Copy and calls Axpy")
}

func TestRunnerCatchesUncheckedLengths(t *testing.T) {
	k := find(t, "Copy/n=33")
	mentions(t, checkLengths(&faulty{Backend: Reference(), copy: func(f *faulty, dst, src device.Buffer) {
		n := min(dst.Len(), src.Len())
		f.Backend.Copy(dst.Slice(0, n), src.Slice(0, n))
	}}, k), "was accepted")
	mentions(t, checkLengths(&faulty{Backend: Reference(), copy: func(f *faulty, dst, src device.Buffer) {
		for i, v := range src.Host() {
			dst.Host()[i] = v
		}
	}}, k), "index out of range")
	mentions(t, checkLengths(&faulty{Backend: Reference(), copy: func(f *faulty, dst, src device.Buffer) {
		dst.Host()[0] = 0
		f.Backend.Copy(dst, src)
	}}, k), "not before it wrote")
}

// brokenMemory is the reference with faults in the methods that have no case.
type brokenMemory struct {
	device.Backend
	dirty, crooked, late bool
	pending              []float32
	err                  error
}

func (b *brokenMemory) Alloc(n int) (device.Buffer, error) {
	x, err := b.Backend.Alloc(n + 1)
	switch {
	case err != nil || n == 0:
		return device.Buffer{}, err
	case b.crooked:
		return x.Slice(1, n+1), nil
	case b.dirty:
		x.Host()[n-1] = 1
	}
	return x.Slice(0, n), nil
}

// Upload, when late, copies only when the next method needs it.
func (b *brokenMemory) Upload(dst device.Buffer, src []float32) {
	b.Backend.Upload(dst, src)
	if b.late && dst.Len() == 1000 {
		b.pending = src
	}
}

func (b *brokenMemory) Download(dst []float32, src device.Buffer) error {
	if b.pending != nil && src.Len() == 1000 {
		copy(src.Host(), b.pending)
	}
	if b.err != nil {
		return b.err
	}
	return b.Backend.Download(dst, src)
}

func TestMemoryCheckCatches(t *testing.T) {
	if err := checkMemory(&brokenMemory{Backend: Reference()}); err != nil {
		t.Fatal(err)
	}
	mentions(t, checkMemory(&brokenMemory{Backend: Reference(), dirty: true}), "want 0")
	mentions(t, checkMemory(&brokenMemory{Backend: Reference(), crooked: true}), "multiple of 64")
	mentions(t, checkMemory(&brokenMemory{Backend: Reference(), late: true}), "Download of all")
	lost := errors.New("device lost")
	broken := &brokenMemory{Backend: Reference(), err: lost}
	if err := checkMemory(broken); !errors.Is(err, lost) {
		t.Errorf("got %v, want the device's error", err)
	}
	if err := check(broken, find(t, "Axpy/n=33"), nil); !errors.Is(err, lost) {
		t.Errorf("got %v, want the device's error", err)
	}
}

func TestLayout(t *testing.T) {
	for _, shift := range []int{0, 1, 3, 4} {
		l := layOut(find(t, "RowScaleBackward/7x31"), shift)
		end := 0
		for i, o := range l.Operands {
			if gap := l.start[i] - end; gap < guards {
				t.Errorf("shift %d: %d guard words before %s, want %d", shift, gap, o.Name, guards)
			}
			if got, want := l.start[i]%boundary, shift*(2*i+1)%boundary; got != want {
				t.Errorf("shift %d: %s starts %d float32s beyond a boundary, want %d", shift, o.Name, got, want)
			}
			end = l.start[i] + o.Len
		}
		if gap := len(l.image) - end; gap < guards {
			t.Errorf("shift %d: %d guard words at the end, want %d", shift, gap, guards)
		}
	}
}

// Rows may be run for ever: nothing fades to numbers below the normal range.
func TestRowsDoNotFade(t *testing.T) {
	for _, c := range Cases() {
		if !c.Bench || c.Flops > 1e6 || c.Bytes() > 100e3 {
			continue
		}
		p, err := layOut(c, 0).place(Reference())
		if err != nil {
			t.Fatal(err)
		}
		start, err := p.layout.place(p.be)
		if err != nil {
			t.Fatal(err)
		}
		run := p.call
		if c.wanes {
			run = p.renewing(start)
		}
		for call := range 600 {
			run()
			if call%50 != 0 {
				continue
			}
			for i, o := range c.Operands {
				for j, v := range p.ops[i].Host() {
					if v != 0 && math.Abs(float64(v)) < 0x1p-126 {
						t.Fatalf("%s: after %d calls %s[%d] is %v", c, call+1, o.Name, j, v)
					}
				}
			}
		}
	}
}

func TestRows(t *testing.T) {
	rows, release, err := Rows(Reference())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	methods := map[string]bool{}
	for _, r := range rows {
		if r.Bytes <= 0 || r.Run == nil {
			t.Errorf("%s: %d bytes", r.Name, r.Bytes)
		}
		method, _, _ := strings.Cut(r.Name, "/")
		methods[method] = true
		if r.Flops == 0 && (strings.HasPrefix(method, "Conv") || method == "MixForward" || method == "MixBackward") {
			t.Errorf("%s has no flops", r.Name)
		}
	}
	for _, c := range Cases() {
		if !methods[c.Method] {
			t.Errorf("%s has no benchmark", c.Method)
		}
	}
	rows[0].Run()
}
