package device_test

import (
	"math/rand/v2"
	"testing"

	"cuflow/device"
)

// TestUploads: bytes and float32s of every length arrive, by whichever way they go, on any boundary, and after what was enqueued
// before on the same buffer.
func TestUploads(t *testing.T) {
	const n, second = 1<<14 + 9, 1<<14 + 20
	be, x := sim(t, 2*second)
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 3, 4, 5, 1000, 1 << 14, n} {
		for _, shift := range []int{0, 1, 4} {
			bytes, floats := make([]byte, size), make([]float32, size)
			for i := range size {
				bytes[i], floats[i] = byte(r.Uint32()), float32(r.NormFloat64())
			}
			a, b := x.Slice(shift, shift+size), x.Slice(second+shift, second+shift+size)
			be.Fill(x, -1)
			be.(device.ByteUploader).UploadBytes(a, bytes)
			be.Upload(b, floats)
			want := append([]byte(nil), bytes...)
			for i := range bytes {
				bytes[i] ^= 0xFF // they may be reused
			}
			wide, same := read(t, be, a), read(t, be, b)
			for i := range size {
				if wide[i] != float32(want[i]) || same[i] != floats[i] {
					t.Fatalf("size %d, shift %d: [%d] is %v and %v, want %v and %v", size, shift, i, wide[i], same[i], want[i], floats[i])
				}
			}
			for _, outside := range []device.Buffer{x.Slice(shift+size, shift+size+1), x.Slice(second+shift+size, second+shift+size+1)} {
				if v := read(t, be, outside); v[0] != -1 {
					t.Fatalf("size %d, shift %d: wrote %v behind the end", size, shift, v[0])
				}
			}
		}
	}
}
