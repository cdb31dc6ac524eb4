package plot

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
)

// Frame is a set of points at one place on their way through a flow.
type Frame struct {
	Name string // "step 3", "latent"
	Points
}

// stripSide and stripRow are the size of a strip's panels and how many there are in a row at most.
const (
	stripSide = vg.Length(132)
	stripRow  = 5
)

// Strip draws points on their way through a flow in small panels, from the first frame to the last. Points keep their colour, which
// says where they were in the first: in which quarter around the middle, and whether near (dark) or far (light).
func Strip(title string, frames []Frame) (*Figure, error) {
	fills, err := checkFrames(frames)
	if err != nil {
		return nil, err
	}
	windows, err := windowsOf(frames)
	if err != nil {
		return nil, err
	}
	var rows [][]*panel
	columns := min(len(frames), stripRow)
	lines := (len(frames) + columns - 1) / columns
	columns = (len(frames) + lines - 1) / lines // as even as may be
	for i, f := range frames {
		if i%columns == 0 {
			rows = append(rows, make([]*panel, columns))
		}
		p := framePanel(f, windows[i], fills, stripSide)
		if same(windows) && i%columns > 0 {
			p.y.nameless = true
		}
		if same(windows) && i+columns < len(frames) {
			p.x.nameless = true
		}
		rows[len(rows)-1][i%columns] = p
	}
	return arrange(rows, layout{
		head:   heading{title: title, notes: []string{"colours tell where a point began: its quarter, and near the middle (dark) or far (light)"}},
		widths: slices.Repeat([]vg.Length{stripSide}, columns), heights: slices.Repeat([]vg.Length{stripSide}, len(rows)),
	}), nil
}

func framePanel(f Frame, w window, fills []color.NRGBA, side vg.Length) *panel {
	x, y := w.axes([2]string{})
	r := radius(f.Len()) * float64(side) / 250
	return &panel{heading: heading{notes: []string{f.Name}}, x: x, y: y, marks: []mark{dots{xs: f.X, ys: f.Y, radius: vg.Length(max(r, 0.6)), fills: fills}}}
}

// checkFrames gives the colours of the points by where they are in the first frame.
func checkFrames(frames []Frame) ([]color.NRGBA, error) {
	if len(frames) < 2 || frames[0].Len() == 0 {
		return nil, errors.New("a flow needs two frames, of some points")
	}
	for _, f := range frames {
		if f.Len() != frames[0].Len() || len(f.X) != len(f.Y) {
			return nil, fmt.Errorf("frame %q has %d points, the first has %d", f.Name, f.Len(), frames[0].Len())
		}
	}
	return quarters(frames[0].Points), nil
}

// quarters colours points by their quarter of the plane around the median, the nearer half of each dark and the farther one light:
// eight sets that hold an equal share of points of a round distribution.
func quarters(p Points) []color.NRGBA {
	mx, my := median(p.X), median(p.Y)
	far := make([]float64, p.Len())
	for i := range far {
		far[i] = math.Hypot(p.X[i]-mx, p.Y[i]-my)
	}
	middle := median(far)
	hues := []color.NRGBA{blue(), orange(), green(), purple()}
	fills := make([]color.NRGBA, p.Len())
	for i := range fills {
		k := 0
		if p.X[i] > mx {
			k++
		}
		if p.Y[i] > my {
			k = 3 - k // around, so that neighbours differ by one
		}
		c := blend(hues[k], ink(), 0.15)
		if far[i] > middle {
			c = tint(hues[k], 0.4)
		}
		c.A = 220
		fills[i] = c
	}
	return fills
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// windowsOf are squares that show each frame: one for all, if no frame would be tiny in it, else one for each.
func windowsOf(frames []Frame) ([]window, error) {
	all := make([]window, len(frames))
	whole := window{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	least := math.Inf(1)
	for i, f := range frames {
		w, err := around(0.004, f.Points)
		if err != nil {
			return nil, fmt.Errorf("frame %q: %w", f.Name, err)
		}
		all[i] = w
		whole = window{min(whole.x0, w.x0), max(whole.x1, w.x1), min(whole.y0, w.y0), max(whole.y1, w.y1)}
		least = min(least, max(w.x1-w.x0, w.y1-w.y0))
	}
	const tiny = 3
	if max(whole.x1-whole.x0, whole.y1-whole.y0) <= tiny*least {
		return slices.Repeat([]window{whole.framed(1)}, len(frames)), nil
	}
	for i := range all {
		all[i] = all[i].framed(1)
	}
	return all, nil
}

// same says whether all frames are seen through one window.
func same(windows []window) bool {
	return windows[0] == windows[len(windows)-1] && len(slices.Compact(slices.Clone(windows))) == 1
}
