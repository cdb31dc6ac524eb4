package devicetest

import (
	"fmt"
	"math"
	"reflect"
	"unsafe"

	"cuflow/device"
)

// withoutCases are the methods that checkMemory covers.
var withoutCases = [...]string{"Name", "Alloc", "Free", "Upload", "Download", "Sync", "Close"}

// complete says whether every method has a case and every case a method.
func complete(cases []Case) error {
	covered := map[string]bool{}
	for _, m := range withoutCases {
		covered[m] = true
	}
	be := reflect.TypeFor[device.Backend]()
	for _, c := range cases {
		if _, ok := be.MethodByName(c.Method); !ok {
			return fmt.Errorf("case %s: device.Backend has no method %s", c, c.Method)
		}
		covered[c.Method] = true
	}
	for i := range be.NumMethod() {
		if m := be.Method(i).Name; !covered[m] {
			return fmt.Errorf("device.Backend.%s has no case", m)
		}
	}
	return nil
}

// checkMemory covers the methods that have no case; Close is for the caller, at the end.
func checkMemory(be device.Backend) error {
	if be.Name() == "" {
		return fmt.Errorf("Name is empty")
	}
	const n = 1000
	a, err := fresh(be, n)
	if err != nil {
		return err
	}
	b, err := fresh(be, 1)
	if err != nil {
		return err
	}
	if none, err := be.Alloc(0); err != nil || none.Len() != 0 {
		return fmt.Errorf("Alloc(0) gave %d float32s and error %v, want none", none.Len(), err)
	}
	if _, err := be.Alloc(1 << 50); err == nil || err.Error() == "" {
		return fmt.Errorf("Alloc of 4 PiB gave no error that says so")
	}

	src := make([]float32, n)
	for i := range src {
		src[i] = float32(i) + 0.5
	}
	src[7] = math.Float32frombits(guardBits) // a NaN keeps its bits
	want := append([]float32(nil), src...)
	be.Upload(a, src)
	setBits(src, poisonBits) // src may be reused as soon as Upload returns
	copy(src, want[100:133])
	be.Upload(a.Slice(31, 64), src[:33])
	copy(want[31:64], src[:33])
	be.Copy(b, a.Slice(n-1, n)) // work that Download has to wait for
	for _, c := range []struct {
		what string
		from device.Buffer
		want []float32
	}{
		{"all", a, want}, {"a part", a.Slice(500, 533), want[500:533]}, {"a copy", b, want[n-1:]}, {"nothing", a.Slice(5, 5), nil},
	} {
		got := make([]float32, len(c.want))
		if err := be.Download(got, c.from); err != nil {
			return fmt.Errorf("Download of %s: %w", c.what, err)
		}
		for i, v := range got {
			if math.Float32bits(v) != math.Float32bits(c.want[i]) {
				return fmt.Errorf("Download of %s: [%d] is %v, want %v", c.what, i, v, c.want[i])
			}
		}
	}
	for _, f := range []func(){
		func() { be.Upload(a, want[1:]) },
		func() { be.Upload(a.Slice(1, n), want) },
		func() { _ = be.Download(want[1:], a) },
		func() { _ = be.Download(want, a.Slice(1, n)) },
	} {
		if err := mustPanic(f); err != nil {
			return fmt.Errorf("Upload or Download between different lengths: %w", err)
		}
	}
	if err := be.Sync(); err != nil {
		return fmt.Errorf("Sync: %w", err)
	}

	be.Free(a)
	be.Free(b)
	again, err := fresh(be, n) // perhaps the same memory: zeroed again
	if err != nil {
		return err
	}
	be.Free(again)
	return nil
}

// fresh allocates n float32s and checks that they are zeros on a 64-byte boundary.
func fresh(be device.Backend, n int) (device.Buffer, error) {
	b, err := be.Alloc(n)
	if err != nil {
		return b, err
	}
	if b.Len() != n || address(b)%64 != 0 {
		return b, fmt.Errorf("Alloc(%d) gave %d float32s at %#x, want them at a multiple of 64", n, b.Len(), address(b))
	}
	x := make([]float32, n)
	if err := be.Download(x, b); err != nil {
		return b, err
	}
	for i, v := range x {
		if math.Float32bits(v) != 0 {
			return b, fmt.Errorf("Alloc(%d) gave [%d] = %v, want 0", n, i, v)
		}
	}
	return b, nil
}

func address(b device.Buffer) uint64 {
	if h := b.Host(); h != nil {
		return uint64(uintptr(unsafe.Pointer(&h[0])))
	}
	return b.Addr()
}

// checkLengths calls a case once for every operand, that operand one float32 short: the op must panic before it touches
// anything, with a text of its own and not with the runtime's index error.
func checkLengths(be device.Backend, c Case) error {
	if c.Bench {
		return nil // the small cases say the same
	}
	l := layOut(c, 0)
	p, err := l.place(be)
	if err != nil {
		return err
	}
	defer p.free()
	for i, o := range c.Operands {
		if o.free || o.Len < 2 { // one less than 1 would mean "not given"
			continue
		}
		whole := p.ops[i]
		p.ops[i] = whole.Slice(0, o.Len-1)
		if err := mustPanic(p.call); err != nil {
			return fmt.Errorf("%s one float32 short: %w", o.Name, err)
		}
		p.ops[i] = whole
	}
	after := make([]float32, len(l.image))
	if err := be.Download(after, p.mem); err != nil {
		return err
	}
	if err := l.sameBits(l.image, after); err != nil {
		return fmt.Errorf("refused, but not before it wrote: %w", err)
	}
	return nil
}

func mustPanic(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case string:
			err = nil
		case nil:
			err = fmt.Errorf("was accepted, want a panic")
		default:
			err = fmt.Errorf("panics with %v, want a constant text", r)
		}
	}()
	f()
	return nil
}
