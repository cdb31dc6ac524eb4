package devicetest

import (
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// The bits around operands and in outputs that are not yet written. Both are NaN, so that what is read where nothing
// may be read shows in the results.
const (
	guardBits  = 0x7fc0dead
	poisonBits = 0x7fc0beef
)

const (
	boundary = 16 // float32s: 64 bytes
	guards   = 4 * boundary
)

// layout places the operands of a case in one allocation, guard words on both sides of each.
type layout struct {
	Case
	start []int // of each operand
	image []float32
}

// layOut fills the image. With shift 0 operands start on 64-byte boundaries; otherwise an odd multiple of shift beyond.
func layOut(c Case, shift int) layout {
	l := layout{Case: c}
	size := guards
	for i, o := range c.Operands {
		from := size + shift*(2*i+1)%boundary
		l.start = append(l.start, from)
		size = (from+o.Len+boundary-1)/boundary*boundary + guards
	}
	l.image = make([]float32, size)
	setBits(l.image, guardBits)
	r := rand.New(rand.NewPCG(c.seed(), 0))
	for i, o := range c.Operands {
		if x := l.of(l.image, i); o.role == writeOnly || o.role == between {
			setBits(x, poisonBits)
		} else if o.Len > 0 {
			o.make(r, x)
		}
	}
	return l
}

func setBits(x []float32, bits uint32) {
	for i := range x {
		x[i] = math.Float32frombits(bits)
	}
}

// of is operand i within an image.
func (l layout) of(image []float32, i int) []float32 {
	return image[l.start[i] : l.start[i]+l.Operands[i].Len]
}

// placed is a layout in a backend's memory.
type placed struct {
	layout
	be  device.Backend
	mem device.Buffer
	ops []device.Buffer
}

func (l layout) place(be device.Backend) (*placed, error) {
	mem, err := be.Alloc(len(l.image))
	if err != nil {
		return nil, err
	}
	p := &placed{layout: l, be: be, mem: mem}
	for i, o := range l.Operands {
		b := device.Buffer{}
		if o.Len > 0 {
			b = mem.Slice(l.start[i], l.start[i]+o.Len)
		}
		p.ops = append(p.ops, b)
	}
	be.Upload(mem, l.image)
	return p, nil
}

func (p *placed) call() { p.Call(p.be, p.ops) }

func (p *placed) free() { p.be.Free(p.mem) }

// run makes a fresh start, calls once and brings the whole image back.
func (p *placed) run() ([]float32, error) {
	p.be.Upload(p.mem, p.image)
	p.call()
	image := make([]float32, len(p.image))
	return image, p.be.Download(image, p.mem)
}
