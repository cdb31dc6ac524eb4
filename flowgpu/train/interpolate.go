package train

import (
	"fmt"
	"math"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"

	"gorgonia.org/tensor"
)

// Way is a path from one image to another through the latent space.
type Way struct {
	Steps   int    // images on it, both ends counted
	Path    string // "linear", "spherical", or "": linear where the prior is logistic and else spherical
	Picture string // path of the file
	Picking
}

// Walked says what came of a Way.
type Walked struct {
	Path string  // "linear" or "spherical"
	Ends float64 // greatest difference, in intensities, of the ends and the images they stand for
}

// maxWay bounds the images of a Way.
const maxWay = 1 << 8

// Interpolate draws the images on the way from a to b, each an argument that means one image, for the run at path. The latents
// of a and b are those of the middle of their pixels, v + 1/2, without random noise, and under a class-conditional model
// those of class 0.
func Interpolate(path, a, b string, way Way, use Use, env Env) (*Walked, error) {
	switch {
	case way.Steps < 2 || way.Steps > maxWay:
		return nil, usagef("--steps is %d: it must be from 2 to %d", way.Steps, maxWay)
	case way.Path != "" && way.Path != "linear" && way.Path != "spherical":
		return nil, usagef("unknown --path %q: use linear or spherical", way.Path)
	}
	way.Class = 0
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	m := s.Config.Model
	if vectors(m) {
		return nil, usagef("%s is a model of vectors: interpolate draws images", path)
	}
	ends, err := s.two(a, b, way.Picking, use, env)
	if err != nil {
		return nil, err
	}
	result := &Walked{Path: way.Path}
	if result.Path == "" {
		result.Path = "spherical"
		if m.Prior == "logistic" || m.Prior == "mixture" {
			result.Path = "linear"
		}
	}
	var x []float32
	err = s.with(use, env, func(model *flowgpu.Model, _ *flowgpu.Evaluator) error {
		z, err := encode(model, ends)
		if err != nil {
			return err
		}
		d := m.D()
		var latents []float32
		for i := range way.Steps {
			t := float64(i) / float64(way.Steps-1)
			latents = append(latents, between(z[:d], z[d:], t, result.Path == "spherical")...)
		}
		x, err = decode(model, latents)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := data.WritePNG(way.Picture, sheet(m, x, way.Steps, 2*gridWidth)); err != nil {
		return nil, err
	}
	if bad := countBad(x); bad > 0 {
		return nil, fmt.Errorf("%s: %d of %d values on the way are %w (magenta in the picture)", way.Picture, bad, len(x), errNotFinite)
	}
	d := m.D()
	for i := range d {
		first, last := math.Abs(float64(x[i]-ends[i])), math.Abs(float64(x[len(x)-d+i]-ends[d+i]))
		result.Ends = max(result.Ends, first, last)
	}
	return result, nil
}

// two gives the middles of the pixels of two images, [2][C][H][W].
func (s *saved) two(a, b string, p Picking, use Use, env Env) ([]float32, error) {
	d := s.Config.Model.D()
	x := make([]float32, 2*d)
	for i, arg := range []string{a, b} {
		found, err := s.find(arg, p, use, env)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, g := range found {
			n += g.Info().N
		}
		if n != 1 {
			return nil, usagef("%s holds %s: give one image, such as a picture or test:0", arg, plural(n, "image"))
		}
		if err := found[0].Load(x[i*d:], 0, 0, 1); err != nil {
			return nil, err
		}
	}
	for i := range x {
		x[i] += 0.5
	}
	return x, nil
}

// encode gives the latents [n][D] of images [n][C][H][W].
func encode(m *flowgpu.Model, x []float32) ([]float32, error) {
	c := m.Config()
	z, err := m.Encode(tensor.New(tensor.WithShape(len(x)/c.D(), c.Channels, c.Height, c.Width), tensor.WithBacking(x)))
	if err != nil {
		return nil, err
	}
	return z.Data().([]float32), nil
}

// decode is the way back.
func decode(m *flowgpu.Model, z []float32) ([]float32, error) {
	d := m.Config().D()
	x, err := m.Decode(tensor.New(tensor.WithShape(len(z)/d, d), tensor.WithBacking(z)))
	if err != nil {
		return nil, err
	}
	return x.Data().([]float32), nil
}

// between is the point at t of the way from a (t = 0) to b (t = 1). Samples of a Gaussian in many dimensions lie near a sphere, and
// a straight line between two leaves it; the spherical one turns one direction into the other, and with it the length.
// White, "Sampling generative networks", 2016, section 2.1.
func between(a, b []float32, t float64, spherical bool) []float32 {
	u, v := 1-t, t
	if angle := angleOf(a, b); spherical && math.Sin(angle) > 1e-6 { // else a and b point the same way, or apart, or nowhere
		u, v = math.Sin((1-t)*angle)/math.Sin(angle), math.Sin(t*angle)/math.Sin(angle)
	}
	z := make([]float32, len(a))
	for i := range z {
		z[i] = float32(u*float64(a[i]) + v*float64(b[i]))
	}
	return z
}

// angleOf two vectors; 0 where one has no direction.
func angleOf(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return math.Acos(min(max(ab/math.Sqrt(aa*bb), -1), 1))
}
