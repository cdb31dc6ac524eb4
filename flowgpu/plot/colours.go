package plot

import "image/color"

// The hues of Okabe and Ito, "Color Universal Design", 2008.
func blue() color.NRGBA   { return color.NRGBA{R: 0, G: 114, B: 178, A: 255} }
func orange() color.NRGBA { return color.NRGBA{R: 213, G: 94, B: 0, A: 255} }
func green() color.NRGBA  { return color.NRGBA{R: 0, G: 158, B: 115, A: 255} }
func purple() color.NRGBA { return color.NRGBA{R: 204, G: 121, B: 167, A: 255} }

func ink() color.NRGBA   { return color.NRGBA{R: 34, G: 34, B: 34, A: 255} }
func grey() color.NRGBA  { return color.NRGBA{R: 110, G: 110, B: 110, A: 255} }
func pale() color.NRGBA  { return color.NRGBA{R: 200, G: 200, B: 200, A: 255} }
func paper() color.NRGBA { return color.NRGBA{R: 255, G: 255, B: 255, A: 255} }

// tint blends a colour with a share of white.
func tint(c color.NRGBA, white float64) color.NRGBA { return blend(c, paper(), white) }

// blend goes from a (t = 0) to b (t = 1).
func blend(a, b color.NRGBA, t float64) color.NRGBA {
	of := func(u, v uint8) uint8 { return uint8((1-t)*float64(u) + t*float64(v) + 0.5) }
	return color.NRGBA{R: of(a.R, b.R), G: of(a.G, b.G), B: of(a.B, b.B), A: of(a.A, b.A)}
}

// viridis gives the colour at t of [0, 1]: dark for little, bright for much, in steps that look equal. By Nathaniel Smith and
// Stefan van der Walt for matplotlib 2.0, released under CC0; every eighth of its 256 colours, with straight lines between
// them, is within 2 of 255 of all.
func viridis(t float64) color.NRGBA {
	knots := [...]uint32{
		0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453781, 0x424086, 0x3e4989, 0x3b528b, 0x375b8d, 0x33638d,
		0x2f6b8e, 0x2c728e, 0x297a8e, 0x26828e, 0x23898e, 0x21918c, 0x1f978b, 0x1f9f88, 0x21a685, 0x27ad81, 0x31b57b,
		0x3dbc74, 0x4cc26c, 0x5cc863, 0x6ece58, 0x81d34d, 0x95d840, 0xaadc32, 0xc0df25, 0xd5e21a, 0xeae51a, 0xfde725,
	}
	at := min(max(t, 0), 1) * float64(len(knots)-1)
	i := min(int(at), len(knots)-2)
	of := func(v uint32) color.NRGBA {
		return color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}
	}
	return blend(of(knots[i]), of(knots[i+1]), at-float64(i))
}
