package main

import . "github.com/mmcloughlin/avo/build"

// optimisers are one step of Adam and of Adamax; their scalars are the members of vec.AdamConsts.
func (m *machine) optimisers() {
	m.optimiser("adam", ": one step of Adam with the members of AdamConsts.", func(g, v, beta2, rest2, fix2 vec) (root vec) {
		VMULPS(g, g, g)
		VMULPS(beta2, v, v)
		VFMADD231PS(rest2, g, v)
		root = m.vec()
		VMULPS(fix2, v, root)
		VSQRTPS(root, root)
		return root
	})
	m.optimiser("adamax", ": one step of Adamax with the members of AdamConsts.", func(g, v, beta2, rest2, fix2 vec) (root vec) {
		VANDPS(m.c("noSign"), g, g)
		VMULPS(beta2, v, v)
		VMAXPS(g, v, v)
		return v
	})
}

// optimiser moves m by g, has next move v by g, and moves p by m and what next returns, the root of v.
func (m *machine) optimiser(name, doc string, next func(g, v, beta2, rest2, fix2 vec) (root vec)) {
	m.function(name, "(g, p, m, v []float32, clip, beta1, rest1, beta2, rest2, step, fix2, eps float32)", doc)
	pg, pp, pm, pv, n := base("g"), base("p"), base("m"), base("v"), length("g")
	clip, beta1, rest1, beta2, rest2 := m.arg("clip"), m.arg("beta1"), m.arg("rest1"), m.arg("beta2"), m.arg("rest2")
	step, fix2, eps := m.arg("step"), m.arg("fix2"), m.arg("eps")
	m.loop("loop", n, 1, func(p at) {
		g, moment, v := p.load(pg), p.load(pm), p.load(pv)
		VMULPS(clip, g, g)
		VMULPS(beta1, moment, moment)
		VFMADD231PS(rest1, g, moment)
		p.store(moment, pm)
		root := next(g, v, beta2, rest2, fix2)
		p.store(v, pv)
		VADDPS(eps, root, root)
		VMULPS(step, moment, moment)
		VDIVPS(root, moment, moment)
		w := p.load(pp)
		VSUBPS(moment, w, w)
		p.store(w, pp)
	})
	end()
}
