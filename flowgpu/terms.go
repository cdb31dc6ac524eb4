package flowgpu

import (
	"fmt"

	"cuflow/device"
)

// Term is one addend of log p(x): all terms of a sample add up to what LogProb gives.
type Term struct {
	Name  string    // "level2.step3 coupling", "level1 prior", "intensities", of vectors "units"
	Kind  string    // "dequantisation", "preprocessing", "logdet" or "prior"
	Level int       // 1 .. L; 0 for what belongs to none
	Nats  []float64 // by sample
}

// Terms scores n samples as LogProb does, and says where the nats come from: the constant of the intensities, the
// preprocessing, the log-determinant of every layer, and the prior of every latent region. Layers that have no
// log-determinant are left out. It reads back after every layer and so is slow.
func (e *Evaluator) Terms(x []float32, n, first int, seed uint64) (terms []Term, err error) {
	w, m := e.w, e.w.m
	s := &w.s
	if err := w.conditioned(n); err != nil {
		return nil, err
	}
	w.s.Upload(w.pixels.Slice(0, m.cfg.D()*n), x[:m.cfg.D()*n])
	w.noiseAt(0, first)
	w.dequantize(n, device.Stream{Seed: seed, ID: streamEval})
	w.enter(n)
	s.Training = false

	// took runs a part of the flow and keeps what it adds to log p.
	took := func(t Term, part func()) {
		s.Fill(s.LogDet, 0)
		part()
		if derr := s.Download(e.logp[:n], s.LogDet); derr != nil && err == nil {
			err = fmt.Errorf("scoring %d samples: %w", n, derr)
		}
		t.Nats = make([]float64, n)
		any := false
		for i, v := range e.logp[:n] {
			t.Nats[i] = float64(v)
			any = any || v != 0
		}
		if any || t.Kind == "prior" {
			terms = append(terms, t)
		}
	}

	if c := m.logVolume(); c != 0 {
		t := Term{Name: "intensities", Kind: "dequantisation", Nats: make([]float64, n)}
		if m.cfg.Intensities == 0 {
			t.Name, t.Kind = "units", "preprocessing"
		}
		for i := range t.Nats {
			t.Nats[i] = c
		}
		terms = append(terms, t)
	}
	if alpha := m.cfg.Logit; alpha > 0 {
		took(Term{Name: "logit", Kind: "preprocessing"}, func() { s.Logit(w.rows(n), float32(alpha), s.X(), s.LogDet) })
	}
	if w.fresh {
		w.fresh = false
		took(Term{Name: "noise", Kind: "dequantisation"}, func() {
			logp := s.Scratch.Take(n)
			s.Fill(logp, 0)
			s.LogisticLogProb(s.rows(), s.X(), logp)
			s.Axpy(-1, logp, s.LogDet)
			s.Scratch.Release(0)
		})
		for _, b := range m.dequant {
			for _, l := range b.chain {
				took(Term{Name: b.name + " " + layerName(l), Kind: "dequantisation"}, func() { l.Forward(s) })
			}
		}
	}
	for _, b := range m.blocks {
		for _, l := range b.chain {
			took(Term{Name: b.name + " " + layerName(l), Kind: "logdet", Level: b.level}, func() { l.Forward(s) })
		}
	}
	levels := regionLevels(m.blocks)
	w.eachRegion(n, func(i int, r device.Rows, lo int) {
		took(Term{Name: fmt.Sprintf("level%d prior", levels[i]), Kind: "prior", Level: levels[i]}, func() {
			w.priors[i].LogProb(s, r, s.x.Slice(lo, lo+r.Len()))
		})
	})
	return terms, err
}

// regionLevels is the level of each latent region, in the order of latentRegions.
func regionLevels(blocks []block) (levels []int) {
	levels = append(levels, blocks[len(blocks)-1].level)
	for i := len(blocks) - 1; i >= 0; i-- {
		for _, l := range blocks[i].chain {
			if _, ok := l.(*Split); ok {
				levels = append(levels, blocks[i].level)
			}
		}
	}
	return levels
}

// layerName is what people call a layer.
func layerName(l Layer) string {
	switch l.(type) {
	case *ActNorm:
		return "actnorm"
	case *InvConv:
		return "invconv"
	case *Permutation:
		return "permutation"
	case *Coupling, *CheckerCoupling, *CurveCoupling:
		return "coupling"
	case *Autoregressive, *InverseAutoregressive:
		return "autoregressive"
	case *BatchNorm:
		return "batchnorm"
	case *Split:
		return "split"
	case *Continuous:
		return "ode"
	case colors, uncolors:
		return "checkerboard"
	case *settle:
		return "sigmoid"
	case unsqueeze:
		return "unsqueeze"
	case *observer:
		return "features"
	case *Rotation:
		return "turn"
	case *Scaling:
		return "scaling"
	case *MixCDF:
		return "mixcdf"
	case untouched:
		return "identity"
	case *ClassPrior:
		return "classes"
	case Squeeze:
		return "squeeze"
	case Flatten:
		return "flatten"
	}
	return fmt.Sprintf("%T", l)
}
