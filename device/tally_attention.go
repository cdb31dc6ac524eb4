package device

func (t *Tally) Attend(s Heads, qkv, y, lse Buffer)                   { t.product(s.Flops()) }
func (t *Tally) AttendBackward(s Heads, qkv, y, lse, dy, dqkv Buffer) { t.product(s.BackwardFlops()) }
func (t *Tally) AttendStep(s Heads, i int, qkv, keys, values, y Buffer) {
	t.product(s.StepFlops(i))
}

func (t *Tally) LayerNorm(c, m int, _ float32, gamma, beta, x, y, stats Buffer)            { t.op() }
func (t *Tally) LayerNormBackward(c, m int, gamma, x, stats, dy, dx, dgamma, dbeta Buffer) { t.op() }
func (t *Tally) GELU(x, y Buffer)                                                          { t.op() }
func (t *Tally) GELUBackward(x, dy Buffer)                                                 { t.op() }
func (t *Tally) AddPositions(_ Rows, pos, x Buffer)                                        { t.op() }
func (t *Tally) PositionsBackward(_ Rows, dx, dpos Buffer)                                 { t.op() }
func (t *Tally) Embed(_ Rows, classes int, label, table, x Buffer)                         { t.op() }
func (t *Tally) EmbedBackward(_ Rows, classes int, label, dx, dtable Buffer)               { t.op() }
func (t *Tally) Gather(rows, p, q int, index, x, y Buffer)                                 { t.op() }
func (t *Tally) Scatter(rows, p, q int, index, x, y Buffer)                                { t.op() }
