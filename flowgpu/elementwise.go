package flowgpu

import "cuflow/device"

// Elementwise applies one increasing function to every element. It has no parameters. What float32 can take back is said in
// device.Elementwise.
//
// log|det dy/dx| = sum log f'(x)
type Elementwise struct{ f device.Map }

// NewElementwise is the layer of a function of package device.
func NewElementwise(f device.Func) *Elementwise { return &Elementwise{device.Map{Func: f}} }

// NewLeakyReLU is x where x >= 0 and slope*x elsewhere, slope > 0.
func NewLeakyReLU(slope float32) *Elementwise {
	return &Elementwise{device.Map{Func: device.LeakyReLUMap, Slope: slope}}
}

func (l *Elementwise) Forward(s *State)  { s.Map(s.rows(), l.f, s.X(), s.LogDet) }
func (l *Elementwise) Inverse(s *State)  { s.Map(s.rows(), l.f.Inverse(), s.X(), s.LogDet) }
func (l *Elementwise) Backward(s *State) { s.MapBackward(l.f, s.X(), s.DX(), s.DLogDet) }
func (l *Elementwise) Params() []*Param  { return nil }
