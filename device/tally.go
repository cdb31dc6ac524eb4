package device

// Tally is a Backend that computes nothing and counts: run on it, a step tells its arithmetic, and with counting arenas
// its memory, before anything is allocated. Its buffers are phantoms. Products count 2 operations per multiply-add;
// elementwise ops are left out, as is usual when a share of the arithmetic peak is quoted.
type Tally struct {
	Flops int64 // of matrix products and convolutions
	Calls int64 // ops
}

var _ Backend = (*Tally)(nil)

func (t *Tally) op()                         { t.Calls++ }
func (t *Tally) product(flops int64)         { t.Calls++; t.Flops += flops }
func (t *Tally) Name() string                { return "tally" }
func (t *Tally) Alloc(n int) (Buffer, error) { return Phantom(n), nil }
func (t *Tally) Free(Buffer)                 {}
func (t *Tally) Upload(Buffer, []float32)    {}
func (t *Tally) Sync() error                 { return nil }
func (t *Tally) Close() error                { return nil }

func (t *Tally) Download([]float32, Buffer) error { return nil }

func (t *Tally) Fill(Buffer, float32)           { t.op() }
func (t *Tally) Copy(dst, src Buffer)           { t.op() }
func (t *Tally) Axpy(float32, Buffer, Buffer)   { t.op() }
func (t *Tally) Sum(float32, Buffer, Buffer)    { t.op() }
func (t *Tally) SumSquares(x, out Buffer)       { t.op() }
func (t *Tally) AddSum(float32, Buffer, Buffer) { t.op() }
func (t *Tally) MaxAbsDiff(x, y, out Buffer)    { t.op() }

func (t *Tally) ConvForward(s ConvShape, _ Act, w, b, x, y Buffer)                 { t.product(s.Flops()) }
func (t *Tally) ConvBackwardData(s ConvShape, w, dy, dx Buffer)                    { t.product(s.Flops()) }
func (t *Tally) ConvBackwardAct(s ConvShape, _ Act, w, dy, h Buffer)               { t.product(s.Flops()) }
func (t *Tally) ConvBackwardWeight(s ConvShape, x, dy, dw, db Buffer)              { t.product(s.Flops()) }
func (t *Tally) RowScale(rows, cols int, logs, w, b, wf, bf Buffer)                { t.op() }
func (t *Tally) RowScaleBackward(r, c int, l, wf, bf, dwf, dbf, dw, db, dl Buffer) { t.op() }

func (t *Tally) MixForward(c, m int, a, b, x Buffer) { t.product(2 * int64(c) * int64(c) * int64(m)) }
func (t *Tally) MixBackward(c, m int, a, x, dx, da Buffer) {
	t.product(4 * int64(c) * int64(c) * int64(m))
}
func (t *Tally) LUCompose(c int, perm, l, u, logd, sign, w, winv Buffer) { t.op() }
func (t *Tally) LUComposeBackward(c int, p, l, u, d, s, dw Buffer, _ float32, dl, du, dd Buffer) {
	t.op()
}

func (t *Tally) Coupling(_ Rows, _ Law, g, st, x, logdet Buffer)                           { t.op() }
func (t *Tally) CouplingInverse(_ Rows, _ Law, g, st, x, logdet Buffer)                    { t.op() }
func (t *Tally) CouplingBackward(_ Rows, _ Law, g, st, x, dx Buffer, _ float32, dg Buffer) { t.op() }
func (t *Tally) ActNorm(c, m int, logs, b, x Buffer)                                       { t.op() }
func (t *Tally) ActNormInverse(c, m int, logs, b, x Buffer)                                { t.op() }
func (t *Tally) ActNormBackward(c, m int, l, b, x, dx Buffer, _ float32, dl, db Buffer)    { t.op() }
func (t *Tally) ActNormInit(c, m int, x, logs, b Buffer)                                   { t.op() }
func (t *Tally) Permute(c, m int, perm, x, y Buffer)                                       { t.op() }
func (t *Tally) Squeeze(c, n, h, w int, x, y Buffer)                                       { t.op() }
func (t *Tally) Unsqueeze(c, n, h, w int, x, y Buffer)                                     { t.op() }
func (t *Tally) GaussianLogProb(_ Rows, x, logp Buffer)                                    { t.op() }
func (t *Tally) GaussianLogProbBackward(_ float32, x, dx Buffer)                           { t.op() }
func (t *Tally) Dequantize(_ Rows, _ int, _ Stream, at, v, x Buffer)                       { t.op() }
func (t *Tally) Normal(_ Rows, _ float32, _ Stream, at, x Buffer)                          { t.op() }
func (t *Tally) Uniform(_ Rows, _ Stream, at, x Buffer)                                    { t.op() }
func (t *Tally) AdamStep(_ Adam, hyper, sumsq, g, p, m, v, ema Buffer)                     { t.op() }

func (t *Tally) ChannelStats(c, m int, x, mean, variance Buffer)                            { t.op() }
func (t *Tally) Blend(_ float32, x, y Buffer)                                               { t.op() }
func (t *Tally) BatchNormFold(c int, _ float32, mean, variance, logs, b Buffer)             { t.op() }
func (t *Tally) BatchNormBackward(c, m int, _, _ float32, mean, v, dl, db, x, dx Buffer)    { t.op() }
func (t *Tally) BatchNormScale(c int, _ float32, mean, v, gamma, beta, scale, shift Buffer) { t.op() }
func (t *Tally) AffineAct(c, m int, _ Act, scale, shift, x, y Buffer)                       { t.op() }
func (t *Tally) BatchNormActBackward(c, m int, _ Act, _ float32, mean, v, g, x, y, dy, dg, db Buffer) {
	t.op()
}
func (t *Tally) WeightNorm(rows, cols int, g, v, w Buffer)                  { t.op() }
func (t *Tally) WeightNormBackward(rows, cols int, g, v, dw, dv, dg Buffer) { t.op() }

func (t *Tally) CheckerPack(c, n, h, w, parity int, x, y Buffer)                 { t.op() }
func (t *Tally) CheckerUnpack(c, n, h, w, parity int, x, y Buffer)               { t.op() }
func (t *Tally) Logit(_ Rows, _ float32, x, logdet Buffer)                       { t.op() }
func (t *Tally) LogitInverse(_ Rows, _ float32, x Buffer)                        { t.op() }
func (t *Tally) LogisticLogProb(_ Rows, x, logp Buffer)                          { t.op() }
func (t *Tally) LogisticLogProbBackward(_ float32, x, dx Buffer)                 { t.op() }
func (t *Tally) Logistic(_ Rows, _ float32, _ Stream, at, x Buffer)              { t.op() }
func (t *Tally) ClassAffine(_ Rows, _ int, label, logs, b, x, logdet Buffer)     { t.op() }
func (t *Tally) ClassAffineInverse(_ Rows, _ int, label, l, b, x, logdet Buffer) { t.op() }
func (t *Tally) ClassAffineBackward(_ Rows, _ int, label, l, b, x, dx Buffer, _ float32, dl, db Buffer) {
	t.op()
}

func (t *Tally) Flatten(_ Rows, x, y Buffer)   { t.op() }
func (t *Tally) Unflatten(_ Rows, x, y Buffer) { t.op() }

func (t *Tally) CDF(_ Rows, _ Mixture, logits, means, logs, x, logdet Buffer)        { t.op() }
func (t *Tally) CDFInverse(_ Rows, _ Mixture, logits, means, logs, x, logdet Buffer) { t.op() }
func (t *Tally) CDFBackward(_ Rows, _ Mixture, l, mu, s, x, dx Buffer, _ float32, dl, dmu, ds Buffer) {
	t.op()
}
func (t *Tally) BetaLogProb(_ Rows, a, b float32, x, logp Buffer)         { t.op() }
func (t *Tally) BetaLogProbBackward(a, b, dlp float32, x, dx Buffer)      { t.op() }
func (t *Tally) Beta(_ Rows, a, b, scale float32, _ Stream, at, x Buffer) { t.op() }
