package data

import "math"

// logSum is the logarithm of a sum of numbers given by theirs, none of which need be in range.
type logSum struct {
	top, sum float64 // the greatest; the sum divided by its exp
}

func (s *logSum) add(v float64) {
	switch {
	case math.IsInf(v, -1):
	case s.sum == 0:
		s.top, s.sum = v, 1
	case v > s.top:
		s.sum = s.sum*math.Exp(s.top-v) + 1
		s.top = v
	default:
		s.sum += math.Exp(v - s.top)
	}
}

func (s *logSum) value() float64 { return s.top + math.Log(s.sum) }

// component is a Gaussian of one standard deviation in all directions, with its weight.
type component struct {
	weight float64
	mean   []float64
	std    float64
}

func normal(weight, mean, std float64) component { return component{weight, []float64{mean}, std} }

// mixture is a mixture of Gaussians; the weights add up to 1.
type mixture []component

func (m mixture) toy(name, about string, low, high []float64, entropy float64) Toy {
	return Toy{Name: name, About: about, D: len(m[0].mean), Low: low, High: high, Entropy: entropy, sample: m.sample, logp: m.logp}
}

func (m mixture) sample(d *dice, x []float64) {
	u, k := d.uniform(), 0
	for ; k < len(m)-1 && u >= m[k].weight; k++ {
		u -= m[k].weight
	}
	c := m[k]
	a, b := d.normals()
	for i, noise := range []float64{a, b}[:len(x)] {
		x[i] = c.mean[i] + c.std*noise
	}
}

func (m mixture) logp(x []float64) float64 {
	var sum logSum
	for _, c := range m {
		squares := 0.
		for i, v := range x {
			squares += (v - c.mean[i]) * (v - c.mean[i])
		}
		sum.add(math.Log(c.weight) - squares/(2*c.std*c.std) - float64(len(x))*math.Log(math.Sqrt(2*math.Pi)*c.std))
	}
	return sum.value()
}

// curve is points drawn along arms, each as likely as the others, with Gaussian noise of one standard deviation:
//
//	p(x) = 1/arms sum_arm int weight(t) N(x; at(arm, t), std^2) dt
//
// The integral is by Gauss and Legendre with eight points in each of so many panels. A panel must not be longer along the
// curve than two standard deviations; the error of log p is then that of rounding.
type curve struct {
	arms, panels  int
	from, to, std float64
	at            func(arm int, t float64) (x, y, weight float64) // weight is the density of t on its own
	draw          func(u float64) float64                         // t for a uniform u
}

func (c curve) toy(name, about string, low, high []float64, entropy float64) Toy {
	return Toy{Name: name, About: about, D: 2, Low: low, High: high, Entropy: entropy, sample: c.sample, logp: c.density()}
}

func (c curve) sample(d *dice, x []float64) {
	x0, x1, _ := c.at(d.below(c.arms), c.draw(d.uniform()))
	a, b := d.normals()
	x[0], x[1] = x0+c.std*a, x1+c.std*b
}

// legendre are the positive nodes and the weights of Gauss and Legendre with eight points: Abramowitz and Stegun, table 25.4.
var legendre = [4][2]float64{
	{0.183434642495649805, 0.362683783378361983},
	{0.525532409916328986, 0.313706645877887287},
	{0.796666477413626740, 0.222381034453374471},
	{0.960289856497536232, 0.101228536290376259},
}

// density evaluates the curve at the integral's points once.
func (c curve) density() func(x []float64) float64 {
	type node struct{ x, y, logw float64 }
	var nodes []node
	half := (c.to - c.from) / float64(2*c.panels)
	for arm := range c.arms {
		for panel := range c.panels {
			middle := c.from + half*float64(2*panel+1)
			for _, gl := range legendre {
				for _, t := range []float64{middle - half*gl[0], middle + half*gl[0]} {
					x, y, weight := c.at(arm, t)
					nodes = append(nodes, node{x, y, math.Log(weight * gl[1] * half)})
				}
			}
		}
	}
	s2 := c.std * c.std
	constant := -math.Log(float64(c.arms) * 2 * math.Pi * s2)
	return func(x []float64) float64 {
		top := math.Inf(-1)
		exponent := func(n node) float64 {
			dx, dy := x[0]-n.x, x[1]-n.y
			return n.logw - (dx*dx+dy*dy)/(2*s2)
		}
		for _, n := range nodes {
			top = max(top, exponent(n))
		}
		sum := 0.
		for _, n := range nodes {
			if e := exponent(n) - top; e > -40 { // less is lost in rounding
				sum += math.Exp(e)
			}
		}
		return constant + top + math.Log(sum)
	}
}

// besselI0e is exp(-z) I_0(z) for z >= 0: by its power series, and from 30 on by its asymptotic one, whose terms fall below
// 1e-16 there. Abramowitz and Stegun, 9.6.12 and 9.7.1.
func besselI0e(z float64) float64 {
	sum, term := 1., 1.
	if z < 30 {
		for k := 1.; term > 1e-17*sum; k++ {
			term *= z * z / 4 / (k * k)
			sum += term
		}
		return sum * math.Exp(-z)
	}
	for k := 1.; term > 1e-17*sum; k++ {
		term *= (2*k - 1) * (2*k - 1) / (8 * z * k)
		sum += term
	}
	return sum / math.Sqrt(2*math.Pi*z)
}
