package device

// CurveKind is a family of monotone functions of one variable.
type CurveKind int

const (
	// AffineCurve is y = x*exp(ls) + t with ls = s/(1+|s|/log 10000): exp(s) near 0, and scales from 1e-4 to 1e4. A masked
	// autoregressive flow has it (Papamakarios et al., 2017, eq. 4); the bound is that of the library zuko.
	AffineCurve CurveKind = iota
	// LinearSpline goes through K bins of one width by straight lines: Müller et al., "Neural importance sampling", 2019.
	LinearSpline
	// QuadraticSpline goes through K bins of free widths; its slope is linear in each, and continuous: ibid.
	QuadraticSpline
	// RationalSpline goes through K bins of free widths and heights with a free slope at every knot: Durkan et al., "Neural
	// spline flows", 2019; Gregory and Delbourgo, 1982.
	RationalSpline
	// LogisticMixture is y = logit(F(x))*exp(ls) + t, F the distribution function of K logistic components and ls as
	// in AffineCurve: Ho et al., "Flow++", 2019, eq. 8 to 11.
	LogisticMixture
	// GaussianMixture is y = Phi^-1(F(x)), F the distribution function of K Gaussian components: y is standard normal where x is of the
	// mixture, and log p(x) = log phi(y) + log dy/dx is its log-density. As the last layer of a masked autoregressive flow it is the
	// MADE MoG of Papamakarios et al., 2017, after Germain et al., "MADE", 2015, and Uria et al., "RNADE", 2013.
	GaussianMixture
)

// Domain is where a spline bends. Outside of it, x stays as it is: the function is a map of the real line onto itself.
type Domain int

const (
	Tails    Domain = iota // [-B, B], and the slope at both ends is 1
	Circle                 // [-B, B], whose ends are one point with one slope: Rezende et al., 2020
	Interval               // [0, 1], with slopes of their own at both ends
)

// What keeps a spline from degenerating, whatever a network says: parts of the domain, and a slope. As published for neural
// spline flows.
const (
	MinBin   = 1e-3 // least width and height of a bin of a domain of length 1
	MinSlope = 1e-3 // least slope at a knot of a RationalSpline
)

// MaxBins is the greatest K of a Curve.
const MaxBins = 64

// Curve is a monotone function whose parameters are given for each element.
type Curve struct {
	Of    CurveKind
	K     int // bins or components, at most MaxBins; AffineCurve has none. A QuadraticSpline with Tails has at least 2
	On    Domain
	B     float32 // of Tails and Circle
	Scale float32 // of the logits of widths and heights
}

// Knots is how many values at knots a quadratic or rational spline has: K+1 knots, of which Tails fix both ends and a Circle
// makes one.
func (c Curve) Knots() int { return c.K + [...]int{Tails: -1, Circle: 0, Interval: 1}[c.On] }

// Params is how many parameters an element has.
func (c Curve) Params() int {
	switch c.Of {
	case LinearSpline:
		return c.K
	case QuadraticSpline:
		return c.K + c.Knots()
	case RationalSpline:
		return 2*c.K + c.Knots()
	case LogisticMixture:
		return 2 + 3*c.K
	case GaussianMixture:
		return 3 * c.K
	}
	return 2
}

// Span is the domain of a spline: from lo, of length size.
func (c Curve) Span() (lo, size float32) {
	if c.On == Interval {
		return 0, 1
	}
	return -c.B, 2 * c.B
}

// Valid says whether there is such a curve.
func (c Curve) Valid() bool {
	switch {
	case c.Of == AffineCurve:
		return true
	case c.Of == LogisticMixture || c.Of == GaussianMixture:
		return c.K >= 1 && c.K <= MaxBins
	}
	least := 1
	if c.Of == QuadraticSpline && c.On == Tails {
		least = 2
	}
	return c.K >= least && c.K <= MaxBins && (c.On == Interval || c.B > 0)
}

// Curves holds monotone functions with parameters for each element, such as a network gives: params is [C][Q][N][P] with Q =
// Params() of the curve, the Q rows of a channel one after another. They are, in this order:
//
//	AffineCurve      t, s
//	LinearSpline     K logits of heights
//	QuadraticSpline  K logits of widths, Knots() slopes
//	RationalSpline   K logits of widths, K logits of heights, Knots() slopes
//	LogisticMixture  t, s, K logits of weights, K means, K log scales
//	GaussianMixture  K logits of weights, K means, K log scales
//
// Splines go from knot to knot. With p = softmax(Scale*logits), S the domain's length, and the domain's end as last knot:
//
//	widths = S*(MinBin + (1-K*MinBin)*p); heights likewise; widths of a LinearSpline are S/K
//	RationalSpline: d = MinSlope + log(1+exp(u)), 1 at the ends with Tails. In a bin of width w, height h and slope s = h/w, with xi =
//	(x-left)/w and q = xi*(1-xi):
//
//	y = bottom + h*(s*xi^2 + d0*q) / (s + (d0+d1-2s)*q)
//	dy/dx = s^2*(d1*xi^2 + 2s*q + d0*(1-xi)^2) / (s + (d0+d1-2s)*q)^2
//
//	QuadraticSpline: v = MinSlope + log(1+exp(u)); slopes at knots are MinBin + (1-MinBin)*v/A, A their integral over a domain of
//	length 1. With Tails, v at both ends is A: their slope is 1.
//
// A mixture's scales are exp(log scale) + MixtureFloor. Its tails do not saturate (see Cumulative), and its inverse is
// searched for between the quantiles of its components.
type Curves interface {
	// Curve: x = y, in place; logdet[n] += sum_{c,p} log dy/dx.
	Curve(r Rows, c Curve, params, x, logdet Buffer)
	// CurveInverse undoes Curve: y in x becomes x; logdet[n] -= sum log dy/dx.
	CurveInverse(r Rows, c Curve, params, x, logdet Buffer)
	// CurveBackward takes y in x and dy in dx, and leaves x and its gradient there; params become their gradient. dld is
	// dLoss/dlogdet, the same for all samples.
	CurveBackward(r Rows, c Curve, params, x, dx Buffer, dld float32)
	// CurveInverseBackward goes back through CurveInverse: it takes what that left in x, and its gradient dx, and leaves y and its
	// gradient; params become their gradient. dld is dLoss/dlogdet. With f the curve:
	//
	//	dy = (dx - dld*d(log f')/dx) / f';  dparams = -dy*df/dparams - dld*d(log f')/dparams
	CurveInverseBackward(r Rows, c Curve, params, x, dx Buffer, dld float32)
}
