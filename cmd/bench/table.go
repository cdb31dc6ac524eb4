package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table is printed in aligned columns, the first few to the left and numbers to the right.
type table struct {
	left int // columns that hold words
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			width := widths[i]
			if i < t.left {
				width = -width
			}
			fmt.Fprintf(&line, "%*s", width, cell)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// number shows three significant digits and never an exponent.
func number(v float64) string {
	switch {
	case v >= 100 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// optional is number, or a dash where there is nothing to tell.
func optional(v float64) string {
	if v == 0 {
		return "-"
	}
	return number(v)
}

// percent shows a share.
func percent(v *float64) string {
	if v == nil {
		return "-"
	}
	return number(100**v) + " %"
}

// mebibytes shows an amount of memory.
func mebibytes(n int64) string { return number(float64(n) / (1 << 20)) }
