package plot

import (
	"errors"
	"fmt"

	"gonum.org/v1/plot/vg"
)

// Lattice is lines of a regular grid of a part of the plane, each of many points, so that a map bends them smoothly.
type Lattice struct {
	X0, X1, Y0, Y1 float64
	Lines          int // each way
	Points         int // on a line
}

// Coordinates lists the points of all lines, [2*Lines*Points][2]: first the lines along x, from the lowest up, then those along
// y, from the left.
func (l Lattice) Coordinates() []float64 {
	all := make([]float64, 0, 4*l.Lines*l.Points)
	at := func(low, high float64, i, n int) float64 { return low + (high-low)*float64(i)/float64(n-1) }
	for i := range l.Lines {
		for j := range l.Points {
			all = append(all, at(l.X0, l.X1, j, l.Points), at(l.Y0, l.Y1, i, l.Lines))
		}
	}
	for i := range l.Lines {
		for j := range l.Points {
			all = append(all, at(l.X0, l.X1, i, l.Lines), at(l.Y0, l.Y1, j, l.Points))
		}
	}
	return all
}

// draw gives lines through points in the order of Coordinates, along x in one colour and along y in another.
func (l Lattice) draw(p Points) (marks []mark) {
	for i := range 2 * l.Lines {
		c := blue()
		if i >= l.Lines {
			c = orange()
		}
		c.A = 210
		from, to := i*l.Points, (i+1)*l.Points
		marks = append(marks, line{p.X[from:to], p.Y[from:to], stroke(c, 0.8)})
	}
	return marks
}

// Warp is what a flow of the plane does to a regular grid: of data space on its way to the latent, and the other way round.
type Warp struct {
	Names        [2]string // of the columns
	DataGrid     Lattice   // in data space
	DataImage    Points    // its points in latent space
	LatentGrid   Lattice   // in latent space
	LatentImage  Points    // its points in data space
	Data, Latent Points    // some of the data, and its latents
}

// Grids draws both grids and their images, with the data and its latents behind them.
func Grids(g Warp) (*Figure, error) {
	for _, part := range []struct {
		l Lattice
		p Points
	}{{g.DataGrid, g.DataImage}, {g.LatentGrid, g.LatentImage}} {
		if n := 2 * part.l.Lines * part.l.Points; part.l.Lines < 2 || part.l.Points < 2 || part.p.Len() != n {
			return nil, fmt.Errorf("%d points for %d lines of %d each way", part.p.Len(), part.l.Lines, part.l.Points)
		}
	}
	if g.Data.Len() != g.Latent.Len() {
		return nil, errors.New("there are not as many latents as data")
	}
	inData, err := around(0.001, g.Data, PointsOf(corners(g.DataGrid)))
	if err != nil {
		return nil, err
	}
	inLatent, err := around(0.001, g.Latent, PointsOf(corners(g.LatentGrid)))
	if err != nil {
		return nil, err
	}
	w, h := sides(side, inData.shape())
	u, v := sides(h, inLatent.shape()) // rows are of one height
	if u > side {
		u, v = side, h
	} else if v < h {
		v = h
	}
	inData, inLatent = inData.framed(float64(w/h)), inLatent.framed(float64(u/v))
	dots := func(p Points) mark { return dots{xs: p.X, ys: p.Y, radius: vg.Length(radius(p.Len())), fill: pale()} }
	in := func(where window, names [2]string, title, note string, under Points, lines []mark) *panel {
		x, y := where.axes(names)
		return &panel{heading: heading{title: title, notes: []string{note}}, x: x, y: y, marks: append([]mark{dots(under)}, lines...)}
	}
	latent := [2]string{"z1 (latent)", "z2 (latent)"}
	return arrange([][]*panel{
		{
			in(inData, g.Names, "A grid in data space ...", "grey: data", g.Data, g.DataGrid.draw(PointsOf(g.DataGrid.Coordinates()))),
			in(inLatent, latent, "... and where the flow takes it", "grey: data, taken to the latent", g.Latent, g.DataGrid.draw(g.DataImage)),
		}, {
			in(inData, g.Names, "... and where the inverse takes it", "grey: data", g.Data, g.LatentGrid.draw(g.LatentImage)),
			in(inLatent, latent, "A grid in latent space ...", "grey: data, taken to the latent", g.Latent, g.LatentGrid.draw(PointsOf(g.LatentGrid.Coordinates()))),
		},
	}, layout{widths: []vg.Length{w, u}, heights: []vg.Length{h, h}}), nil
}

func corners(l Lattice) []float64 { return []float64{l.X0, l.Y0, l.X1, l.Y1} }
