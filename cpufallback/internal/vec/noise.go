package vec

import (
	"math"

	"cuflow/device"
)

// The plain loops of random numbers, see generic.go.

func uniforms(u []float32, c0, c1, c2, c3, k0, k1 uint32) {
	for i := range len(u) / 4 {
		for w, word := range device.Philox([4]uint32{c0 + uint32(i), c1, c2, c3}, [2]uint32{k0, k1}) {
			u[4*i+w] = device.UniformOf(word)
		}
	}
}

func uniformRows(u []float32, c0, c1, c2, c3, k0, k1 uint32) {
	n := len(u) / 4
	for i := range n {
		for w, word := range device.Philox([4]uint32{c0, c1 + uint32(i), c2, c3}, [2]uint32{k0, k1}) {
			u[w*n+i] = device.UniformOf(word)
		}
	}
}

func normals(u []float32, c0, c1, c2, c3, k0, k1 uint32, std float32) {
	for i := range len(u) / 4 {
		words := device.Philox([4]uint32{c0 + uint32(i), c1, c2, c3}, [2]uint32{k0, k1})
		for w := 0; w < 4; w += 2 {
			u[4*i+w], u[4*i+w+1] = normalsOf(words[w], words[w+1], std)
		}
	}
}

func normalRows(u []float32, c0, c1, c2, c3, k0, k1 uint32, std float32) {
	n := len(u) / 4
	for i := range n {
		words := device.Philox([4]uint32{c0, c1 + uint32(i), c2, c3}, [2]uint32{k0, k1})
		for w := 0; w < 4; w += 2 {
			u[w*n+i], u[w*n+n+i] = normalsOf(words[w], words[w+1], std)
		}
	}
}

func normalsOf(even, odd uint32, std float32) (a, b float32) {
	x, y := device.NormalOf(even, odd)
	return float32(float64(std) * x), float32(float64(std) * y)
}

func logistics(u []float32, c0, c1, c2, c3, k0, k1 uint32, scale float32) {
	for i := range len(u) / 4 {
		for w, word := range device.Philox([4]uint32{c0 + uint32(i), c1, c2, c3}, [2]uint32{k0, k1}) {
			u[4*i+w] = logisticOf(word, scale)
		}
	}
}

func logisticRows(u []float32, c0, c1, c2, c3, k0, k1 uint32, scale float32) {
	n := len(u) / 4
	for i := range n {
		for w, word := range device.Philox([4]uint32{c0, c1 + uint32(i), c2, c3}, [2]uint32{k0, k1}) {
			u[w*n+i] = logisticOf(word, scale)
		}
	}
}

// logisticOf is of v = odd*2^-25, halfway between two multiples of 2^-24, as is 1-v: neither is ever 0.
func logisticOf(word uint32, scale float32) float32 {
	odd := 2*float64(word>>8) + 1
	return float32(float64(scale) * math.Log(odd/(0x1p25-odd)))
}
