package kernels_test

import (
	"strings"
	"testing"

	"cuflow/kernels"
)

// TestShapesCover: whatever the sizes, each column, sample and step belongs to exactly one block, and starts on a 16-byte
// boundary where the row does.
func TestShapesCover(t *testing.T) {
	for _, c := range []int{1, 3, 48, 300} {
		for _, m := range []int{0, 1, 5, 1023, 1024, 1025, 4097, 1 << 20} {
			s, span, tiles := kernels.Rows(c, m)
			if span%4 != 0 || tiles*span < m || (tiles-1)*span >= max(m, 1) || s.GridX != c*tiles || s.Block%32 != 0 || s.Block > 256 {
				t.Errorf("Rows(%d, %d) = %+v, %d, %d", c, m, s, span, tiles)
			}
		}
		for _, n := range []int{0, 1, 7, 64, 5000} {
			for _, p := range []int{1, 2, 5, 49, 64, 511, 512, 513, 3000} {
				k := kernels.Samples(c, n, p)
				if k.Channels*k.GridY < c || k.Channels*(k.GridY-1) >= c || k.Parts != k.GridY*k.Tiles {
					t.Errorf("Samples(%d, %d, %d) = %+v: channels", c, n, p, k)
				}
				whole := k.Tiles == 1 && k.Group*p <= 512 && k.GridX*k.Group >= n && (k.GridX-1)*k.Group < max(n, 1)
				cut := k.Tiles > 1 && k.Group == 1 && 512*k.Tiles >= p && 512*(k.Tiles-1) < p && k.GridX == n*k.Tiles
				if !whole && !cut || whole && k.Group >= 4 && k.Group*p%4 != 0 {
					t.Errorf("Samples(%d, %d, %d) = %+v: samples", c, n, p, k)
				}
			}
		}
	}
	for _, p := range []kernels.Precision{kernels.FP32, kernels.TF32, kernels.BF16} {
		for _, k := range []int{1, 3} {
			for _, rows := range []int{1, 12, 33, 64, 512} {
				for _, steps := range []int{1, 6, 54, 512, 4608} {
					for _, m := range []int{1, 100, 16384} {
						for _, tile := range []kernels.Tile{kernels.Conv(p, "forward", k, rows, steps*k*k, m), kernels.Weight(p, k, rows, m*k*k, steps)} {
							steps := steps
							if k == 3 && !tile.Folded && strings.Contains(tile.Kernel, "forward") {
								steps *= 9
							}
							if tile.Span%16 != 0 || tile.Span*tile.GridY < steps || tile.Span*(tile.GridY-1) >= steps || tile.GridX < 1 {
								t.Errorf("%d x %d, %d steps: %+v", rows, m, steps, tile)
							}
							if !strings.HasSuffix(tile.Kernel, string(p)) {
								t.Errorf("%s is not of precision %q", tile.Kernel, p)
							}
						}
					}
				}
			}
		}
	}
}
