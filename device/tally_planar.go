package device

func (t *Tally) Map(_ Rows, _ Map, x, logdet Buffer)                          { t.op() }
func (t *Tally) MapBackward(_ Map, x, dx Buffer, _ float32)                   { t.op() }
func (t *Tally) PlanarFold(c int, w, u, uh, s Buffer)                         { t.op() }
func (t *Tally) PlanarFoldBackward(c int, w, u, duh, ds, dw, du Buffer)       { t.op() }
func (t *Tally) Planar(c, n int, _ Map, w, b, uh, s, x, logdet Buffer)        { t.op() }
func (t *Tally) PlanarInverse(c, n int, _ Map, w, b, uh, s, x, logdet Buffer) { t.op() }
func (t *Tally) PlanarBackward(c, n int, _ Map, w, b, uh, s, x, dx Buffer, _ float32, dw, db, duh, ds Buffer) {
	t.op()
}
func (t *Tally) Radial(c, n int, x0, loga, beta, x, logdet Buffer)        { t.op() }
func (t *Tally) RadialInverse(c, n int, x0, loga, beta, x, logdet Buffer) { t.op() }
func (t *Tally) RadialBackward(c, n int, x0, loga, beta, x, dx Buffer, _ float32, dx0, dloga, dbeta Buffer) {
	t.op()
}
func (t *Tally) Project(rows, c, n int, w, x, y Buffer) { t.product(matrix(rows, c, n)) }
func (t *Tally) Lift(rows, c, n int, w, y, x Buffer)    { t.product(matrix(rows, c, n)) }
func (t *Tally) ProjectBackward(rows, c, n int, x, dy, dw, db Buffer) {
	t.product(matrix(rows, c, n))
}
func (t *Tally) Householder(rows, c, k int, v, q Buffer)                 { t.op() }
func (t *Tally) HouseholderBackward(rows, c, k int, v, q, dq, dv Buffer) { t.op() }
func (t *Tally) SylvesterFold(m int, u1, u2, tau, rho, r1, r2, s Buffer) { t.op() }
func (t *Tally) SylvesterFoldBackward(m int, tau, rho, dr1, dr2, ds, du1, du2, dtau, drho Buffer) {
	t.op()
}
func (t *Tally) SylvesterGate(m, n int, _ Map, s, a, y, logdet Buffer)                        { t.op() }
func (t *Tally) SylvesterGateBackward(m, n int, _ Map, s, a, dx Buffer, _ float32, ds Buffer) { t.op() }
func (t *Tally) SylvesterSolve(m, n int, _ Map, r1, r2, b, s, t1, a, logdet Buffer)           { t.op() }

// matrix is the arithmetic of a product of rows x c and c x n.
func matrix(rows, c, n int) int64 { return 2 * int64(rows) * int64(c) * int64(n) }
