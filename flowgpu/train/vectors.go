package train

import (
	"errors"
	"fmt"
	"strings"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// AutoDims as a model's Channels means as many as the vectors have dimensions.
const AutoDims = -1

// nominalDims stands for AutoDims where there is no data yet.
const nominalDims = 63

// modelColumns are the data's columns as the model has them.
func modelColumns(columns []data.Column) flowgpu.Columns {
	var list []flowgpu.Column
	for _, c := range columns {
		list = append(list, flowgpu.Column(c))
	}
	return flowgpu.ColumnsOf(list)
}

// vectorOptions are how the run's vectors are read: once a model has been made of them, as it was.
func (c Config) vectorOptions(note func(string)) data.VectorOptions {
	o := data.VectorOptions{
		Delimiter: c.Delimiter, Header: c.Header, Missing: c.Missing, Quantum: c.Quantum, Raw: c.Raw,
		Holdout: c.Validation, Seed: c.SplitSeed, Report: note,
	}
	if c.Columns != "" {
		o.Columns = strings.Split(c.Columns, ",")
	}
	if c.Context != "" {
		o.Context = strings.Split(c.Context, ",")
	}
	o.Scale, _ = c.scale() // Validate has said what is wrong
	for _, l := range c.Model.Columns.List() {
		o.As = append(o.As, data.Column(l))
	}
	o.Given = contextOf(c.Model)
	return o
}

func (c Config) openVectors(note func(string)) (sources, error) {
	train, val, test, err := data.OpenVectors(c.Data, c.vectorOptions(note))
	if err != nil {
		return sources{}, err
	}
	if m := c.Model.Channels; m != AutoDims && m != train.Info().C {
		return sources{}, fmt.Errorf("%s: vectors of %s, but preset %s takes %d: choose --columns, or use another --preset or --data",
			c.Data, plural(train.Info().C, "dimension"), c.Preset, m)
	}
	return sources{train, val, test}, nil
}

// imageOnly refuses what is for vectors alone.
func (c Config) imageOnly() error {
	if c.Columns+c.Context+c.Range+c.Delimiter+c.Header+c.Missing+c.Quantum != "" || c.Raw {
		return errors.New("--columns, --context, --range, --delimiter, --header, --missing, --quantum and --raw are for vectors: use a preset for them, such as realnvp-tab")
	}
	return nil
}

// validateVectors refuses what is for images alone.
func (c Config) validateVectors() error {
	switch {
	case c.Flip || c.Shift != 0 || c.Fit != "" || c.Channels != 0 || c.BadFiles == "skip":
		return errors.New("--fit, --channels, --bad-files, --flip and --shift are for images, not for vectors")
	case c.SampleEvery != 0:
		return errors.New("--sample-every is for images: vectors are drawn at the end alone")
	case !(c.Validation >= 0 && c.Validation < 0.5):
		return fmt.Errorf("--val-fraction is %g: of vectors, of which as many are held out for the test, it must be from 0 (a tenth) to below 0.5", c.Validation)
	}
	return nil
}

// table says what a run's vectors are and how they are taken.
func (c Config) table() string {
	parts := []string{c.Data}
	if c.Columns != "" {
		parts = append(parts, "columns "+strings.ReplaceAll(c.Columns, ",", ", "))
	}
	if c.conditional() {
		parts = append(parts, "given "+strings.ReplaceAll(c.Context, ",", ", "))
	}
	if c.Missing == "drop" {
		parts = append(parts, "rows that lack a value left out")
	}
	switch lo, hi, _ := c.span(); {
	case hi > lo:
		parts = append(parts, fmt.Sprintf("from %g to %g on the %s", lo, hi, c.Model.Domain))
	case c.Raw:
		parts = append(parts, "not standardised")
	default:
		parts = append(parts, "standardised")
	}
	return strings.Join(parts, ", ")
}
