package show

import "fmt"

// Number shows three significant digits and never an exponent.
func Number(v float64) string {
	switch {
	case v < 0:
		return "-" + Number(-v)
	case v >= 100 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// Optional is Number, or a dash where there is nothing to tell.
func Optional(v float64) string {
	if v == 0 {
		return "-"
	}
	return Number(v)
}

// Percent shows a share.
func Percent(v *float64) string {
	if v == nil {
		return "-"
	}
	return Number(100**v) + " %"
}

// Mebibytes shows an amount of memory.
func Mebibytes(n int64) string { return Number(float64(n) / (1 << 20)) }

// Change shows by how much a share differs from nothing, with its sign.
func Change(v float64) string { return fmt.Sprintf("%+.1f %%", 100*v) }
