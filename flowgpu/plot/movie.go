package plot

import (
	"image"
	"image/color"
	"image/gif"
	"io"
	"math"

	"gonum.org/v1/plot/vg"
)

const (
	movieSide = vg.Length(200) // of the frame, in points
	between   = 6              // pictures from one frame to the next
	still     = 30             // hundredths of a second that a frame stands, and
	moving    = 5              // that a picture between two does
	ending    = 200            // that the last frame stands
)

// Movie writes an animated GIF of points on their way through a flow: each frame stands for a moment, and from one to the next every
// point goes in a straight line, which is for the eye alone: a flow's layers know nothing between them.
func Movie(w io.Writer, frames []Frame) error {
	fills, err := checkFrames(frames)
	if err != nil {
		return err
	}
	windows, err := windowsOf(frames)
	if err != nil {
		return err
	}
	var pictures []*panel
	var delays []int
	for i, f := range frames {
		pictures = append(pictures, framePanel(f, windows[i], fills, movieSide))
		if i == len(frames)-1 {
			delays = append(delays, ending)
			break
		}
		delays = append(delays, still)
		for k := 1; k <= between; k++ {
			// Eased, so that points set off and arrive gently.
			t := (1 - math.Cos(math.Pi*float64(k)/(between+1))) / 2
			pictures = append(pictures, framePanel(mixFrames(f, frames[i+1], t), mixWindows(windows[i], windows[i+1], t), fills, movieSide))
			delays = append(delays, moving)
		}
	}
	size := []vg.Length{movieSide}
	whole := layout{widths: size, heights: size}
	for _, p := range pictures { // names of ticks and frames differ in width, pictures must not
		left, right, _, _ := p.margins(movieSide, movieSide)
		whole.left, whole.right = max(whole.left, left), max(whole.right, right, p.width()-movieSide)
	}
	all := gif.GIF{Delay: delays}
	colours := palette(fills)
	for _, p := range pictures {
		all.Image = append(all.Image, quantised(arrange([][]*panel{{p}}, whole).raster().Image(), colours))
		all.Disposal = append(all.Disposal, gif.DisposalNone)
	}
	differences(all.Image)
	return gif.EncodeAll(w, &all)
}

// mixFrames is the frame at t of the way from a to b, under the name of b.
func mixFrames(a, b Frame, t float64) Frame {
	m := Frame{Name: b.Name, Points: Points{make([]float64, a.Len()), make([]float64, a.Len())}}
	for i := range m.X {
		m.X[i], m.Y[i] = (1-t)*a.X[i]+t*b.X[i], (1-t)*a.Y[i]+t*b.Y[i]
	}
	return m
}

func mixWindows(a, b window, t float64) window {
	of := func(u, v float64) float64 { return (1-t)*u + t*v }
	return window{of(a.x0, b.x0), of(a.x1, b.x1), of(a.y0, b.y0), of(a.y1, b.y1)}
}

// palette are the colours of a movie: none, greys, and those of the points from full to faint. Pictures hold mixtures too, where
// points overlap; the nearest colour is good enough for the few pixels of these.
func palette(fills []color.NRGBA) color.Palette {
	const greys, faints = 16, 20
	all := color.Palette{color.NRGBA{}}
	for i := range greys {
		v := uint8(255 * i / (greys - 1))
		all = append(all, color.NRGBA{R: v, G: v, B: v, A: 255})
	}
	seen := map[color.NRGBA]bool{}
	for _, c := range fills {
		c.A = 255
		if seen[c] {
			continue
		}
		seen[c] = true
		for i := range faints {
			all = append(all, tint(c, float64(i)/faints))
		}
	}
	return all
}

// quantised is a picture in the colours of a palette.
func quantised(img image.Image, colours color.Palette) *image.Paletted {
	out := image.NewPaletted(img.Bounds(), colours)
	known := map[color.RGBA]uint8{}
	rgba := img.(*image.RGBA)
	for i := range out.Pix {
		c := color.RGBA{R: rgba.Pix[4*i], G: rgba.Pix[4*i+1], B: rgba.Pix[4*i+2], A: 255}
		index, ok := known[c]
		if !ok {
			index = uint8(1 + colours[1:].Index(c))
			known[c] = index
		}
		out.Pix[i] = index
	}
	return out
}

// differences makes what a picture has in common with the one before transparent, which packs better.
func differences(pictures []*image.Paletted) {
	for i := len(pictures) - 1; i > 0; i-- {
		for j, v := range pictures[i-1].Pix {
			if pictures[i].Pix[j] == v {
				pictures[i].Pix[j] = 0
			}
		}
	}
}
