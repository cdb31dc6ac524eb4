package train

import (
	"math/rand/v2"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// noise stands for data that is not there.
type noise struct {
	data.Source // what noise has none of is not asked for
	info        data.Info
	model       flowgpu.Config
}

func (s noise) Info() data.Info { return s.info }
func (s noise) Label(int) int32 { return 0 }

// Load writes a sample as sample i of a batch of n.
func (s noise) Load(dst []float32, sample, i, n int) error {
	value, p := s.model.RandomData(rand.New(rand.NewPCG(uint64(sample), 0))), s.info.H*s.info.W
	for c := range s.info.C {
		for k := range p {
			dst[(c*n+i)*p+k] = value()
		}
	}
	return nil
}

// Fill writes samples from .. from+n-1.
func (s noise) Fill(dst []float32, from, n int) error {
	for i := range n {
		s.Load(dst, from+i, i, n)
	}
	return nil
}

// firstOf is the first n samples of a set.
type firstOf struct {
	data.Source
	n int
}

// Info is that of the set, with fewer samples.
func (s firstOf) Info() data.Info {
	info := s.Source.Info()
	info.N = s.n
	return info
}
