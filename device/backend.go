// Package device says what a machine must be able to compute so that flows train on it.
//
// A Backend holds float32 Buffers and offers typed ops on them. Each op is documented by its plain loop; whatever an
// implementation does instead must agree with that loop within the tolerance of its case in device/devicetest.
//
// One legend of letters: N samples, C channels, H W height and width, P = H*W pixels, M = N*P columns, K kernel size.
// A batch is channel-major [C][N][H][W]: channel c of the batch is the contiguous row x[c*M : (c+1)*M], pixel p of
// sample n is column n*P+p, a channel split is a subslice, and vectors are images with P = 1.
//
// Rules that hold for every op:
//   - Work is enqueued, never awaited: only Download and Sync wait, and they return the first error of what came before.
//   - A wrong shape is a programmer's mistake and panics with a constant text.
//   - n = 0 is allowed and does nothing (sums are then 0).
//   - Sums have a fixed order that depends on shapes alone: same input, same bits, on any number of cores.
//   - "x in place" means that the op reads x and leaves its result there. Other operands must not overlap.
//   - Parameters' gradients are added to (+=), so that a step begins with a Fill; but for those that an op is told to set (Unit).
package device

// Backend computes on Buffers that it owns.
type Backend interface {
	Memory
	Conv
	Stack
	Mix
	Flow
	Train
	Norm
	Image
	Cumulative
	GMM
	Elementwise
	Planar
	Sylvester
	Curves
	Circular
	Dropout
	Gated
	Autoregressive
	Continuous
	MaskedNets
	Transformer
}

// Memory moves and combines whole buffers.
type Memory interface {
	// Name is the device name that Open takes, such as "cpu:avx512".
	Name() string
	// Alloc gives n float32s set to 0, on a 64-byte boundary. The error says how much was asked for.
	Alloc(n int) (Buffer, error)
	// Free gives an allocation back, whole.
	Free(Buffer)
	// Upload copies src to dst; src may be reused when it returns.
	Upload(dst Buffer, src []float32)
	// Download waits for all work and copies src to dst. It returns the first error since the backend was opened.
	Download(dst []float32, src Buffer) error
	// Sync waits for all work and returns the first error since the backend was opened.
	Sync() error
	// Close frees everything. The backend cannot be used afterwards.
	Close() error

	// Fill: x[i] = v.
	Fill(x Buffer, v float32)
	// Copy: dst[i] = src[i].
	Copy(dst, src Buffer)
	// Axpy: y[i] += a*x[i].
	Axpy(a float32, x, y Buffer)
	// Sum: out[0] = a * sum_i x[i].
	Sum(a float32, x, out Buffer)
	// SumSquares: out[0] = sum_i x[i]^2. NaN and infinities carry through.
	SumSquares(x, out Buffer)
	// AddSum: out[j] += a * sum_i v[i], for every j: a log-determinant that all samples share.
	AddSum(a float32, v, out Buffer)
	// MaxAbsDiff: out[0] = max(out[0], max_i |x[i]-y[i]|), NaN if any difference is NaN.
	MaxAbsDiff(x, y, out Buffer)
}

// Act is the activation that ends a convolution.
type Act int

const (
	NoAct Act = iota
	ReLU      // max(0, x); its derivative is read off the result: 1 where y > 0
)

// ConvShape is a convolution of stride 1 that keeps the size, zero-padded by K/2: K is 1 or 3.
// With H = W = 1 and K = 1 it is a dense layer.
type ConvShape struct{ Cin, Cout, K, N, H, W int }

// P is pixels per sample.
func (s ConvShape) P() int { return s.H * s.W }

// M is columns: pixels of the whole batch.
func (s ConvShape) M() int { return s.N * s.H * s.W }

// Weights is the number of weights, without bias.
func (s ConvShape) Weights() int { return s.Cout * s.Cin * s.K * s.K }

// Flops of one pass (forward, data gradient or weight gradient): a multiplication and an addition per weight and pixel.
func (s ConvShape) Flops() int64 { return 2 * int64(s.Weights()) * int64(s.M()) }

// Conv is what a conditioner spends its time on. Shapes: x [Cin][N][H][W], y [Cout][N][H][W], w [Cout][Cin][K][K],
// b [Cout]. Pixels outside the image count as 0; with r = K/2:
type Conv interface {
	// ConvForward: y[o,n,i,j] = act(b[o] + sum_{c,u,v} w[o,c,u,v] * x[c,n,i+u-r,j+v-r]). b is optional.
	ConvForward(s ConvShape, act Act, w, b, x, y Buffer)
	// ConvBackwardData: dx[c,n,i,j] += sum_{o,u,v} w[o,c,u,v] * dy[o,n,i-u+r,j-v+r].
	ConvBackwardData(s ConvShape, w, dy, dx Buffer)
	// ConvBackwardAct is ConvBackwardData through the activation that made x, in place: h holds x = act(...) and
	// becomes the gradient before that activation. For ReLU:
	//
	//	h[i] = h[i] > 0 ? (sum of ConvBackwardData)[i] : 0
	ConvBackwardAct(s ConvShape, act Act, w, dy, h Buffer)
	// ConvBackwardWeight: dw[o,c,u,v] += sum_{n,i,j} dy[o,n,i,j] * x[c,n,i+u-r,j+v-r]; db[o] += sum_{n,i,j} dy[o,n,i,j].
	// db is optional.
	ConvBackwardWeight(s ConvShape, x, dy, dw, db Buffer)

	// RowScale folds an actnorm that follows a convolution into its weights, w [rows][cols], b and logs [rows]:
	//
	//	wf[i,j] = exp(logs[i]) * w[i,j];  bf[i] = exp(logs[i]) * b[i]
	RowScale(rows, cols int, logs, w, b, wf, bf Buffer)
	// RowScaleBackward unfolds the gradients of wf and bf:
	//
	//	dw[i,j] += exp(logs[i]) * dwf[i,j];  db[i] += exp(logs[i]) * dbf[i]
	//	dlogs[i] += dbf[i]*bf[i] + sum_j dwf[i,j]*wf[i,j]
	RowScaleBackward(rows, cols int, logs, wf, bf, dwf, dbf, dw, db, dlogs Buffer)
}

// Mix is the invertible 1x1 convolution: one C x C matrix (row-major) applied to every pixel, x [C][M].
type Mix interface {
	// MixForward: x[i,m] = b[i] + sum_j a[i,j]*x[j,m], in place. b [C] is optional. C is at most 1024. Its inverse is the same
	// op with the inverse matrix.
	MixForward(c, m int, a, b, x Buffer)
	// MixBackward, x the op's input: da[i,j] += sum_m dx[i,m]*x[j,m]; then dx[j,m] = sum_i a[i,j]*dx[i,m], in place.
	MixBackward(c, m int, a, x, dx, da Buffer)

	// LUCompose builds w = P L (U + diag(sign*exp(logd))) and its inverse (Glow, section 3.2). L is unit lower triangular: of
	// l [C][C] only what lies below the diagonal is read; of u only what lies above. (P B)[i,:] = B[perm[i],:]; perm, sign and
	// logd are [C], perm holds whole numbers. winv is solved by substitution, not by elimination on w.
	LUCompose(c int, perm, l, u, logd, sign, w, winv Buffer)
	// LUComposeBackward adds the gradients of l, u (triangles only) and logd for the gradient dw of w, and of the
	// log-determinant M*sum(logd), weighted dld in all:
	//
	//	D = U + diag(sign*exp(logd)); G = P^T dw
	//	dl += strictly lower part of G D^T;  E = L^T G;  du += strictly upper part of E;  dlogd[i] += E[i,i]*sign[i]*exp(logd[i]) + dld
	LUComposeBackward(c int, perm, l, u, logd, sign, dw Buffer, dld float32, dl, du, dlogd Buffer)
}

// Law says how the two parameters t, s of a coupling move x. Every scale is exp(bounded), so an inverse never
// divides by something small; ls is the log of the scale and what log-determinants add up.
type Law int

const (
	Additive     Law = iota // y = x + t; there is no s (NICE)
	SigmoidScale            // y = (x+t)*exp(ls), ls = log sigmoid(s+2) (Glow)
	ExpScale                // y = x*exp(ls) + t, ls = 2*tanh(s/2): exp(s) near 0, at most e^2
	TanhScale               // y = x*exp(ls) + t, ls = g[c]*tanh(s), g learned per channel (RealNVP)
	GaussScale              // y = (x+t)*exp(ls), ls = 6*tanh(s/6): x ~ N(-t, exp(-ls)^2) made standard normal
)

// Params is how many values per element the law takes: 1 (t) or 2 (t and s).
func (l Law) Params() int {
	if l == Additive {
		return 1
	}
	return 2
}

// Rows is the shape of a block of channels: C rows of N samples of P pixels.
type Rows struct{ C, N, P int }

// Len is C*N*P.
func (r Rows) Len() int { return r.C * r.N * r.P }

// M is N*P, the length of a row.
func (r Rows) M() int { return r.N * r.P }

// Flow holds what flows are made of beside convolutions. x is [C][N][P], logdet and logp are [N].
type Flow interface {
	// Coupling moves x by the law, in place, and adds its log-determinant per sample. st is [2C][N][P]: all t, then all s
	// (Additive: [C][N][P]). g [C] only for TanhScale.
	//
	//	logdet[n] += sum_{c,p} ls[c,n,p]
	Coupling(r Rows, law Law, g, st, x, logdet Buffer)
	// CouplingInverse undoes Coupling: y in x becomes x; logdet[n] -= sum ls.
	CouplingInverse(r Rows, law Law, g, st, x, logdet Buffer)
	// CouplingBackward takes y in x and dy in dx, and leaves x and its gradient there; st becomes the gradient of st; dg [C] +=.
	// dld is dLoss/dlogdet, the same for all samples.
	//
	//	(x+t)*e: x = y/e - t; dt = dx' = dy*e; dls = dy*y + dld      with e = exp(ls)
	//	x*e + t: x = (y-t)/e; dt = dy; dx' = dy*e; dls = dy*(y-t) + dld
	//	ds = dls * dls/ds;  TanhScale: dg[c] += sum_{n,p} dls*tanh(s)
	CouplingBackward(r Rows, law Law, g, st, x, dx Buffer, dld float32, dg Buffer)

	// ActNorm: x[c,m] = (x[c,m] + b[c]) * exp(logs[c]), in place (Glow, section 3.1).
	ActNorm(c, m int, logs, b, x Buffer)
	// ActNormInverse: x[c,m] = x[c,m]*exp(-logs[c]) - b[c], in place.
	ActNormInverse(c, m int, logs, b, x Buffer)
	// ActNormBackward takes y in x and dy in dx and leaves x and its gradient there. dld is dLoss/d(sum of logs).
	//
	//	dlogs[c] += dld + sum_m dy*y;  dx = dy*exp(logs[c]);  db[c] += sum_m dx
	ActNormBackward(c, m int, logs, b, x, dx Buffer, dld float32, dlogs, db Buffer)
	// ActNormInit sets b[c] = -mean_m x[c,m] and logs[c] = -log(max(std, 1e-3)), std the population's: rows come out with
	// mean 0 and variance 1, and a constant row stays finite. Two passes: the mean, then the squares about it.
	ActNormInit(c, m int, x, logs, b Buffer)

	// Permute: y[c,m] = x[perm[c],m]; perm [C] holds whole numbers.
	Permute(c, m int, perm, x, y Buffer)
	// Squeeze: y[4c+2u+v, n, i, j] = x[c, n, 2i+u, 2j+v]; x is [C][N][H][W], H and W even, y is [4C][N][H/2][W/2].
	Squeeze(c, n, h, w int, x, y Buffer)
	// Unsqueeze undoes Squeeze: x is [4C][N][H/2][W/2], y is [C][N][H][W].
	Unsqueeze(c, n, h, w int, x, y Buffer)

	// GaussianLogProb: logp[n] += sum_{c,p} (-x^2/2 - log(2 pi)/2).
	GaussianLogProb(r Rows, x, logp Buffer)
	// GaussianLogProbBackward: dx[i] = -dlp * x[i]; dlp is dLoss/dlogp.
	GaussianLogProbBackward(dlp float32, x, dx Buffer)

	// Dequantize: x[c,n,p] = (v[c,n,p] + u)/levels - 1/2, u uniform on [0, 1) from the stream (see Stream), v whole numbers
	// 0 .. levels-1.
	Dequantize(r Rows, levels int, rng Stream, at, v, x Buffer)
	// Normal: x[c,n,p] = std * (standard normal from the stream).
	Normal(r Rows, std float32, rng Stream, at, x Buffer)
	// Uniform: x[c,n,p] uniform on [0, 1) from the stream.
	Uniform(r Rows, rng Stream, at, x Buffer)
}

// Adam are the constants of the optimiser: Kingma and Ba, "Adam", 2015.
type Adam struct {
	Max          bool    // Adamax (section 7.1): v is an infinity norm, max(beta2*v, |g|)
	Beta1, Beta2 float32 // decay of the moments
	Eps          float32
	Clip         float32 // greatest global norm of the gradient; 0: no clipping
	EMADecay     float32 // of the averaged weights; 0: ema is not given
}

// Train is what a training step does beside the flow.
type Train interface {
	// AdamStep updates every parameter in one pass. hyper = [lr, t], t = 1, 2, ...; sumsq[0] is the squared norm of g.
	// If sumsq[0] is not finite nothing changes: a bad step costs no parameter.
	//
	//	g' = g * min(1, clip/sqrt(sumsq))
	//	m = beta1*m + (1-beta1)*g'
	//	v = beta2*v + (1-beta2)*g'^2;  p -= lr * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + eps)       Adam
	//	v = max(beta2*v, |g'|);        p -= lr * (m/(1-beta1^t)) / (v + eps)                         Adamax
	//	d = min(decay, (1+t)/(10+t));  ema = d*ema + (1-d)*p
	AdamStep(o Adam, hyper, sumsq, g, p, m, v, ema Buffer)
}
