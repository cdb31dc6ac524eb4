package train

import (
	"fmt"
	"math"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Mirror says which images are reconstructed.
type Mirror struct {
	Images  []string // as arguments; none: the first held-out ones
	N       int      // at most
	Picture string   // path of the file
	Picking
}

// Mirrored is how well an inverse is one, in intensities.
type Mirrored struct {
	N       int
	Largest float64 // of |x - f^-1(f(x))|
	Worst   string  // the image that has it
	Mean    float64
}

// Reconstruct draws images x, what the inverse makes of their latents, and how far the two are apart, one row each. The pixels are
// taken in their middle, v + 1/2, without random noise.
func Reconstruct(path string, r Mirror, use Use, env Env) (*Mirrored, error) {
	if r.N < 1 || r.N > maxWay {
		return nil, usagef("--n is %d: it must be from 1 to %d", r.N, maxWay)
	}
	r.Class = 0 // it goes out the way it came in
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	if s.Config.vectors() {
		return nil, usagef("%s is a model of vectors: reconstruct draws images", path)
	}
	x, names, err := s.gather(r, use, env)
	if err != nil {
		return nil, err
	}
	var back []float32
	err = s.with(use, env, func(m *flowgpu.Model, _ *flowgpu.Evaluator) error {
		z, err := encode(m, x)
		if err != nil {
			return err
		}
		back, err = decode(m, z)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r.compare(s.Config.Model, x, back, names)
}

// gather loads the first of the images that were asked for, [N][C][H][W].
func (s *saved) gather(r Mirror, use Use, env Env) (x []float32, names []string, err error) {
	args := r.Images
	if len(args) == 0 {
		args = []string{"test"}
	}
	d := s.Config.Model.D()
	for _, arg := range args {
		found, err := s.find(arg, r.Picking, use, env)
		if err != nil {
			return nil, nil, err
		}
		for _, g := range found {
			for i := range min(g.Info().N, r.N-len(names)) {
				x = append(x, make([]float32, d)...)
				if err := g.Load(x[len(names)*d:], i, 0, 1); err != nil {
					return nil, nil, err
				}
				names = append(names, g.name(i))
			}
		}
	}
	for i := range x {
		x[i] += 0.5
	}
	return x, names, nil
}

// compare draws the three rows and measures the third.
func (r Mirror) compare(m flowgpu.Config, x, back []float32, names []string) (*Mirrored, error) {
	result := &Mirrored{N: len(names)}
	off := make([]float32, len(x))
	for i := range x {
		off[i] = back[i] - x[i]
		if off[i] < 0 {
			off[i] = -off[i]
		}
		if v := float64(off[i]); v > result.Largest {
			result.Largest, result.Worst = v, names[i/m.D()]
		}
		result.Mean += float64(off[i]) / float64(len(x))
	}
	factor := 1.0
	if finite(result.Largest) && result.Largest > 0 {
		factor = math.Pow(10, math.Floor(math.Log10(float64(m.Intensities)/result.Largest)))
	}
	for i := range off {
		off[i] *= float32(factor)
	}
	n := len(names)
	picture := stacked(
		titled("x", sheet(m, x, n, 2*gridWidth)),
		titled("f^-1(f(x))", sheet(m, back, n, 2*gridWidth)),
		titled(fmt.Sprintf("difference times %g", factor), sheet(m, off, n, 2*gridWidth)))
	if err := data.WritePNG(r.Picture, picture); err != nil {
		return nil, err
	}
	if bad := countBad(back); bad > 0 {
		return nil, fmt.Errorf("%s: %d of %d reconstructed values are %w (magenta in the picture)", r.Picture, bad, len(back), errNotFinite)
	}
	return result, nil
}
