package plot

import (
	"image/color"

	gonum "gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sizes of text, in points. A page of 600 points fills the width of a README, where 10 points are what text around it is.
const (
	titleSize  = 13
	labelSize  = 11
	tickSize   = 10
	legendSize = 10.5
)

// write is how text of a size looks. Only characters of Windows-1252 may be written: PDF files have no others.
func write(size vg.Length, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		Handler: gonum.DefaultTextHandler,
	}
}

func titleStyle() text.Style { return write(titleSize, ink()) }

func legendStyle() text.Style { return write(legendSize, ink()) }

func noteStyle() text.Style { return write(tickSize, grey()) }

func labelStyle() text.Style { return aligned(write(labelSize, ink()), text.XCenter, text.YTop) }

func tickStyle() text.Style { return write(tickSize, ink()) }

func aligned(s text.Style, x text.XAlignment, y text.YAlignment) text.Style {
	s.XAlign, s.YAlign = x, y
	return s
}

// lineHeight is the distance between lines of text.
func lineHeight(s text.Style) vg.Length { return 1.25 * s.Font.Size }

func stroke(c color.Color, width vg.Length, dashes ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: width, Dashes: dashes}
}

// fitted is text cut to a width.
func fitted(s text.Style, words string, width vg.Length) string {
	runes := []rune(words)
	if s.Width(words) <= width {
		return words
	}
	for n := len(runes) - 1; n > 0; n-- {
		if cut := string(runes[:n]) + "..."; s.Width(cut) <= width {
			return cut
		}
	}
	return "..."
}
