package train

import (
	"context"
	"fmt"
	"math"

	"cuflow/flowgpu/plot"
)

// Integral is that of a density over a grid, which shows whether it is one: it is 1 but for what the grid misses.
type Integral struct {
	Value  float64
	Coarse float64 // over the grid of half as many points each way: the error is about what the two differ by
	Points int     // each way
	D      int
}

// Tolerance is how near to 1 an integral should be.
const Tolerance = 1e-4

func (i Integral) String() string {
	grid := fmt.Sprintf("%s points", thousands(i.Points))
	if i.D == 2 {
		grid = fmt.Sprintf("%s x %s points", thousands(i.Points), thousands(i.Points))
	}
	text := fmt.Sprintf("the density integrates to %.6f on a grid of %s", i.Value, grid)
	if math.Abs(i.Value-1) <= Tolerance {
		return text
	}
	return fmt.Sprintf("%s (%.6f on one of half as many each way): it is off by more than %g, because it has peaks or tails that the grid misses, or because the model is wrong there", text, i.Coarse, Tolerance)
}

const (
	firstOnLine  = 1 << 13 // points of a grid, before it is refined
	mostOnLine   = 1 << 17
	firstOnPlane = 1 << 8 // each way
	mostOnPlane  = 1 << 10
	settled      = 2e-5 // change of an integral, of a grid twice as fine, that is small enough
	lost         = 1e-6 // mass near a grid's edge that is small enough
)

// density is that of points [n][D], a value for each.
type density func(points []float64) ([]float64, error)

// density is the model's. NaN, which a flow gives beyond the support of its base, is none.
func (o oracle) density(points []float64) ([]float64, error) {
	logp, err := o.logDensity(points)
	if err != nil {
		return nil, err
	}
	for i, v := range logp {
		logp[i] = math.Exp(v)
		if math.IsNaN(v) {
			logp[i] = 0
		}
	}
	return logp, nil
}

// lineGrid is places on the line, as far apart as each other, and the density there.
type lineGrid struct {
	low, high float64
	p         []float64
}

func (g lineGrid) step() float64 { return (g.high - g.low) / float64(len(g.p)-1) }

func (g lineGrid) x(i int) float64 { return g.low + g.step()*float64(i) }

// mass is the integral by the trapezoidal rule.
func (g lineGrid) mass() float64 {
	sum := -(g.p[0] + g.p[len(g.p)-1]) / 2
	for _, p := range g.p {
		sum += p
	}
	return sum * g.step()
}

// ends is a bound on the mass beyond both ends, of a density that falls off there and does so soon.
func (g lineGrid) ends() float64 { return (g.p[0] + g.p[len(g.p)-1]) * (g.high - g.low) }

// cdf is the mass left of each place, of all mass.
func (g lineGrid) cdf() []float64 {
	c, h := make([]float64, len(g.p)), g.step()
	for i := 1; i < len(c); i++ {
		c[i] = c[i-1] + h*(g.p[i-1]+g.p[i])/2
	}
	all := c[len(c)-1]
	for i := range c {
		c[i] /= all
	}
	return c
}

func (f density) onLine(low, high float64, n int) (lineGrid, error) {
	g := lineGrid{low: low, high: high, p: make([]float64, n+1)}
	points := make([]float64, n+1)
	for i := range points {
		points[i] = g.x(i)
	}
	p, err := f(points)
	g.p = p
	return g, err
}

// integrateLine finds a grid about [low, high] that holds the mass, by widening it until there is next to nothing at its ends, and
// refines it until the integral stays what it is.
func (f density) integrateLine(ctx context.Context, low, high float64) (Integral, lineGrid, error) {
	width := high - low
	g, err := f.onLine(low-width, high+width, firstOnLine)
	for tries := 0; err == nil && tries < 8 && g.ends() >= lost; tries++ {
		w := g.high - g.low
		g, err = f.onLine(g.low-w/2, g.high+w/2, firstOnLine)
	}
	if err != nil {
		return Integral{}, g, err
	}
	result := Integral{Value: g.mass(), Points: len(g.p), D: 1}
	for n := 2 * (len(g.p) - 1); n <= mostOnLine; n *= 2 {
		if ctx.Err() != nil {
			return result, g, ErrInterrupted
		}
		if g, err = f.onLine(g.low, g.high, n); err != nil {
			return result, g, err
		}
		result = Integral{Value: g.mass(), Coarse: result.Value, Points: n + 1, D: 1}
		if math.Abs(result.Value-result.Coarse) < settled/10 {
			break
		}
	}
	return result, g, nil
}

// integratePlane does the same on the plane.
func (f density) integratePlane(ctx context.Context, g plot.Grid) (Integral, error) {
	g.NX, g.NY = firstOnPlane+1, firstOnPlane+1
	var p []float64
	for tries := 0; ; tries++ { // wider, until little is near the edge
		var err error
		if p, err = f(g.Points()); err != nil {
			return Integral{}, err
		}
		if rim(g, p) < lost || tries == 8 {
			break
		}
		w, h := g.X1-g.X0, g.Y1-g.Y0
		g.X0, g.X1, g.Y0, g.Y1 = g.X0-w/2, g.X1+w/2, g.Y0-h/2, g.Y1+h/2
	}
	g = cropped(g, p)
	result := Integral{D: 2}
	for n := firstOnPlane; n <= mostOnPlane; n *= 2 {
		if ctx.Err() != nil {
			return result, ErrInterrupted
		}
		g.NX, g.NY = n+1, n+1
		p, err := f(g.Points())
		if err != nil {
			return result, err
		}
		sum := 0.0 // nothing is at the edge: no point counts half
		for _, v := range p {
			sum += v
		}
		result = Integral{Value: sum * g.Cell(), Coarse: result.Value, Points: n + 1, D: 2}
		if n > firstOnPlane && math.Abs(result.Value-result.Coarse) < settled {
			break
		}
	}
	return result, nil
}

// rim is the mass in the outermost sixteenth of a grid on each side.
func rim(g plot.Grid, p []float64) (sum float64) {
	for j := range g.NY {
		for i := range g.NX {
			if i < g.NX/16 || i >= g.NX-g.NX/16 || j < g.NY/16 || j >= g.NY-g.NY/16 {
				sum += p[j*g.NX+i]
			}
		}
	}
	return sum * g.Cell()
}

// cropped is the part of a grid outside of which there is no mass that counts, and some points around it.
func cropped(g plot.Grid, p []float64) plot.Grid {
	const nothing, around = 1e-12, 3
	left, right, below, above := g.NX, -1, g.NY, -1
	for j := range g.NY {
		for i := range g.NX {
			if p[j*g.NX+i]*g.Cell() > nothing {
				left, right, below, above = min(left, i), max(right, i), min(below, j), max(above, j)
			}
		}
	}
	if right < 0 {
		return g
	}
	c := g
	c.X0, c.X1 = g.X(max(left-around, 0)), g.X(min(right+around, g.NX-1))
	c.Y0, c.Y1 = g.Y(max(below-around, 0)), g.Y(min(above+around, g.NY-1))
	return c
}
