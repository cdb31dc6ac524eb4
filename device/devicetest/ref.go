package devicetest

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"cuflow/device"
)

// Reference is the oracle: a Backend on host memory that computes every op by its documented loop, in float64, and
// rounds each result once. It is written for reading; nothing in it is fast. Whole models may run on it.
func Reference() device.Backend { return &reference{} }

type reference struct {
	last string // the op called last: proof that a case calls the method that it names
	wide *Wide  // where buffers are float64, else nil
}

// call is one op at work: operands come in as float64 copies, and done rounds the results back.
type call struct {
	wide    *Wide
	results []result
}

type result struct {
	to   []float32
	from []float64
}

// begin notes which method was called.
func (r *reference) begin() *call {
	pc, _, _, _ := runtime.Caller(1)
	name := runtime.FuncForPC(pc).Name()
	r.last = name[strings.LastIndexByte(name, '.')+1:]
	return &call{wide: r.wide}
}

// in is an operand that is only read. n is the length that the shape asks for.
func (k *call) in(b device.Buffer, n int) []float64 {
	if b.Len() != n {
		panic("devicetest: operand of wrong length")
	}
	if k.wide != nil {
		return append([]float64(nil), k.wide.Values(b)...)
	}
	x := make([]float64, n)
	for i, v := range b.Host() {
		x[i] = float64(v)
	}
	return x
}

// optional is an operand that may be absent; it is nil then.
func (k *call) optional(b device.Buffer, n int) []float64 {
	if b.Nil() {
		return nil
	}
	return k.in(b, n)
}

// out is an operand that is written, perhaps read before.
func (k *call) out(b device.Buffer, n int) []float64 {
	if k.wide != nil {
		return k.wide.Values(b)[:n:n]
	}
	x := k.in(b, n)
	k.results = append(k.results, result{b.Host(), x})
	return x
}

func (k *call) optionalOut(b device.Buffer, n int) []float64 {
	if b.Nil() {
		return nil
	}
	return k.out(b, n)
}

func (k *call) done() {
	for _, r := range k.results {
		for i, v := range r.from {
			r.to[i] = float32(v)
		}
	}
}

func (r *reference) Name() string { return "reference" }

func (r *reference) Alloc(n int) (device.Buffer, error) {
	const limit, line = 1 << 34, 16 // 64 GiB; float32s on 64 bytes
	if n < 0 || n > limit {
		return device.Buffer{}, fmt.Errorf("reference: cannot allocate %d float32s", n)
	}
	if n == 0 {
		return device.Buffer{}, nil
	}
	mem := make([]float32, n+line-1)
	skip := 0
	for uintptr(unsafe.Pointer(&mem[skip]))%64 != 0 {
		skip++
	}
	return device.HostBuffer(mem[skip : skip+n : skip+n]), nil
}

func (r *reference) Free(device.Buffer) {}

func (r *reference) Upload(dst device.Buffer, src []float32) {
	sameLen(dst.Len(), len(src))
	copy(dst.Host(), src)
}

func (r *reference) Download(dst []float32, src device.Buffer) error {
	sameLen(len(dst), src.Len())
	copy(dst, src.Host())
	return nil
}

func sameLen(a, b int) {
	if a != b {
		panic("devicetest: lengths differ")
	}
}

func (r *reference) Sync() error  { return nil }
func (r *reference) Close() error { return nil }
