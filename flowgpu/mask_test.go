package flowgpu

import (
	"math/rand/v2"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
)

// What a checkerboard mask leaves alone costs nothing: the last convolution and the coupling work on half the pixels.
func TestMaskSkipsArithmetic(t *testing.T) {
	const c, width, blocks, n, h, w = 3, 8, 2, 5, 4, 6
	tally := &device.Tally{}
	l := NewCheckerCoupling(device.TanhScale, c, 0, NewResNet(c, width, blocks, 2*c, true, 0, rand.New(rand.NewPCG(1, 1))))
	for _, p := range l.Params() {
		p.V = device.Phantom(p.Len())
	}
	s := &State{
		Backend: tally, N: n, C: c, H: h, W: w, x: device.Phantom(c * n * h * w), LogDet: device.Phantom(n),
		Scratch: device.NewCountingArena(), Stash: device.NewCountingArena(),
	}
	l.Forward(s)
	m := int64(n * h * w)
	want := 2 * (m*9*(2*c+1)*width + // first convolution: features are wanted everywhere
		m*blocks*2*9*width*width +
		m*(blocks+1)*width*width + // skips
		m/2*width*2*c) // last convolution: the moved pixels only
	if tally.Flops != want {
		t.Fatalf("a masked coupling takes %d operations, want %d", tally.Flops, want)
	}
}

// Pixels of the colour that conditions come out bit for bit as they went in; those of the other colour all move.
func TestCheckerboardMovesOneColour(t *testing.T) {
	for parity := range 2 {
		be, err := cpufallback.New("cpu")
		if err != nil {
			t.Fatal(err)
		}
		g := newRig(t, be, layerCase{"checker", 2, 3, 4, checkerCoupling(2, parity)}, 2, false)
		g.layer.Forward(g.s)
		for i, y := range g.read(g.s.x) {
			row, col := i/4%3, i%4
			conditions := (row+col)%2 == parity
			if (y == g.x0[i]) != conditions {
				t.Errorf("parity %d: pixel (%d, %d) went from %v to %v", parity, row, col, g.x0[i], y)
			}
		}
		be.Close()
	}
}
