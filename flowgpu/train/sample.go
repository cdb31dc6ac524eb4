package train

import (
	"fmt"
	"math"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

const (
	maxGrid   = 4096 // images
	gridWidth = 512  // picture pixels, about
)

// draw samples n images, [n][C][H][W] intensities.
func draw(e *flowgpu.Evaluator, m flowgpu.Config, n int, temperature float64, seed uint64) ([]float32, error) {
	p, d := m.Height*m.Width, m.D()
	all := make([]float32, n*d)
	batch := make([]float32, e.Batch()*d)
	for from := 0; from < n; from += e.Batch() {
		k := min(e.Batch(), n-from)
		if err := e.Sample(k, float32(temperature), seed, from, batch[:k*d]); err != nil {
			return nil, err
		}
		for i := range k {
			for c := range m.Channels {
				copy(all[(from+i)*d+c*p:][:p], batch[(c*k+i)*p:])
			}
		}
	}
	return all, nil
}

// drawGrid samples n images into one picture. NaN is drawn and told.
func drawGrid(path string, e *flowgpu.Evaluator, m flowgpu.Config, n int, temperature float64, seed uint64) error {
	x, err := draw(e, m, n, temperature, seed)
	if err != nil {
		return err
	}
	columns := int(math.Ceil(math.Sqrt(float64(n))))
	scale := max(1, gridWidth/(columns*m.Width))
	if err := data.WritePNG(path, data.Grid(x, n, m.Channels, m.Height, m.Width, m.Intensities, columns, scale)); err != nil {
		return err
	}
	bad := 0
	for _, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%s: %d of %d sampled values are %w (magenta in the picture)", path, bad, len(x), errNotFinite)
	}
	return nil
}
