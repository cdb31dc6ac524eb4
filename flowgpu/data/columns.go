package data

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// columns measures the columns of a table: steps on all of it, means and standard deviations on its training part.
func (o VectorOptions) columns(name string, t *table, train part) ([]Column, error) {
	if o.As != nil {
		return o.As, nil
	}
	steps, err := o.steps(name, t)
	if err != nil {
		return nil, err
	}
	columns := make([]Column, t.dims())
	for c := range columns {
		mean, variance := moments(train, c)
		if !(variance > 0) {
			return nil, fmt.Errorf("data %q: column %s has the value %g in all rows of the training part: leave it out with --columns", name, t.names[c], mean)
		}
		if math.IsInf(variance, 1) {
			return nil, fmt.Errorf("data %q: column %s has a variance that is no number a computer holds: give it in other units", name, t.names[c])
		}
		columns[c] = Column{Name: t.names[c], Std: 1, Step: steps[c]}
		if o.Scale.Std != 0 {
			columns[c].Mean, columns[c].Std = o.Scale.Mean, o.Scale.Std
		} else if !o.Raw { // the noise is uniform: of mean 1/2 and variance 1/12 of a step
			columns[c].Mean, columns[c].Std = mean+steps[c]/2, math.Sqrt(variance+steps[c]*steps[c]/12)
		}
	}
	return columns, nil
}

// quantum is what VectorOptions.Quantum says.
type quantum struct {
	auto  bool
	all   float64 // of all columns; 0: none
	named map[string]float64
}

func parseQuantum(text string) (q quantum, err error) {
	switch text {
	case "", "auto":
		return quantum{auto: true}, nil
	case "none":
		return quantum{}, nil
	}
	step := func(s string) (float64, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !(v >= 0) || math.IsInf(v, 1) {
			return 0, fmt.Errorf("quantum %q: %q is no step: give auto, none, a number that is not negative, or NAME=NUMBER,...", text, s)
		}
		return v, nil
	}
	if !strings.Contains(text, "=") {
		q.all, err = step(text)
		return q, err
	}
	q.named = map[string]float64{}
	for _, pair := range strings.Split(text, ",") {
		name, number, _ := strings.Cut(pair, "=")
		if q.named[strings.TrimSpace(name)], err = step(number); err != nil {
			return quantum{}, err
		}
	}
	return q, nil
}

// steps are those of the columns.
func (o VectorOptions) steps(name string, t *table) ([]float64, error) {
	q, err := parseQuantum(o.Quantum)
	if err != nil {
		return nil, fmt.Errorf("data %q: %w", name, err)
	}
	steps := make([]float64, t.dims())
	var found []string
	for c, column := range t.names[:t.dims()] {
		switch {
		case q.auto:
			steps[c] = t.step(c)
		case q.named != nil:
			steps[c] = q.named[column]
			delete(q.named, column)
		default:
			steps[c] = q.all
		}
		if steps[c] > 0 {
			if i := t.offGrid(c, steps[c]); i >= 0 && !q.auto {
				return nil, fmt.Errorf("data %q: row %d has the value %v in column %s, which is no multiple of %v: give the right --quantum",
					name, i+1, t.at(i)[c], column, steps[c])
			}
			found = append(found, fmt.Sprintf("%s %v", column, steps[c]))
		}
	}
	for column := range q.named {
		return nil, fmt.Errorf("data %q: --quantum names the column %q, but the columns are %s", name, column, some(t.names[:t.dims()]))
	}
	if q.auto && len(found) > 0 {
		o.report("%s: values are whole multiples of a step (%s), over which noise spreads them; --quantum none takes them for real numbers", name, some(found))
	}
	o.reportRepeats(name, t, steps)
	return steps, nil
}

// reportRepeats tells of columns without a step in which few values are different.
func (o VectorOptions) reportRepeats(name string, t *table, steps []float64) {
	var repeating []string
	for c, step := range steps {
		if step > 0 {
			continue
		}
		different := map[float64]bool{}
		for i := 0; i < t.rows() && len(different) <= t.rows()/2; i++ {
			different[t.at(i)[c]] = true
		}
		if len(different) <= t.rows()/2 {
			repeating = append(repeating, fmt.Sprintf("%s %d", t.names[c], len(different)))
		}
	}
	if len(repeating) > 0 {
		o.report("%s: few values are different (%s, in %d rows), though they are on no common step: densities have no limit on values that repeat",
			name, some(repeating), t.rows())
	}
}

// finest is the smallest step that is looked for: 10^-finest.
const finest = 6

// step finds the greatest step that all values of a column are whole multiples of: a power of ten times the greatest common
// divisor of the multiples, and 0 where there is none. Numbers written with few digits are quantised whether they were
// measured so or not: values repeat, and a density that may be as high as it likes on them has no limit.
func (t *table) step(c int) float64 {
	for digits := range finest + 1 {
		unit := math.Pow10(-digits)
		if t.offGrid(c, unit) >= 0 {
			continue
		}
		divisor := int64(0)
		for i := range t.rows() {
			for a, b := divisor, int64(math.Abs(math.Round(t.at(i)[c]/unit))); ; a, b = b, a%b {
				if b == 0 {
					divisor = a
					break
				}
			}
			if divisor == 1 {
				break
			}
		}
		// Of decimals, float64(divisor)/10^digits is the nearest number; times unit would be off by rounding.
		return float64(divisor) / math.Pow10(digits)
	}
	return 0
}

// offGrid is the first row whose value is no whole multiple of a step, as far as its precision tells, or -1. Multiples beyond
// what the precision tells apart count as none.
func (t *table) offGrid(c int, step float64) int {
	precision := 0x1p-23
	if t.exact {
		precision = 0x1p-52
	}
	for i := range t.rows() {
		multiple := t.at(i)[c] / step
		tolerance := math.Abs(multiple)*precision + 1e-9
		if tolerance > 0.1 || math.Abs(multiple-math.Round(multiple)) > tolerance {
			return i
		}
	}
	return -1
}
