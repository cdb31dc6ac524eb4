package device

// Func names an increasing function of one variable. They come in pairs, each the other's inverse.
type Func int

const (
	SigmoidMap   Func = iota // 1/(1+exp(-x)): the real line to (0, 1)
	LogitMap                 // log x - log(1-x): (0, 1) to the real line
	TanhMap                  // the real line to (-1, 1)
	AtanhMap                 // (-1, 1) to the real line
	SoftplusMap              // log(1+exp(x)): the real line to (0, inf)
	LogExpm1Map              // log(exp(x)-1): (0, inf) to the real line
	AsinhMap                 // log(x+sqrt(x^2+1))
	SinhMap                  // (exp(x)-exp(-x))/2; beyond 89 infinite in float32
	LeakyReLUMap             // x where x >= 0, Slope*x elsewhere: its own inverse, with 1/Slope
)

// Map is a Func with its parameter.
type Map struct {
	Func  Func
	Slope float32 // of LeakyReLUMap, above 0; the others have none
}

// Inverse is the map that undoes m.
func (m Map) Inverse() Map {
	if m.Func == LeakyReLUMap {
		return Map{Func: m.Func, Slope: 1 / m.Slope}
	}
	return Map{Func: m.Func ^ 1}
}

// Elementwise holds flows that move every element by itself, with log-determinants that stay finite wherever x is.
//
// A float32 near the end of an interval knows little of where it came from, and the end itself nothing. So a result never
// reaches the end: it stops at the last float32 before it, or at 2^-126 above 0, and the map back takes the end for that number.
// What comes back, while its log-determinant on the way there is right for any x:
//
//	sigmoid   -87.3 to 16.6; x within 2^-24/(1-y) of itself where y is near 1
//	tanh      -8.6 to 8.6; x within 2^-24/(1-|y|) of itself near the ends
//	softplus  -87.3 to the greatest float32
//	asinh     every float32; back to a relative error of |y| 2^-24, y = asinh x
//
// Outside its interval a map gives NaN.
type Elementwise interface {
	// Map: x = f(x), in place; logdet[n] += sum_{c,p} log f'(x). Its inverse is the same op with f.Inverse().
	Map(r Rows, f Map, x, logdet Buffer)
	// MapBackward takes y in x and dy in dx and leaves x and its gradient there. dld is dLoss/dlogdet, the same for all samples.
	//
	//	x = f^-1(y);  dx = dy*f'(x) + dld*f''(x)/f'(x)
	MapBackward(f Map, x, dx Buffer, dld float32)
}
