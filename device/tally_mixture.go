package device

// Squares of differences are counted as the products of matrices that they stand for: four operations for each component,
// dimension and sample, and as many for each of the two gradients.
func (t *Tally) MixtureDiagonal(s Components, mean, logs, x, q Buffer) { t.product(s.flops()) }
func (t *Tally) MixtureDiagonalBackward(s Components, _ float32, m, l, r, x, dx, dm, dl Buffer) {
	t.product(2 * s.flops())
}

func (s Components) flops() int64 { return 4 * int64(s.K) * int64(s.D) * int64(s.N) }

func (t *Tally) MixtureEvidence(k, n int, logits, q, logp Buffer)                 { t.op() }
func (t *Tally) Center(c, m int, mean, x, y Buffer)                               { t.op() }
func (t *Tally) CenterBackward(c, m int, dy, dx, dmean Buffer)                    { t.op() }
func (t *Tally) Weigh(c, m int, _ float32, w, x Buffer)                           { t.op() }
func (t *Tally) Triangle(d int, logs, l, a Buffer)                                { t.op() }
func (t *Tally) TriangleBackward(d int, logs, da, dlogs, dl Buffer)               { t.op() }
func (t *Tally) MixturePick(k, n int, logits, u, pick Buffer)                     { t.op() }
func (t *Tally) MixturePlace(_ Components, pick, mean, logs, l, x Buffer)         { t.op() }
func (t *Tally) AtMost(_ float32, x Buffer)                                       { t.op() }
func (t *Tally) MixtureEvidenceBackward(k, n int, _ float32, logits, r, d Buffer) { t.op() }
