package device

import "cuflow/kernels"

func fitHeads(s Heads) {
	if !s.Valid() {
		panic("device: there is no such attention")
	}
}

// attentionNames are the kernels for heads of a width. They are spelled out: making names allocates.
type attentionNames struct{ forward, queries, keys string }

func attentionOf(s Heads) attentionNames {
	switch kernels.AttentionWidth(s.C / s.H) {
	case 16:
		return attentionNames{"attend_16", "attend_queries_16", "attend_keys_16"}
	case 32:
		return attentionNames{"attend_32", "attend_queries_32", "attend_keys_32"}
	}
	return attentionNames{"attend_64", "attend_queries_64", "attend_keys_64"}
}

func (s Heads) args() [5]arg {
	return [5]arg{num(s.C), num(s.H), num(s.N), num(s.T), flag(s.Causal)}
}

func (g *gpu) Attend(s Heads, qkv, y, lse Buffer) {
	fitHeads(s)
	fit(qkv.n == 3*s.C*s.M() && y.n == s.C*s.M() && lse.n == s.H*s.M())
	g.begin("Attend")
	a := s.args()
	g.run(attentionOf(s).forward, kernels.Attention(s.H, s.N, s.T), a[0], a[1], a[2], a[3], a[4], ptr(qkv), ptr(y), ptr(lse))
}

func (g *gpu) AttendBackward(s Heads, qkv, y, lse, dy, dqkv Buffer) {
	fitHeads(s)
	fit(qkv.n == 3*s.C*s.M() && y.n == s.C*s.M() && lse.n == s.H*s.M() && dy.n == s.C*s.M() && dqkv.n == 3*s.C*s.M())
	g.begin("AttendBackward")
	if s.N == 0 {
		return
	}
	a, names, delta := s.args(), attentionOf(s), addr(g.part(s.H*s.M()))
	shape := kernels.Attention(s.H, s.N, s.T)
	g.run(names.queries, shape, a[0], a[1], a[2], a[3], a[4], ptr(qkv), ptr(y), ptr(lse), ptr(dy), ptr(dqkv), delta)
	g.run(names.keys, shape, a[0], a[1], a[2], a[3], a[4], ptr(qkv), ptr(lse), ptr(dy), delta, ptr(dqkv))
}

func (g *gpu) AttendStep(s Heads, t int, qkv, keys, values, y Buffer) {
	fitHeads(s)
	fit(t >= 0 && t < s.T && qkv.n == 3*s.C*s.N && keys.n == s.C*s.M() && values.n == s.C*s.M() && y.n == s.C*s.N)
	g.begin("AttendStep")
	if s.N == 0 {
		return
	}
	g.run("attend_step", kernels.Warps(s.H*s.N), num(s.C), num(s.H), num(s.N), num(s.T), num(t), ptr(qkv), ptr(keys), ptr(values), ptr(y),
		addr(g.part(s.H*s.M())))
}

func (g *gpu) LayerNorm(c, m int, eps float32, gamma, beta, x, y, stats Buffer) {
	fit(c >= 1 && gamma.n == c && beta.n == c && x.n == c*m && y.n == c*m && stats.n == 2*m)
	g.begin("LayerNorm")
	g.run("layer_norm", kernels.Columns(m), num(c), num(m), float(eps), ptr(gamma), ptr(beta), ptr(x), ptr(y), ptr(stats))
}

func (g *gpu) LayerNormBackward(c, m int, gamma, x, stats, dy, dx, dgamma, dbeta Buffer) {
	fit(c >= 1 && gamma.n == c && dgamma.n == c && dbeta.n == c && stats.n == 2*m && x.n == c*m && dy.n == c*m && dx.n == c*m)
	g.begin("LayerNormBackward")
	if m == 0 {
		return
	}
	g.run("layer_norm_backward", kernels.Columns(m), num(c), num(m), ptr(gamma), ptr(x), ptr(stats), ptr(dy), ptr(dx))
	s, span, tiles := kernels.Rows(c, m)
	part := g.part(2 * c * tiles)
	g.run("layer_norm_params", s, num(c), num(m), num(span), num(tiles), ptr(x), ptr(stats), ptr(dy), ptr(dgamma), ptr(dbeta), addr(part))
	if tiles > 1 {
		g.run("row_pairs", kernels.Warps(2*c), num(c), num(tiles), float(0), addr(part), ptr(dgamma), ptr(dbeta))
	}
}

func (g *gpu) GELU(x, y Buffer) {
	fit(y.n == x.n)
	g.begin("GELU")
	g.run("gelu", kernels.Flat(x.n), num(x.n), ptr(x), ptr(y))
}

func (g *gpu) GELUBackward(x, dy Buffer) {
	fit(dy.n == x.n)
	g.begin("GELUBackward")
	g.run("gelu_backward", kernels.Flat(x.n), num(x.n), ptr(x), ptr(dy))
}

func (g *gpu) AddPositions(r Rows, pos, x Buffer) {
	fit(pos.n == r.C*r.P && x.n == r.Len())
	g.begin("AddPositions")
	g.run("add_positions", kernels.Flat(x.n), num(x.n), num(r.N), num(r.P), ptr(pos), ptr(x))
}

func (g *gpu) PositionsBackward(r Rows, dx, dpos Buffer) {
	fit(dpos.n == r.C*r.P && dx.n == r.Len())
	g.begin("PositionsBackward")
	g.run("positions_backward", kernels.Items(dpos.n), num(r.C), num(r.N), num(r.P), ptr(dx), ptr(dpos))
}

func (g *gpu) Embed(r Rows, classes int, label, table, x Buffer) {
	fit(label.n == r.N && table.n == classes*r.C && x.n == r.Len())
	g.begin("Embed")
	g.run("embed", kernels.Flat(x.n), num(x.n), num(r.C), num(r.N), num(r.P), ptr(label), ptr(table), ptr(x))
}

func (g *gpu) EmbedBackward(r Rows, classes int, label, dx, dtable Buffer) {
	fit(label.n == r.N && dtable.n == classes*r.C && dx.n == r.Len())
	g.begin("EmbedBackward")
	g.run("embed_backward", kernels.Warps(classes*r.C), num(r.C), num(r.N), num(r.P), num(classes), ptr(label), ptr(dx), ptr(dtable))
}

func (g *gpu) Gather(rows, p, q int, index, x, y Buffer) {
	fit(index.n == q && x.n == rows*p && y.n == rows*q)
	g.begin("Gather")
	g.run("gather", kernels.Items(y.n), num(rows), num(p), num(q), ptr(index), ptr(x), ptr(y))
}

func (g *gpu) Scatter(rows, p, q int, index, x, y Buffer) {
	fit(index.n == q && x.n == rows*q && y.n == rows*p)
	g.begin("Scatter")
	g.run("scatter", kernels.Items(x.n), num(rows), num(p), num(q), ptr(index), ptr(x), ptr(y))
}
