package plot

import (
	"math"
	"strconv"
)

// tick is a named place on an axis.
type tick struct {
	at   float64
	name string
}

// ticks names the multiples of 1, 2 or 5 times a power of ten that lie between low and high, most of them and one at most.
func ticks(low, high float64, most int) (all []tick) {
	if !(high > low) || math.IsInf(high-low, 0) {
		return nil
	}
	step, decimals := stride(high-low, most)
	slack := 1e-9 * (high - low)
	for i := math.Ceil((low - slack) / step); i*step <= high+slack; i++ {
		all = append(all, tick{i * step, number(i*step, step, decimals)})
	}
	return all
}

// stride is the least distance of which a span has not too many, and the digits after the point that it takes.
func stride(span float64, most int) (step float64, decimals int) {
	for power := int(math.Floor(math.Log10(span))) - 2; ; power++ {
		for _, digit := range []float64{1, 2, 5} {
			if step = digit * math.Pow10(power); span/step <= float64(most)*(1+1e-9) {
				return step, max(0, -power)
			}
		}
	}
}

// number writes 1234567 as 1,234,567, and what would be long in powers of ten.
func number(v, step float64, decimals int) string {
	if math.Abs(v) < step/2 {
		return "0"
	}
	if math.Abs(v) >= 1e7 || decimals > 5 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
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
