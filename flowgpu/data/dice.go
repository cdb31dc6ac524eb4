package data

import (
	"math"

	"cuflow/device"
)

// dice are the random numbers of one sample of a toy: a pure function of seed and index, so that any sample can be had at any
// time. They are words of Philox at the counter (block, index, streamToy).
type dice struct {
	seed, index uint64
	block       uint32
	words       [4]uint32
	used        int
}

// streamToy is the Stream.ID of toys, apart from those of models.
const streamToy = 0x746f79

func rollFor(seed uint64, index int) *dice { return &dice{seed: seed, index: uint64(index), used: 4} }

// word gives 64 random bits.
func (d *dice) word() uint64 {
	if d.used == 4 {
		ctr := [4]uint32{d.block, uint32(d.index), uint32(d.index >> 32), streamToy}
		d.words = device.Philox(ctr, [2]uint32{uint32(d.seed), uint32(d.seed >> 32)})
		d.block++
		d.used = 0
	}
	w := uint64(d.words[d.used])<<32 | uint64(d.words[d.used+1])
	d.used += 2
	return w
}

// uniform is in (0, 1), in steps of 2^-53.
func (d *dice) uniform() float64 { return (float64(d.word()>>12) + 0.5) * 0x1p-52 }

// below is 0 .. n-1.
func (d *dice) below(n int) int { return int(d.uniform() * float64(n)) }

// normals are two independent standard normal numbers: Box and Muller.
func (d *dice) normals() (a, b float64) {
	r := math.Sqrt(-2 * math.Log(d.uniform()))
	sin, cos := math.Sincos(2 * math.Pi * d.uniform())
	return r * cos, r * sin
}
