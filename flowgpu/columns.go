package flowgpu

import (
	"encoding/json"
	"fmt"
	"math"

	"cuflow/device"
)

// Column is one dimension of vector data: how its values v, in units of their own, become the flow's x. The noise makes
// quantised values continuous, as Dequantize does those of pixels.
//
//	x = (v + Step*u - Mean)/Std,   u uniform on [0, 1)
//
// Log-densities are those of v + Step*u: they count -log Std for every column.
type Column struct {
	Name string  `json:"name"`
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"`
	Step float64 `json:"step,omitempty"` // 0: real numbers
}

// scaled is the flow's x, but for the noise.
func (c Column) scaled(v float64) float32 { return float32((v - c.Mean) / c.Std) }

// Value is what the flow's x stands for: v + Step*u.
func (c Column) Value(x float32) float64 { return c.Mean + c.Std*float64(x) }

// Floor is the multiple of Step that v + Step*u came of; without a Step, v itself.
func (c Column) Floor(v float64) float64 {
	if c.Step == 0 {
		return v
	}
	return math.Floor(v/c.Step) * c.Step
}

// Columns is a list of columns that, unlike a slice, can be compared: its JSON.
type Columns struct{ text string }

// ColumnsOf makes the list of some columns.
func ColumnsOf(list []Column) Columns {
	if len(list) == 0 {
		return Columns{}
	}
	text, err := json.Marshal(list)
	if err != nil { // numbers that are not finite
		panic("flowgpu: columns whose mean, std or step is no number")
	}
	return Columns{string(text)}
}

// List gives the columns back, to the last bit.
func (c Columns) List() (list []Column) {
	if c.text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(c.text), &list); err != nil {
		panic("flowgpu: columns that were never valid")
	}
	return list
}

// MarshalJSON writes the list.
func (c Columns) MarshalJSON() ([]byte, error) {
	if c.text == "" {
		return []byte("null"), nil
	}
	return []byte(c.text), nil
}

// UnmarshalJSON reads a list.
func (c *Columns) UnmarshalJSON(text []byte) error {
	var list []Column
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*c = ColumnsOf(list)
	return nil
}

// checkColumns says whether a model's data may be of its columns.
func (c Config) checkColumns() error {
	list := c.Columns.List()
	if len(list) == 0 {
		return nil
	}
	if c.Height != 1 || c.Width != 1 || c.Intensities != 0 || len(list) != c.Channels {
		return fmt.Errorf("%d columns for data of %d channels, %dx%d and %d intensities: columns are of vectors, one for each channel",
			len(list), c.Channels, c.Height, c.Width, c.Intensities)
	}
	for _, l := range list {
		if !(l.Std > 0 && l.Step >= 0) {
			return fmt.Errorf("column %q has the standard deviation %g and the step %g: the first must be positive, the second not negative", l.Name, l.Std, l.Step)
		}
	}
	return nil
}

// noNoise is the log of a factor that makes noise vanish beside any value, and is no subnormal number.
const noNoise = -80

// spread is, where there is noise on any column, the log of its width in x, by column; nil where there is none.
func (c Config) spread() (logs []float32) {
	list := c.Columns.List()
	any := false
	for _, l := range list {
		width := float32(noNoise)
		if l.Step > 0 {
			width, any = float32(math.Log(l.Step/l.Std)), true
		}
		logs = append(logs, width)
	}
	if !any {
		return nil
	}
	return logs
}

// blur puts the n vectors in pixels, with the noise of their columns, into x.
func (w *Workspace) blur(n int, rng device.Stream, pixels, x device.Buffer) {
	s := &w.s
	if w.m.spread.Nil() {
		s.Copy(x, pixels)
		return
	}
	d := w.m.cfg.Channels
	logs, zero := w.m.spread.Slice(0, d), w.m.spread.Slice(aligned(d), aligned(d)+d)
	s.Uniform(w.rows(n), rng, w.at, x)
	s.ActNorm(d, n, logs, zero, x)
	s.Axpy(1, pixels, x)
}
