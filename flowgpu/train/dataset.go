package train

import (
	"fmt"
	"path/filepath"
	"strings"

	"cuflow/flowgpu/data"
)

// AutoClasses as a model's Classes means as many as the data has.
const AutoClasses = -1

// anchorData makes the data's path absolute, so that later commands find it from anywhere.
func (c *Config) anchorData() (err error) {
	if builtIn(c.Data) {
		return nil
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	return nil
}

// builtIn says whether a data set is no path.
func builtIn(name string) bool { return name == "digits" || data.IsToy(name) }

// sources are a data set's parts: what is trained with, what chooses among weights on the way, and what scores those chosen. Of
// images the last two are the same.
type sources struct{ train, val, test data.Source }

// open opens the run's data set. note is told, line by line, what the user should know about it.
func (c Config) open(note func(string)) (sources, error) {
	if c.vectors() {
		return c.openVectors(note)
	}
	train, test, err := c.openData(note)
	return sources{train, test, test}, err
}

// openData opens a set of images, made to be what the model takes as the settings say. note is told, line by line, what
// the user should know about it. Which samples are held out does not depend on the run's seed: runs that differ in
// nothing but that are scored on the same images.
func (c Config) openData(note func(string)) (train, test data.Source, err error) {
	o := data.OpenOptions{
		Fit: c.Fit, Channels: c.Channels, Bits: c.Bits, Validation: c.Validation, Labels: c.Model.Classes != 0,
		BadFiles: c.BadFiles, Report: note, Workers: c.Workers, Seed: c.SplitSeed,
	}
	if c.Fit != "" {
		o.Height, o.Width = c.Model.Height, c.Model.Width
	}
	if train, test, err = data.OpenWith(c.Data, o); err != nil {
		return nil, nil, err
	}
	for _, s := range []data.Source{train, test} {
		if err := c.accepts(s.Info()); err != nil {
			return nil, nil, err
		}
	}
	return train, test, nil
}

// accepts says whether the model takes the images of a set. The error says which flags would make it.
func (c Config) accepts(s data.Info) error {
	m := c.Model
	if s.C != m.Channels || s.H != m.Height || s.W != m.Width || s.Levels != m.Intensities {
		return fmt.Errorf("%s: images of %s with %d intensities, but preset %s takes %s with %d: %s",
			s.Name, size(s.C, s.H, s.W), s.Levels, c.Preset, size(m.Channels, m.Height, m.Width), m.Intensities, c.hint(s))
	}
	switch {
	case m.Classes != 0 && s.Classes == 0:
		return fmt.Errorf("%s has no labels, but the model is class-conditional: use other data, or train without --classes", s.Name)
	case m.Classes > 0 && s.Classes > m.Classes:
		return fmt.Errorf("%s has %d classes, but the model has %d: use other data, or train with --classes %d", s.Name, s.Classes, m.Classes, s.Classes)
	}
	return nil
}

// hint names the flags that bring a set and the model together.
func (c Config) hint(s data.Info) string {
	m := c.Model
	hints := []string{"use another --preset or --data"}
	if s.C != m.Channels && convertible(s.C) {
		if convertible(m.Channels) {
			hints = append(hints, fmt.Sprintf("convert the images with --channels %d", m.Channels))
		}
		hints = append(hints, fmt.Sprintf("model %s with --channels %d", plural(s.C, "channel"), s.C))
	}
	if s.H != m.Height || s.W != m.Width {
		hints = append(hints, fmt.Sprintf("make the images fit with --fit crop, resize or pad, or pad to a size that %s can halve: --pad %d",
			plural(m.Levels, "level"), roundUp(max(s.H, s.W), 1<<m.Levels)))
	}
	if bits, whole := depth(s.Levels); whole && s.Levels != m.Intensities {
		hints = append(hints, fmt.Sprintf("model all intensities with --bits %d", bits))
	}
	return strings.Join(hints, ", or ")
}

// adapt completes the model by what the data has, where that is asked for: classes, dimensions, and how vectors are scaled.
func (c *Config) adapt(s sources) {
	if c.Model.Classes == AutoClasses {
		c.Model.Classes = max(s.train.Info().Classes, s.test.Info().Classes)
	}
	if v, ok := s.train.(*data.Vectors); ok {
		c.Model.Channels, c.Model.Columns = v.Info().C, modelColumns(v.Columns())
		c.Model.Context = modelContext(v.Context())
	}
}

// labels are the classes of samples from .. from+n-1, in memory that is reused; nil of a set without.
func labels(s data.Source, from, n int, into []int32) []int32 {
	if s.Info().Classes == 0 {
		return nil
	}
	into = into[:0]
	for i := range n {
		into = append(into, s.Label(from+i))
	}
	return into
}

// convertible tells whether images of so many channels are grey, RGB or RGBA.
func convertible(channels int) bool { return channels == 1 || channels == 3 || channels == 4 }

// depth is the number of bits that so many intensities are, where that is a whole one.
func depth(levels int) (bits int, whole bool) {
	for ; 1<<bits < levels; bits++ {
	}
	return bits, 1<<bits == levels
}

// size writes an image's shape as people do.
func size(c, h, w int) string { return fmt.Sprintf("%dx%dx%d", h, w, c) }

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
