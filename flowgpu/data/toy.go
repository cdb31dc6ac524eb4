package data

import (
	"fmt"
	"math"
	"strings"
)

// Toy is a distribution in one or two dimensions whose density is known exactly: what a flow makes of it can be told from
// what it should.
type Toy struct {
	Name  string
	About string // in a line
	D     int
	// Low and High are corners of a box for pictures. What lies outside has a probability below 2e-5.
	Low, High []float64
	// Entropy is -E log p in nats, what the best of all models scores: in closed form, or by quadrature to eight digits.
	Entropy float64

	sample func(d *dice, x []float64)
	logp   func(x []float64) float64
}

// Sample writes sample i of a seed to x [D]. The same seed and i give the same sample, others independent ones.
func (t Toy) Sample(seed uint64, i int, x []float64) { t.sample(rollFor(seed, i), x) }

// LogDensity is log p(x) in nats, -Inf where the density is 0.
func (t Toy) LogDensity(x []float64) float64 { return t.logp(x) }

// Columns are the names of the dimensions.
func (t Toy) Columns() []string { return []string{"x", "y"}[:t.D] }

// Toys lists them all, those of two dimensions first.
func Toys() []Toy {
	return []Toy{
		twoMoons(), rings(), checkerboard(), spirals(), pinwheel(), eightGaussians(), correlated(),
		bimodal(), trimodal(), skewed(), outliers(), claw(), bounded(),
	}
}

// FindToy gives the toy of that name.
func FindToy(name string) (Toy, bool) {
	for _, t := range Toys() {
		if t.Name == name {
			return t, true
		}
	}
	return Toy{}, false
}

// toyNames is for errors.
func toyNames() string {
	var names []string
	for _, t := range Toys() {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// twoMoons are scikit-learn's half circles with angles drawn uniformly and noise of 0.1. (The two moons of normflows are
// another density, known but for a factor.)
//
//	t ~ U(0, pi);  x = (cos t, sin t) or (1 - cos t, 1/2 - sin t), each with probability 1/2, + N(0, 0.1^2)
//	p(x) = 1/2 sum over the moons of 1/pi int_0^pi N(x; moon(t), 0.1^2) dt
func twoMoons() Toy {
	c := curve{arms: 2, from: 0, to: math.Pi, panels: 20, std: 0.1,
		at: func(arm int, t float64) (x, y, weight float64) {
			sin, cos := math.Sincos(t)
			if arm == 0 {
				return cos, sin, 1 / math.Pi
			}
			return 1 - cos, 0.5 - sin, 1 / math.Pi
		},
		draw: func(u float64) float64 { return math.Pi * u },
	}
	return c.toy("two-moons", "two half circles that interlock, with noise of 0.1", []float64{-1.5, -1}, []float64{2.5, 1.5}, 1.00758483)
}

// spirals are two arms wound one and a half times about the origin, more densely populated far out. With noise of 0.1.
//
//	t = 3 pi sqrt(u), u ~ U(0, 1);  x = +-t/3 (-cos t, sin t) + N(0, 0.1^2)
func spirals() Toy {
	const end = 3 * math.Pi
	c := curve{arms: 2, from: 0, to: end, panels: 180, std: 0.1,
		at: func(arm int, t float64) (x, y, weight float64) {
			sin, cos := math.Sincos(t)
			r := t / 3
			if arm == 1 {
				r = -r
			}
			return -r * cos, r * sin, 2 * t / (end * end)
		},
		draw: func(u float64) float64 { return end * math.Sqrt(u) },
	}
	return c.toy("spirals", "two arms of a spiral, with noise of 0.1", []float64{-4, -4}, []float64{4, 4}, 2.54061789)
}

// rings are four circles about the origin, each with a quarter of the samples, with noise of 0.08.
//
//	p(x) = 1/4 sum_R 1/(2 pi s^2) exp(-(r^2 + R^2)/(2 s^2)) I_0(r R/s^2),  r = |x|, s = 0.08
func rings() Toy {
	const std = 0.08
	radii := []float64{0.75, 1.5, 2.25, 3}
	return Toy{
		Name: "rings", About: "four circles about the origin, with noise of 0.08", D: 2,
		Low: []float64{-3.6, -3.6}, High: []float64{3.6, 3.6}, Entropy: 2.62318277,
		sample: func(d *dice, x []float64) {
			r := radii[d.below(len(radii))]
			sin, cos := math.Sincos(2 * math.Pi * d.uniform())
			a, b := d.normals()
			x[0], x[1] = r*cos+std*a, r*sin+std*b
		},
		logp: func(x []float64) float64 {
			r, s2 := math.Hypot(x[0], x[1]), std*std
			var sum logSum
			for _, ring := range radii {
				sum.add(-(r-ring)*(r-ring)/(2*s2) + math.Log(besselI0e(r*ring/s2)))
			}
			return sum.value() - math.Log(float64(len(radii))*2*math.Pi*s2)
		},
	}
}

// checkerboard is uniform on the black squares of a board of 4 x 4 squares with sides of 2: its entropy is log 32.
func checkerboard() Toy {
	black := func(i, j int) bool { return (i+j)%2 == 0 }
	return Toy{
		Name: "checkerboard", About: "uniform on the black squares of a board of 4 x 4", D: 2,
		Low: []float64{-4, -4}, High: []float64{4, 4}, Entropy: math.Log(32),
		sample: func(d *dice, x []float64) {
			square := d.below(8)
			i, j := square/2, square%2*2
			if !black(i, j) {
				j++
			}
			x[0], x[1] = 2*(float64(i)+d.uniform())-4, 2*(float64(j)+d.uniform())-4
		},
		logp: func(x []float64) float64 {
			i, j := math.Floor(x[0]/2)+2, math.Floor(x[1]/2)+2
			if i < 0 || i > 3 || j < 0 || j > 3 || !black(int(i), int(j)) {
				return math.Inf(-1)
			}
			return -math.Log(32)
		},
	}
}

// pinwheel is five Gaussian vanes, twisted. The angle of the twist depends on the distance from the origin alone, so that
// areas stay the same and the density is exact; the pinwheel usually seen twists by the first coordinate.
//
//	v ~ N((1, 0), diag(0.3, 0.1)^2);  x = 2 v turned by k 2 pi/5 + exp(|v|)/4, k uniform on 0 .. 4
func pinwheel() Toy {
	const vanes, long, wide, scale = 5, 0.3, 0.1, 2
	return Toy{
		Name: "pinwheel", About: "five twisted Gaussian vanes", D: 2,
		Low: []float64{-5, -5}, High: []float64{5, 5}, Entropy: 2.32058849,
		sample: func(d *dice, x []float64) {
			k := float64(d.below(vanes))
			a, b := d.normals()
			a, b = 1+long*a, wide*b
			sin, cos := math.Sincos(k*2*math.Pi/vanes + math.Exp(math.Hypot(a, b))/4)
			x[0], x[1] = scale*(cos*a-sin*b), scale*(sin*a+cos*b)
		},
		logp: func(x []float64) float64 {
			v, w := x[0]/scale, x[1]/scale
			twist := math.Exp(math.Hypot(v, w)) / 4
			var sum logSum
			for k := range vanes {
				sin, cos := math.Sincos(float64(k)*2*math.Pi/vanes + twist)
				a, b := (cos*v+sin*w-1)/long, (cos*w-sin*v)/wide
				sum.add(-(a*a + b*b) / 2)
			}
			return sum.value() - math.Log(vanes*2*math.Pi*long*wide*scale*scale)
		},
	}
}

// eightGaussians lie on a circle of radius 2 sqrt 2, each of standard deviation 1/(2 sqrt 2): those of FFJORD's code.
func eightGaussians() Toy {
	var m mixture
	for k := range 8 {
		sin, cos := math.Sincos(float64(k) * math.Pi / 4)
		m = append(m, component{1. / 8, []float64{2 * math.Sqrt2 * cos, 2 * math.Sqrt2 * sin}, math.Sqrt2 / 4})
	}
	return m.toy("eight-gaussians", "eight Gaussians on a circle", []float64{-5, -5}, []float64{5, 5}, 2.83157836)
}

// correlated is one Gaussian: what a linear flow can learn exactly.
//
//	x = (1, -1) + L e,  L = (2, 0; 1.2, 0.5);  its entropy is log(2 pi e) + log det L
func correlated() Toy {
	const l00, l10, l11 = 2, 1.2, 0.5
	return Toy{
		Name: "correlated", About: "one Gaussian, its two dimensions correlated", D: 2,
		Low: []float64{-8, -7}, High: []float64{10, 5}, Entropy: 1 + math.Log(2*math.Pi) + math.Log(l00*l11),
		sample: func(d *dice, x []float64) {
			a, b := d.normals()
			x[0], x[1] = 1+l00*a, -1+l10*a+l11*b
		},
		logp: func(x []float64) float64 {
			a := (x[0] - 1) / l00
			b := (x[1] + 1 - l10*a) / l11
			return -(a*a+b*b)/2 - math.Log(2*math.Pi*l00*l11)
		},
	}
}

// The mixtures in one dimension are of Marron and Wand, "Exact mean integrated squared error", Annals of Statistics 20, 1992,
// table 1: numbers 7, 9, 3, 5 and 10.

func bimodal() Toy {
	m := mixture{normal(1./2, -3./2, 1./2), normal(1./2, 3./2, 1./2)}
	return m.toy("bimodal", "1-D: two Gaussians, well separated (Marron and Wand 7)", []float64{-4}, []float64{4}, 1.41508929)
}

func trimodal() Toy {
	m := mixture{normal(9./20, -6./5, 3./5), normal(9./20, 6./5, 3./5), normal(1./10, 0, 1./4)}
	return m.toy("trimodal", "1-D: two wide Gaussians and a narrow one between (Marron and Wand 9)", []float64{-4.2}, []float64{4.2}, 1.56958235)
}

func skewed() Toy {
	var m mixture
	for l := range 8 {
		s := math.Pow(2./3, float64(l))
		m = append(m, normal(1./8, 3*(s-1), s))
	}
	return m.toy("skewed", "1-D: eight Gaussians that make a steep edge and a long tail (Marron and Wand 3)", []float64{-4}, []float64{4}, 1.00144160)
}

func outliers() Toy {
	m := mixture{normal(1./10, 0, 1), normal(9./10, 0, 1./10)}
	return m.toy("outliers", "1-D: a narrow Gaussian, and one in ten from a wide one (Marron and Wand 5)", []float64{-4}, []float64{4}, -0.42980138)
}

func claw() Toy {
	m := mixture{normal(1./2, 0, 1)}
	for l := range 5 {
		m = append(m, normal(1./10, float64(l)/2-1, 1./10))
	}
	return m.toy("claw", "1-D: a Gaussian with five claws (Marron and Wand 10)", []float64{-4.2}, []float64{4.2}, 1.19276422)
}

// bounded is Beta(2, 5), the second smallest of six uniform numbers: data on (0, 1).
//
//	p(x) = 30 x (1-x)^4;  its entropy is -log 30 - E log x - 4 E log(1-x)
func bounded() Toy {
	return Toy{
		Name: "bounded", About: "1-D: Beta(2, 5), on the unit interval", D: 1, Low: []float64{0}, High: []float64{1},
		Entropy: -math.Log(30) + (1./2 + 1./3 + 1./4 + 1./5 + 1./6) + 4*(1./5+1./6),
		sample: func(d *dice, x []float64) {
			least, second := 1., 1.
			for range 6 {
				u := d.uniform()
				least, second = min(least, u), min(second, max(least, u))
			}
			x[0] = second
		},
		logp: func(x []float64) float64 {
			if !(x[0] > 0 && x[0] < 1) {
				return math.Inf(-1)
			}
			return math.Log(30*x[0]) + 4*math.Log1p(-x[0])
		},
	}
}

func (t Toy) String() string { return fmt.Sprintf("%s (%d-D)", t.Name, t.D) }
