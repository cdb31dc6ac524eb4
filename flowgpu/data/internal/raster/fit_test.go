package raster

import (
	"image"
	"math"
	"slices"
	"testing"
)

// ramp is a picture whose values are distinct, up to its levels.
func ramp(c, h, w, levels int) Image {
	m := Image{C: c, H: h, W: w, Levels: levels}
	for i := range c * h * w {
		m.Pix = append(m.Pix, uint16(i%levels))
	}
	return m
}

func apply(t *testing.T, f Fit, m Image) Image {
	t.Helper()
	before := slices.Clone(m.Pix)
	out, err := f.Apply(m)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Pix, before) {
		t.Error("Apply changed its picture")
	}
	if out.C != f.C || out.H != f.H || out.W != f.W || len(out.Pix) != f.C*f.H*f.W {
		t.Fatalf("got %dx%dx%d with %d pixels, want %dx%dx%d", out.C, out.H, out.W, len(out.Pix), f.C, f.H, f.W)
	}
	return out
}

func TestCropAndPad(t *testing.T) {
	m := ramp(2, 4, 5, 1<<16)
	got := apply(t, Fit{C: 2, H: 1, W: 3, How: Crop}, m) // of 4 rows 1 above, 2 below; of 5 columns 1 each side
	if want := []uint16{6, 7, 8, 26, 27, 28}; !slices.Equal(got.Pix, want) {
		t.Errorf("crop %v, want %v", got.Pix, want)
	}
	got = apply(t, Fit{C: 2, H: 5, W: 8, How: Pad}, m) // nothing above, 1 below; 1 left, 2 right
	want := make([]uint16, 2*5*8)
	for c := range 2 {
		for y := range 4 {
			for x := range 5 {
				want[(c*5+y)*8+x+1] = m.Pix[(c*4+y)*5+x]
			}
		}
	}
	if !slices.Equal(got.Pix, want) {
		t.Errorf("pad %v, want %v", got.Pix, want)
	}
	for _, how := range []string{Refuse, Crop, Pad, Resize} {
		if got := apply(t, Fit{C: 2, H: 4, W: 5, How: how}, m); !slices.Equal(got.Pix, m.Pix) {
			t.Errorf("%q changed a picture of the right size", how)
		}
	}
}

func TestResize(t *testing.T) {
	// A picture of one shade keeps it, whatever the levels.
	for _, levels := range []int{2, 17, 256, 1 << 16} {
		for _, v := range []int{0, 1, levels / 3, levels - 1} {
			m := ramp(3, 7, 5, levels)
			for i := range m.Pix {
				m.Pix[i] = uint16(v)
			}
			for _, f := range []Fit{{C: 3, H: 3, W: 4, How: Resize}, {C: 3, H: 20, W: 9, How: Resize}} {
				if got := apply(t, f, m); int(slices.Min(got.Pix)) != v || int(slices.Max(got.Pix)) != v {
					t.Errorf("%d of %d levels became %d to %d", v, levels, slices.Min(got.Pix), slices.Max(got.Pix))
				}
			}
		}
	}

	// A linear ramp along a wide picture, halved: the short side fits, the middle columns are left, and the kernel keeps
	// what is linear.
	m := Image{C: 1, H: 8, W: 40, Levels: 1 << 16}
	for range 8 {
		for x := range 40 {
			m.Pix = append(m.Pix, uint16(1000*x+500)) // 1000 times the pixel's middle
		}
	}
	got := apply(t, Fit{C: 1, H: 4, W: 6, How: Resize}, m) // scaled to 4x20, columns 7 .. 12
	for y := range 4 {
		for x := range 6 {
			if v, want := float64(got.Pix[y*6+x]), 2000*(float64(x+7)+0.5); math.Abs(v-want) > 2 {
				t.Errorf("(%d, %d) is %v, want %v", x, y, v, want)
			}
		}
	}

	// The channels do not mix, and 8 bits are scaled as 16 are.
	a := ramp(2, 9, 9, 256)
	for i := range 81 {
		a.Pix[81+i] = 255 - a.Pix[i]
	}
	b := a.each(func(v int) int { return v * 257 })
	b.Levels = 1 << 16
	f := Fit{C: 2, H: 4, W: 5, How: Resize}
	x, y := apply(t, f, a), apply(t, f, b)
	for i := range 20 {
		if sum := int(x.Pix[i]) + int(x.Pix[20+i]); sum < 254 || sum > 256 {
			t.Errorf("pixel %d and its negative give %d", i, sum)
		}
		if d := int(x.Pix[i])*257 - int(y.Pix[i]); d < -129 || d > 129 {
			t.Errorf("pixel %d is %d of 8 bits, %d of 16", i, x.Pix[i], y.Pix[i])
		}
	}
}

func TestChannels(t *testing.T) {
	rgb := Image{C: 3, H: 1, W: 4, Levels: 256, Pix: []uint16{255, 0, 0, 10, 0, 255, 0, 20, 0, 0, 255, 30}}
	grey := apply(t, Fit{C: 1, H: 1, W: 4}, rgb)
	if want := []uint16{76, 150, 29, 18}; !slices.Equal(grey.Pix, want) { // 76.2, 149.7, 29.1, 18.2
		t.Errorf("luma %v, want %v", grey.Pix, want)
	}
	back := apply(t, Fit{C: 3, H: 1, W: 4}, grey)
	if !slices.Equal(back.Pix, slices.Repeat(grey.Pix, 3)) {
		t.Errorf("grey as colours: %v", back.Pix)
	}
	if again := apply(t, Fit{C: 1, H: 1, W: 4}, back); !slices.Equal(again.Pix, grey.Pix) {
		t.Errorf("and grey again: %v", again.Pix)
	}
	four := apply(t, Fit{C: 4, H: 1, W: 4}, rgb)
	if !slices.Equal(four.Pix, append(slices.Clone(rgb.Pix), 255, 255, 255, 255)) {
		t.Errorf("with alpha %v", four.Pix)
	}

	alpha := Image{C: 4, H: 1, W: 2, Levels: 256, Pix: []uint16{200, 100, 80, 60, 255, 255, 128, 0}}
	if got := apply(t, Fit{C: 3, H: 1, W: 2}, alpha); !slices.Equal(got.Pix, []uint16{100, 0, 40, 0, 128, 0}) {
		t.Errorf("over black %v", got.Pix)
	}
	if got := apply(t, Fit{C: 1, H: 1, W: 2}, alpha); !slices.Equal(got.Pix, []uint16{68, 0}) { // 29.9 + 23.48 + 14.592
		t.Errorf("grey over black %v", got.Pix)
	}
	deep := Image{C: 4, H: 1, W: 1, Levels: 1 << 16, Pix: []uint16{65535, 32768, 1, 65535}}
	if got := apply(t, Fit{C: 3, H: 1, W: 1}, deep); !slices.Equal(got.Pix, deep.Pix[:3]) {
		t.Errorf("16 bits over black %v", got.Pix)
	}
	_, err := Fit{C: 3, H: 1, W: 2}.Apply(ramp(2, 1, 2, 256))
	wantError(t, err, "2 channels cannot be made 3")
}

func TestDepth(t *testing.T) {
	all := ramp(1, 256, 256, 1<<16)
	for bits := 1; bits <= 16; bits++ {
		got := apply(t, Fit{C: 1, H: 256, W: 256, Bits: bits}, all)
		if got.Levels != 1<<bits {
			t.Fatalf("%d bits: %d levels", bits, got.Levels)
		}
		for v := range all.Pix {
			if int(got.Pix[v]) != v>>(16-bits) {
				t.Fatalf("%d bits: %d became %d", bits, v, got.Pix[v])
			}
		}
	}
	got := apply(t, Fit{C: 1, H: 1, W: 4, From: 256}, Image{C: 1, H: 1, W: 4, Levels: 4, Pix: []uint16{0, 1, 2, 3}})
	if got.Levels != 256 || !slices.Equal(got.Pix, []uint16{0, 85, 170, 255}) {
		t.Errorf("2 bits over 256 levels: %+v", got)
	}
	got = apply(t, Fit{C: 1, H: 1, W: 4, From: 256, Bits: 3}, Image{C: 1, H: 1, W: 4, Levels: 4, Pix: []uint16{0, 1, 2, 3}})
	if got.Levels != 8 || !slices.Equal(got.Pix, []uint16{0, 2, 5, 7}) {
		t.Errorf("and down to 3 bits: %+v", got)
	}
	_, err := Fit{C: 1, H: 1, W: 4, Bits: 3}.Apply(ramp(1, 1, 4, 17))
	wantError(t, err, "17 intensities are no whole number of bits")
	_, err = Fit{C: 1, H: 1, W: 4, Bits: 9}.Apply(ramp(1, 1, 4, 256))
	wantError(t, err, "has 8 bits: it cannot be reduced to 9")
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		f    Fit
		size image.Point
		want string
	}{
		{Fit{H: 4, W: 4}, image.Pt(4, 4), ""},
		{Fit{H: 4, W: 4, How: Crop}, image.Pt(5, 4), ""},
		{Fit{H: 4, W: 4, How: Pad}, image.Pt(3, 4), ""},
		{Fit{H: 4, W: 4, How: Resize}, image.Pt(1, 100), ""},
		{Fit{H: 4, W: 4}, image.Pt(5, 4), "is of 4x5 pixels (height, width), not 4x4: choose crop, resize or pad"},
		{Fit{H: 4, W: 4, How: Crop}, image.Pt(9, 3), "is of 3x9 pixels (height, width): too small to crop 4x4"},
		{Fit{H: 4, W: 4, How: Pad}, image.Pt(5, 1), "too large to be padded to 4x4"},
		{Fit{H: 64, W: 64, How: Resize}, image.Pt(16384, 32), "scaled to 64x32768, above 16384"},
	} {
		err := tc.f.Check(tc.size.Y, tc.size.X)
		if tc.want == "" && err != nil {
			t.Errorf("%+v of %v: %v", tc.f, tc.size, err)
		} else if tc.want != "" {
			wantError(t, err, tc.want)
		}
	}
}
