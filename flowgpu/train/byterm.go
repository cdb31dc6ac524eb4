package train

import (
	"context"
	"fmt"
	"math"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Breakdown is where the bits/dim of a score come from: the means over the images of what the model's parts add. Numbers below
// 0 are bits saved. Of vectors, too, it is in bits per dimension: a nat of a sample is 1/(D ln 2) of one.
type Breakdown struct {
	Terms  []TermBits  `json:"terms"`
	Levels []LevelBits `json:"levels"` // from the first; level 0 is what happens to the data before the flow
	Sum    float64     `json:"sum"`    // of the terms, and of the levels: the score again
}

// TermBits is one part's.
type TermBits struct {
	Name       string  `json:"name"`  // "level2.step3 coupling"
	Kind       string  `json:"kind"`  // as flowgpu.Term has it
	Level      int     `json:"level"` // 0: of none
	BitsPerDim float64 `json:"bits_per_dim"`
}

// LevelBits is one level's.
type LevelBits struct {
	Level          int     `json:"level"`
	Dequantisation float64 `json:"dequantisation"`
	Preprocessing  float64 `json:"preprocessing"`
	LogDet         float64 `json:"logdet"` // of its layers
	Prior          float64 `json:"prior"`  // of the latent that it ends in
	BitsPerDim     float64 `json:"bits_per_dim"`
}

// sumTolerance is how far, in bits/dim, the terms may be off the score: they are rounded one by one.
const sumTolerance = 1e-4

// breakDown takes the score of a whole set apart.
func breakDown(ctx context.Context, e *flowgpu.Evaluator, set data.Source, whole Score, seed uint64) (*Breakdown, error) {
	b := &Breakdown{}
	place := map[string]int{} // of a term: one that is 0 for a whole batch is not told
	info := set.Info()
	err := eachBatch(ctx, e, set, info.N, func(x []float32, from, n int) error {
		terms, err := e.Terms(x, n, from, seed)
		if err != nil {
			return err
		}
		for _, t := range terms {
			i, known := place[t.Name]
			if !known {
				i = len(b.Terms)
				place[t.Name] = i
				b.Terms = append(b.Terms, TermBits{Name: t.Name, Kind: t.Kind, Level: t.Level})
			}
			for _, nats := range t.Nats {
				b.Terms[i].BitsPerDim -= bitsPerDim(nats, info.D()) / float64(info.N)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.addUp()
	if want := bitsPerDim(whole.Nats, info.D()); !(math.Abs(b.Sum-want) <= sumTolerance) {
		return nil, fmt.Errorf("the terms add up to %.6f bits/dim, but the score is %.6f: they are not to be trusted", b.Sum, want)
	}
	return b, nil
}

// addUp sums the terms by level and in all.
func (b *Breakdown) addUp() {
	for _, t := range b.Terms {
		for t.Level >= len(b.Levels) {
			b.Levels = append(b.Levels, LevelBits{Level: len(b.Levels)})
		}
		l := &b.Levels[t.Level]
		l.BitsPerDim += t.BitsPerDim
		switch t.Kind {
		case "dequantisation":
			l.Dequantisation += t.BitsPerDim
		case "preprocessing":
			l.Preprocessing += t.BitsPerDim
		case "prior":
			l.Prior += t.BitsPerDim
		default:
			l.LogDet += t.BitsPerDim
		}
		b.Sum += t.BitsPerDim
	}
}
