package device

// Gated is the end of a gated residual block: van den Oord et al., "Conditional image generation with PixelCNN decoders", 2016. It holds for
// [C][M] of any shape: ab is [2C][M], first all a, then all b.
type Gated interface {
	// Gate: x[i] += a[i]*sigmoid(b[i]).
	Gate(ab, x Buffer)
	// GateBackward: ab becomes its gradient for dx, which stays as it is, being that of the block's input too:
	//
	//	da[i] = dx[i]*s;  db[i] = dx[i]*a[i]*s*(1-s)      with s = sigmoid(b[i])
	GateBackward(ab, dx Buffer)
}
