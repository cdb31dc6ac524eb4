package kernels_test

import (
	"strings"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"
	"cuflow/kernels"
	"cuflow/kernels/ptx"
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
				for _, steps := range []int{1, 9, 54, 512, 4608} {
					for _, m := range []int{1, 100, 16384} {
						for _, tile := range []kernels.Tile{kernels.Conv(p, "forward", k, rows, steps, m), kernels.Weight(p, k, rows, m, steps)} {
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

// TestMemoryTraffic runs shapes that models have, whose rows start on 16-byte boundaries: warps then ask for whole sectors of 32
// bytes, and banks of shared memory do not conflict.
func TestMemoryTraffic(t *testing.T) {
	var cases []devicetest.Case
	for _, c := range devicetest.Cases() {
		conv := strings.HasPrefix(c.Method, "Conv")
		switch {
		case !c.Bench || strings.Contains(c.Name, "n=262145"): // an odd length: rows off the boundary
		case strings.HasPrefix(c.Method, "Mix") || strings.HasPrefix(c.Method, "LU"):
		case conv && !strings.Contains(c.Name, "n64 4x4"): // the smallest: the rest are millions of instructions
		default:
			cases = append(cases, c)
		}
	}
	figures := map[string]*ptx.Stats{}
	devicetest.RunCases(t, func() (device.Backend, error) {
		m, err := open(kernels.Compute80)
		if err == nil {
			m.stats = figures
		}
		return m, err
	}, cases)
	for _, k := range kernels.Table(kernels.Compute80) {
		f := figures[k.Name]
		if f == nil {
			continue
		}
		filled := float64(f.GlobalBytes) / float64(32*f.GlobalSectors) // above 1 where lanes read the same word
		t.Logf("%-28s bytes asked / bytes moved %.2f, bank conflicts %d", k.Name, filled, f.BankConflicts)
		least := 0.9
		if l, ok := unfilled[k.Name]; ok {
			least = l
		}
		if filled < least || f.BankConflicts > 0 {
			t.Errorf("%s: want at least %.2f and no conflict", k.Name, least)
		}
	}
}

// unfilled are the kernels that leave sectors unfilled, and how far they may.
var unfilled = map[string]float64{
	// A warp adds up the few parts of a row: a handful of words in all.
	"row_sums": 0.3, "row_mean": 0.3, "actnorm_init": 0.15, "class_sums": 0.4,
	// A tap shifts a row by a pixel, off the sector's boundary. What is asked twice comes from the cache.
	"conv_forward3_flat": 0.7, "conv_forward3_strip": 0.7, "conv_data3_flat": 0.7, "conv_data3_strip": 0.7,
}
