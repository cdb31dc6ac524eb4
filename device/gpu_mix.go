package device

import "cuflow/kernels"

func (g *gpu) MixForward(c, m int, a, b, x Buffer) {
	fit(a.n == c*c && (b.Nil() || b.n == c) && x.n == c*m)
	g.begin("MixForward")
	g.mix(c, m, false, a, b, x)
}

func (g *gpu) MixBackward(c, m int, a, x, dx, da Buffer) {
	fit(x.n == c*m && dx.n == c*m && da.n == c*c && a.n == c*c)
	g.begin("MixBackward")
	g.weight(kernels.FP32, ConvShape{Cin: c, Cout: c, K: 1, N: m, H: 1, W: 1}, x, dx, da, Buffer{})
	g.mix(c, m, true, a, Buffer{}, dx)
}

func (g *gpu) mix(c, m int, transposed bool, a, b, x Buffer) {
	if m == 0 {
		return
	}
	name, s := kernels.Mix(c, m)
	g.run(name, s, num(c), num(m), flag(transposed), ptr(a), ptr(b), ptr(x))
}

func (g *gpu) LUCompose(c int, perm, l, u, logd, sign, w, winv Buffer) {
	fit(perm.n == c && l.n == c*c && u.n == c*c && logd.n == c && sign.n == c && w.n == c*c && winv.n == c*c)
	g.begin("LUCompose")
	g.run("lu_compose", kernels.LUTiles(c), num(c), ptr(perm), ptr(l), ptr(u), ptr(logd), ptr(sign), ptr(w))
	g.run("lu_invert", kernels.LUInvert(c), num(c), ptr(perm), ptr(l), ptr(u), ptr(logd), ptr(sign), ptr(winv))
}

func (g *gpu) LUComposeBackward(c int, perm, l, u, logd, sign, dw Buffer, dld float32, dl, du, dlogd Buffer) {
	fit(perm.n == c && l.n == c*c && u.n == c*c && logd.n == c && sign.n == c && dw.n == c*c && dl.n == c*c && du.n == c*c && dlogd.n == c)
	g.begin("LUComposeBackward")
	g.run("lu_backward", kernels.LUTiles(c), num(c), ptr(perm), ptr(l), ptr(u), ptr(logd), ptr(sign), ptr(dw), float(dld), ptr(dl), ptr(du), ptr(dlogd))
}
