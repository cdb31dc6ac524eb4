package train

import (
	"fmt"

	"cuflow/flowgpu"
)

// denoise takes the noise that a model was trained on off its samples, images [n][C][H][W] in intensities, image i of class(i).
func denoise(model *flowgpu.Model, batch int, images []float32, class func(i int) int32) error {
	d, err := flowgpu.NewDenoiser(model, batch)
	if err != nil {
		return err
	}
	defer d.Close()
	m := model.Config()
	x, classes := make([]float32, batch*m.D()), make([]int32, 0, batch)
	for from, n := 0, len(images)/m.D(); from < n; from += batch {
		k := min(batch, n-from)
		classes = classes[:0]
		for i := range k {
			classes = append(classes, class(from+i))
		}
		if err := d.Label(classes); err != nil {
			return err
		}
		some := images[from*m.D() : (from+k)*m.D()]
		together(m, some, k, x)
		if err := d.Denoise(k, x[:k*m.D()]); err != nil {
			return err
		}
		separate(m, x, k, some)
	}
	return nil
}

// together turns images, [n][C][H][W], into a batch, [C][n][H][W]: it undoes separate.
func together(m flowgpu.Config, images []float32, n int, batch []float32) {
	p := m.Height * m.Width
	for i := range n {
		for c := range m.Channels {
			copy(batch[(c*n+i)*p:][:p], images[(i*m.Channels+c)*p:])
		}
	}
}

// checkNoise says whether a model's samples can be denoised and guided as asked.
func (g Sampling) checkNoise(m flowgpu.Config) error {
	switch {
	case g.Denoise && m.Noise == 0:
		return usagef("--denoise takes off the noise that a model was trained on, and this one was trained without: train a tarflow with --noise")
	case !(g.Guidance >= 0 && g.Guidance <= 100):
		return usagef("--guidance is %g: it must be from 0 (none) to 100", g.Guidance)
	case g.Guidance > 0 && (m.Kind != "tarflow" || m.Classes == 0):
		return usagef("--guidance is %g, but only a tarflow with classes can be guided: do without", g.Guidance)
	}
	return nil
}

// drawTuned is draw with guidance, and without noise, if that is asked for.
func (g Sampling) drawTuned(model *flowgpu.Model, e *flowgpu.Evaluator, temperature float64, class func(i int) int32, context given) ([]float32, error) {
	if g.Guidance > 0 {
		if err := e.Guide(float32(g.Guidance)); err != nil {
			return nil, err
		}
	}
	x, err := draw(e, model.Config(), g.N, temperature, g.Seed, class, context)
	if err != nil || !g.Denoise {
		return x, err
	}
	if err := denoise(model, e.Batch(), x, class); err != nil {
		return nil, fmt.Errorf("denoising: %w", err)
	}
	return x, nil
}
