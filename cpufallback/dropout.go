package cpufallback

import "cuflow/device"

// Dropout: x = u < rate ? 0 : x/(1-rate).
func (b *Backend) Dropout(r device.Rows, rate float32, rng device.Stream, at, x device.Buffer) {
	mustFit(rate >= 0 && rate < 1)
	b.runNoise(r, rng, at, x, noiseTask{kind: dropout, levels: rate, std: device.DropoutScale(rate)})
}

// drop leaves out elements of x where u is below rate, and multiplies the others by scale.
func drop(u, x []float32, rate, scale float32) {
	for i, v := range u[:len(x)] {
		kept := scale
		if v < rate {
			kept = 0
		}
		x[i] *= kept
	}
}
