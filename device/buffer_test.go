package device

import (
	"fmt"
	"testing"
)

func TestHostBufferSlices(t *testing.T) {
	mem := []float32{0, 1, 2, 3, 4, 5, 6, 7}
	b := HostBuffer(mem).Slice(2, 7).Slice(1, 4)
	if b.Len() != 3 || b.Addr() != 0 || &b.Host()[0] != &mem[3] || cap(b.Host()) != 3 {
		t.Errorf("slice of a slice: %v", b.Host())
	}
	if e := b.Slice(3, 3); !e.Nil() || e.Len() != 0 {
		t.Errorf("empty slice has %d float32s", e.Len())
	}
}

func TestDeviceBufferSlices(t *testing.T) {
	b := DeviceBuffer(0x7f00_0000_0000, 100).Slice(10, 90).Slice(5, 6)
	if b.Len() != 1 || b.Addr() != 0x7f00_0000_0000+4*15 || b.Host() != nil {
		t.Errorf("slice of a slice: %d float32s at %#x", b.Len(), b.Addr())
	}
}

func TestBufferNil(t *testing.T) {
	if !(Buffer{}).Nil() || HostBuffer(make([]float32, 1)).Nil() || DeviceBuffer(64, 1).Nil() {
		t.Error("only a buffer of no length is not given")
	}
	if (Buffer{}).Slice(0, 0).Len() != 0 {
		t.Error("the empty slice of nothing is not empty")
	}
}

func TestSliceOutOfRangePanics(t *testing.T) {
	for name, b := range map[string]Buffer{"host": HostBuffer(make([]float32, 4, 8)), "device": DeviceBuffer(64, 4)} {
		for _, r := range [][2]int{{-1, 2}, {3, 2}, {0, 5}, {5, 5}} {
			t.Run(fmt.Sprintf("%s %v", name, r), func(t *testing.T) {
				defer func() {
					if _, ok := recover().(string); !ok {
						t.Errorf("Slice(%d, %d) of 4 did not panic with a text", r[0], r[1])
					}
				}()
				b.Slice(r[0], r[1])
			})
		}
	}
}

func TestSlicingAllocatesNothing(t *testing.T) {
	b := HostBuffer(make([]float32, 64))
	var sink Buffer
	if n := testing.AllocsPerRun(100, func() { sink = b.Slice(1, 33).Slice(2, 5) }); n != 0 || sink.Len() != 3 {
		t.Errorf("%v allocations", n)
	}
}

func TestShapes(t *testing.T) {
	s := ConvShape{Cin: 3, Cout: 5, K: 3, N: 7, H: 2, W: 11}
	if s.P() != 22 || s.M() != 154 || s.Weights() != 135 || s.Flops() != 2*135*154 {
		t.Errorf("ConvShape: P %d, M %d, %d weights, %d flops", s.P(), s.M(), s.Weights(), s.Flops())
	}
	r := Rows{C: 3, N: 5, P: 7}
	if r.Len() != 105 || r.M() != 35 {
		t.Errorf("Rows: Len %d, M %d", r.Len(), r.M())
	}
	for l, want := range map[Law]int{Additive: 1, SigmoidScale: 2, ExpScale: 2, TanhScale: 2, GaussScale: 2} {
		if got := l.Params(); got != want {
			t.Errorf("law %d takes %d values, want %d", l, got, want)
		}
	}
}
