// Package show prints what was measured: as tables for people, as JSON and CSV for programs.
package show

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is printed in aligned columns, the first few to the left and numbers to the right.
type Table struct {
	Left int // columns that hold words
	rows [][]string
}

// Add adds a row; the first one names the columns.
func (t *Table) Add(cells ...string) { t.rows = append(t.rows, cells) }

// Rows is how many there are.
func (t *Table) Rows() int { return len(t.rows) }

// Write prints the table.
func (t *Table) Write(w io.Writer) error {
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
			if i < t.Left {
				width = -width
			}
			fmt.Fprintf(&line, "%*s", width, cell)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
