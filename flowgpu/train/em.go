package train

import (
	"context"
	"fmt"
	"math"

	"cuflow/flowgpu"
)

// The ways to fit a model.
const (
	byGradient = "gradient"
	byEM       = "em" // expectation maximisation: of mixtures without a flow
)

// em says whether the run is fitted by EM: a step is then an iteration, a pass over all training images.
func (c Config) em() bool { return c.Method == byEM }

// validateMethod checks what only EM has, and what it has not.
func (c Config) validateMethod() error {
	switch {
	case c.Method != "" && c.Method != byGradient && c.Method != byEM:
		return fmt.Errorf("unknown --method %q: use gradient or em", c.Method)
	case !(c.Tolerance >= 0 && c.Tolerance <= math.MaxFloat64):
		return fmt.Errorf("--tolerance is %g: it must be 0 or a positive number", c.Tolerance)
	case !c.em():
		return nil
	case c.Model.Kind != "gmm":
		return fmt.Errorf("--method em fits mixtures of Gaussians, not %s: use --method gradient", c.Model.Kind)
	case c.Adam.EMADecay != 0:
		return fmt.Errorf("--ema is %g, but EM averages no weights: use --ema 0", c.Adam.EMADecay)
	case c.augment().Flip || c.augment().Shift != 0:
		return fmt.Errorf("--flip and --shift change images from step to step, but EM looks at the same ones in every iteration: use --method gradient")
	}
	return nil
}

// emState is where EM stands, beside the mixture itself.
type emState struct {
	LogP     float64 `json:"logp"`     // mean log-likelihood of the training set, in nats, before the last M-step
	Reseeded bool    `json:"reseeded"` // the last M-step placed components anew: the gain that follows is not its own
}

// iterate is one iteration of EM: an E-step over all training images, on the device, and an M-step in float64. The noise of dequantisation
// is the same in every iteration, so that the likelihood never falls but where components are placed anew. The mixture is kept
// as it is stored, in float32: a resumed run goes on with the same bits.
func (r *run) iterate(ctx context.Context) error {
	old, err := r.model.Mixture()
	if err != nil {
		return err
	}
	if r.sums == nil {
		r.sums = newEMSums(old)
	} else {
		r.sums.reset(old)
	}
	n := r.train.Info().N
	err = eachBatch(ctx, r.eval, r.train, n, func(x []float32, from, n int) error {
		if err := r.eval.Expect(x, n, from, r.cfg.Seed, &r.expected); err != nil {
			return err
		}
		r.sums.add(&r.expected, from, n)
		return nil
	})
	if err != nil {
		return err
	}
	logp := r.sums.logp / float64(n)
	if !finite(logp) {
		return fmt.Errorf("iteration %d: the log-likelihood is %g: the data holds values that no mixture can explain; look for infinities or NaN in it",
			r.at.Step+1, logp)
	}
	fitted := r.sums.maximise(r.cfg.Model.VarianceFloor())
	reseeded, err := r.reseed(&fitted)
	if err != nil {
		return err
	}
	if err := r.model.SetMixture(fitted); err != nil {
		return err
	}
	r.at.Step++
	r.at.Epoch = r.at.Step - 1
	r.at.Pending = append(r.at.Pending, flowgpu.Record{Step: r.at.Step, Loss: -logp})
	r.settle(emState{LogP: logp, Reseeded: reseeded})
	r.show.tick(r.at.Step)
	return nil
}

// settle ends the run where the likelihood has stopped rising.
func (r *run) settle(now emState) {
	before := r.at.EM
	r.at.EM = &now
	if before == nil || before.Reseeded || now.Reseeded || r.at.Step == r.cfg.Steps {
		return
	}
	u := r.cfg.unit()
	if gain := (now.LogP - before.LogP) / u.nats; gain < r.cfg.Tolerance {
		r.show.say("converged at iteration %d: the one before gained %.2g %s, less than the tolerance of %g", r.at.Step, gain, u.name, r.cfg.Tolerance)
		r.cfg.Steps = r.at.Step
	}
}

// reseed places empty components on the samples that the mixture explains worst, as wide as components are on average, with the
// weight of one sample.
func (r *run) reseed(m *flowgpu.Mixture) (bool, error) {
	empty := r.sums.empty()
	if len(empty) == 0 {
		return false, nil
	}
	logs := r.sums.average(*m)
	image, z := make([]float32, m.D), make([]float32, m.D)
	for i, k := range empty {
		o := r.sums.worst[min(i, len(r.sums.worst)-1)]
		if err := r.train.Fill(image, o.sample, 1); err != nil {
			return false, unreadable{err}
		}
		if err := r.eval.Latents(image, 1, o.sample, r.cfg.Seed, z); err != nil {
			return false, err
		}
		m.Logits[k] = float32(-math.Log(float64(r.sums.n)))
		copy(m.Mean[k*m.D:(k+1)*m.D], z)
		copy(m.Logs[k*m.D:(k+1)*m.D], logs)
		if m.Full() {
			size := m.D * (m.D - 1) / 2
			clear(m.L[k*size : (k+1)*size])
		}
		r.show.say("iteration %d: component %d was empty: placed anew at training %s %d", r.at.Step+1, k, r.cfg.unit().thing, o.sample)
	}
	return true, nil
}

// average is the log precision, by dimension, of the components' mean variance.
func (s *emSums) average(m flowgpu.Mixture) []float32 {
	logs := make([]float32, m.D)
	each(m.D, func(d int) {
		sum, total := 0.0, 0.0
		for k, n := range s.count {
			if n < leastCount {
				continue
			}
			at, shift := d, s.first[k*m.D+d]/n
			if m.Full() {
				at = d*m.D + d
			}
			sum += s.second[k][at] - n*shift*shift
			total += n
		}
		logs[d] = float32(-math.Log(max(sum/total, 1e-30)) / 2)
	})
	return logs
}
