package train

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"cuflow/flowgpu/data"
)

// span is the circle or the interval that the model is on, in the units of the data; two zeros where it is on neither. "pi" is a number.
func (c Config) span() (lo, hi float64, err error) {
	switch {
	case c.Model.Domain == "circle" && c.Range == "":
		return -math.Pi, math.Pi, nil
	case c.Model.Domain == "interval" && c.Range == "":
		return 0, 1, nil
	case c.Range == "":
		return 0, 0, nil
	case c.Model.Domain != "circle" && c.Model.Domain != "interval":
		return 0, 0, fmt.Errorf("--range is %s, but the model is on the whole line: do without, or give --domain circle or interval", c.Range)
	}
	first, second, both := strings.Cut(c.Range, ",")
	lo, errLo := end(first)
	hi, errHi := end(second)
	if !both || errLo != nil || errHi != nil || !(hi > lo) || math.IsInf(hi-lo, 0) {
		return 0, 0, fmt.Errorf("--range is %q: give LO,HI with LO below HI, such as 0,360 or -pi,pi", c.Range)
	}
	return lo, hi, nil
}

// end reads a number, or pi.
func end(text string) (float64, error) {
	switch text = strings.TrimSpace(text); text {
	case "pi":
		return math.Pi, nil
	case "-pi":
		return -math.Pi, nil
	case "2pi":
		return 2 * math.Pi, nil
	}
	return strconv.ParseFloat(text, 64)
}

// scale lays the data out on the model's circle, from -pi to pi, or on its interval, from 0 to 1.
func (c Config) scale() (data.Scale, error) {
	lo, hi, err := c.span()
	if err != nil || hi == lo {
		return data.Scale{}, err
	}
	if c.Raw {
		return data.Scale{}, fmt.Errorf("--raw takes columns as they are, and domain %s lays them out by --range: do without it", c.Model.Domain)
	}
	if c.Model.Domain == "circle" {
		return data.Scale{Mean: (lo + hi) / 2, Std: (hi - lo) / (2 * math.Pi)}, nil
	}
	return data.Scale{Mean: lo, Std: hi - lo}, nil
}
