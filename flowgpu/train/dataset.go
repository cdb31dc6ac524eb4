package train

import (
	"fmt"
	"path/filepath"

	"cuflow/flowgpu/data"
)

// anchorData makes the data's path absolute, so that later commands find it from anywhere.
func (c *Config) anchorData() (err error) {
	if c.Data == "digits" {
		return nil
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	return nil
}

// openData opens the run's data set and makes its images fit the model, which they must but for padding.
func (c Config) openData() (train, test *data.Set, err error) {
	train, test, err = data.Open(c.Data)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range []**data.Set{&train, &test} {
		if err := (*s).Check(); err != nil {
			return nil, nil, err
		}
		if *s, err = c.fit(*s); err != nil {
			return nil, nil, err
		}
	}
	return train, test, nil
}

// fit pads a set where that is wanted. The error says what the model takes instead.
func (c Config) fit(s *data.Set) (*data.Set, error) {
	m := c.Model
	smaller := s.H <= m.Height && s.W <= m.Width
	same := s.H == m.Height && s.W == m.Width
	if s.C != m.Channels || s.Levels != m.Intensities || !same && !(c.Pad && smaller) {
		hint := "use another --preset or --data"
		if s.C == m.Channels && s.Levels == m.Intensities {
			hint += fmt.Sprintf(", or pad to a size that %d levels can halve: --pad %d", m.Levels, roundUp(max(s.H, s.W), 1<<m.Levels))
		}
		return nil, fmt.Errorf("%s: images of %s with %d intensities, but preset %s takes %s with %d: %s",
			s.Name, size(s.C, s.H, s.W), s.Levels, c.Preset, size(m.Channels, m.Height, m.Width), m.Intensities, hint)
	}
	return s.Pad(m.Height, m.Width)
}

// size writes an image's shape as people do.
func size(c, h, w int) string { return fmt.Sprintf("%dx%dx%d", h, w, c) }

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
