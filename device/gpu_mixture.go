package device

import "cuflow/kernels"

func (g *gpu) MixtureDiagonal(s Components, mean, logs, x, q Buffer) {
	fit(mean.n == s.K*s.D && logs.n == s.K*s.D && x.n == s.D*s.N && q.n == s.K*s.N)
	g.begin("MixtureDiagonal")
	if s.N == 0 {
		return
	}
	shape, span := kernels.MixtureTiles(s.K, s.D, s.N)
	part := g.part(shape.GridY * s.K * s.N)
	g.run("mixture_squares", shape, num(s.K), num(s.D), num(s.N), num(span), ptr(mean), ptr(logs), ptr(x), addr(part))
	g.run("mixture_finish", kernels.Blocks(s.K), num(s.K), num(s.D), num(s.N), num(shape.GridY), ptr(logs), addr(part), ptr(q))
}

func (g *gpu) MixtureDiagonalBackward(s Components, dlp float32, mean, logs, r, x, dx, dmean, dlogs Buffer) {
	kd := s.K * s.D
	fit(mean.n == kd && logs.n == kd && r.n == s.K*s.N && x.n == s.D*s.N && dx.n == s.D*s.N && dmean.n == kd && dlogs.n == kd)
	g.begin("MixtureDiagonalBackward")
	if s.N == 0 {
		return
	}
	g.run("mixture_dx", kernels.MixtureSlabs(s.D, s.N), num(s.K), num(s.D), num(s.N), float(dlp), ptr(mean), ptr(logs), ptr(r), ptr(x), ptr(dx))
	g.run("mixture_dparams", kernels.Warps((s.K+1)/2*((s.D+3)/4)), num(s.K), num(s.D), num(s.N), float(dlp),
		ptr(mean), ptr(logs), ptr(r), ptr(x), ptr(dmean), ptr(dlogs))
}

func (g *gpu) MixtureEvidence(k, n int, logits, q, logp Buffer) {
	fit(k > 0 && logits.n == k && q.n == k*n && logp.n == n)
	g.begin("MixtureEvidence")
	g.run("mixture_evidence", kernels.Items(n), num(k), num(n), ptr(logits), ptr(q), ptr(logp))
}

func (g *gpu) MixtureEvidenceBackward(k, n int, dlp float32, logits, r, dlogits Buffer) {
	fit(k > 0 && logits.n == k && r.n == k*n && dlogits.n == k)
	g.begin("MixtureEvidenceBackward")
	g.run("mixture_dlogits", kernels.Warps(k), num(k), num(n), float(dlp), ptr(logits), ptr(r), ptr(dlogits))
}

func (g *gpu) Center(c, m int, mean, x, y Buffer) {
	fit(mean.n == c && x.n == c*m && y.n == c*m)
	g.begin("Center")
	s, span, tiles := kernels.Rows(c, m)
	g.run("center", s, num(m), num(span), num(tiles), ptr(mean), ptr(x), ptr(y))
}

func (g *gpu) CenterBackward(c, m int, dy, dx, dmean Buffer) {
	fit(dy.n == c*m && dx.n == c*m && dmean.n == c)
	g.begin("CenterBackward")
	s, span, tiles := kernels.Rows(c, m)
	var part uint64
	if tiles > 1 {
		part = g.part(c * tiles)
	}
	g.run("center_backward", s, num(m), num(span), num(tiles), ptr(dy), ptr(dx), ptr(dmean), addr(part))
	if tiles > 1 {
		g.run("row_sums", kernels.Warps(c), num(c), num(tiles), float(0), addr(part), ptr(dmean))
	}
}

func (g *gpu) Weigh(c, m int, a float32, w, x Buffer) {
	fit(w.n == m && x.n == c*m)
	g.begin("Weigh")
	s, span, tiles := kernels.Rows(c, m)
	g.run("weigh", s, num(m), num(span), num(tiles), float(a), ptr(w), ptr(x))
}

func (g *gpu) Triangle(d int, logs, l, a Buffer) {
	fit(logs.n == d && l.n == d*(d-1)/2 && a.n == d*d)
	g.begin("Triangle")
	g.run("triangle", kernels.Blocks(d), num(d), ptr(logs), ptr(l), ptr(a))
}

func (g *gpu) TriangleBackward(d int, logs, da, dlogs, dl Buffer) {
	fit(logs.n == d && da.n == d*d && dlogs.n == d && dl.n == d*(d-1)/2)
	g.begin("TriangleBackward")
	g.run("triangle_backward", kernels.Blocks(d), num(d), ptr(logs), ptr(da), ptr(dlogs), ptr(dl))
}

func (g *gpu) MixturePick(k, n int, logits, u, pick Buffer) {
	fit(k > 0 && logits.n == k && u.n == n && pick.n == n)
	g.begin("MixturePick")
	g.run("mixture_pick", kernels.Items(n), num(k), num(n), ptr(logits), ptr(u), ptr(pick))
}

func (g *gpu) MixturePlace(s Components, pick, mean, logs, l, x Buffer) {
	fit(pick.n == s.N && mean.n == s.K*s.D && logs.n == s.K*s.D && (l.Nil() || l.n == s.K*s.Triangle()) && x.n == s.D*s.N)
	g.begin("MixturePlace")
	if l.Nil() {
		g.run("mixture_place", kernels.Flat(4*s.D*s.N), num(s.D), num(s.N), ptr(pick), ptr(mean), ptr(logs), ptr(x))
		return
	}
	g.run("mixture_place_full", kernels.MixturePlace(s.D, s.N), num(s.D), num(s.N), ptr(pick), ptr(mean), ptr(logs), ptr(l), ptr(x))
}

func (g *gpu) AtMost(bound float32, x Buffer) {
	g.begin("AtMost")
	g.run("at_most", kernels.Flat(x.n), num(x.n), float(bound), ptr(x))
}
