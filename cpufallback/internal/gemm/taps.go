package gemm

// Taps says which columns of a batch a kernel's taps read. Tap (u, v) of the pixel in column m is column m + Off of the
// same channel; where that is outside of the image, the tap's mask has a 0, and the pixel counts as 0 and is not read.
type Taps struct {
	N   int   // 1 or 9
	Off []int // by tap

	k, h, w int
	flip    bool
	mask    []byte // one row of bits per tap, starting with pixel 0 of an image
	row     int    // bytes in a row
	period  int    // columns after which bits repeat and vectors start at the same pixel again
}

// maxColumns is how many columns one call may pack.
const maxColumns = max(outerDepth, tileColumns, stackMost)

// Is says whether t was set so.
func (t *Taps) Is(k, h, w int, flip bool) bool {
	return t.k == k && t.h == h && t.w == w && t.flip == flip
}

// Set makes t the taps of a K x K kernel on H x W images. Flipped taps point the other way: a gradient gathers from where
// the forward pass scattered to. It keeps t's memory.
func (t *Taps) Set(k, h, w int, flip bool) {
	t.N, t.k, t.h, t.w, t.flip = k*k, k, h, w, flip
	p := h * w
	t.period = p * line / gcd(p, line)
	t.row = (t.period + maxColumns) / 8
	if n := t.N * t.row; cap(t.mask) < n {
		t.mask = make([]byte, n)
	} else {
		t.mask = t.mask[:n]
		clear(t.mask)
	}
	t.Off = t.Off[:0]
	r := k / 2
	for u := -r; u <= r; u++ {
		for v := -r; v <= r; v++ {
			du, dv := u, v
			if flip {
				du, dv = -u, -v
			}
			row := t.mask[len(t.Off)*t.row:][:t.row]
			t.Off = append(t.Off, du*w+dv)
			for m := range t.row * 8 {
				i, j := m%(h*w)/w+du, m%w+dv
				if k == 1 || i >= 0 && i < h && j >= 0 && j < w {
					row[m/8] |= 1 << (m % 8)
				}
			}
		}
	}
}

// from gives the masks of all taps from column m, a multiple of line.
func (t *Taps) from(m int) []byte { return t.mask[m%t.period/8:] }

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
