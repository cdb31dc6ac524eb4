package curves

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// mostTicks is how many values an axis names at most.
const mostTicks = 9

// ticks names the multiples of 1, 2 or 5 times a power of ten: more of them than gonum does, and steps as 20,000, not 2e+04.
type ticks struct{}

func (ticks) Ticks(low, high float64) (all []plot.Tick) {
	step, decimals := stride(high - low)
	readable := max(math.Abs(low), math.Abs(high)) < 1e9 && decimals <= 9
	for i := math.Ceil(low / step); i <= high/step; i++ {
		t := plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'g', 7, 64)}
		if readable {
			t.Label = number(i*step, decimals)
		}
		all = append(all, t)
	}
	return all
}

// stride is the least distance between ticks, of which a span then has not too many, and its digits after the point.
func stride(span float64) (step float64, decimals int) {
	power := int(math.Floor(math.Log10(span))) - 2
	for ; ; power++ {
		for _, digit := range []float64{1, 2, 5} {
			if step = digit * math.Pow10(power); span/step <= mostTicks-1 {
				return step, max(0, -power)
			}
		}
	}
}

// number writes 1234567 as 1,234,567.
func number(v float64, decimals int) string {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	whole := len(s)
	if decimals > 0 {
		whole -= decimals + 1
	}
	for i := whole - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
