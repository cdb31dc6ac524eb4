package train

import (
	"fmt"

	"cuflow/flowgpu"
)

// best is the best validation of a run that stops early. Prechelt, "Early stopping - but when?", 1998.
type best struct {
	Step  int   `json:"step"`
	Score Score `json:"score"`

	weights flowgpu.Weights // of that moment, averaged; sections of the checkpoint
}

// The sections of a checkpoint that hold the best weights.
const (
	sectionBest      = "best"
	sectionBestFixed = "best.fixed"
)

// judge is what a validation means for a run that stops early: its best so far, and how many have passed since. It is called
// while the averaged weights are the model's, and changes nothing: a report that is interrupted happens again.
func (r *run) judge(s Score) (b *best, stale int, err error) {
	if r.cfg.Patience == 0 {
		return nil, 0, nil
	}
	if r.at.Best != nil && !(s.Value() < r.at.Best.Score.Value()) {
		return r.at.Best, r.at.Stale + 1, nil
	}
	b = &best{Step: r.at.Step, Score: s}
	b.weights, err = r.model.Weights()
	return b, 0, err
}

// saveBest adds the best weights to a checkpoint.
func (r *run) saveBest(c *flowgpu.Checkpoint) {
	if b := r.at.Best; b != nil {
		c.Add(sectionBest, b.weights.Values)
		c.Add(sectionBestFixed, b.weights.Fixed)
	}
}

// loadBest is the way back.
func (r *run) loadBest(s *saved) (err error) {
	b := r.at.Best
	if b == nil {
		return nil
	}
	if b.weights.Values, err = s.c.Section(sectionBest); err == nil {
		b.weights.Fixed, err = s.c.Section(sectionBestFixed)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

// withBest runs f while the weights that the run ends with are the model's.
func (r *run) withBest(b *best, f func() error) error {
	if b == nil {
		return r.stepper.WithEMA(f)
	}
	return r.model.WithWeights(b.weights, f)
}
