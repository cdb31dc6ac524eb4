package train

import (
	"context"
	"encoding/csv"
	"fmt"
	"image"
	"io"
	"math"
	"slices"
	"strconv"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Rating says what is told of images one by one.
type Rating struct {
	Images  []string // as arguments
	CSV     string   // path of a file of all: name,logp,bits_per_dim (of vectors name,logp); or ""
	Best    int      // how many of the likeliest are named
	Worst   int      // and of the least likely
	Picture string   // path of a file that shows those, or ""
	Seed    *uint64  // of the noise; nil: the run's, which eval uses
	Picking
}

// Rated is what came of it.
type Rated struct {
	Score
	Best, Worst []RatedImage // from the most extreme on
}

// RatedImage is one image.
type RatedImage struct {
	Name       string
	LogP       float64   // nats
	BitsPerDim float64   // of images
	pixels     []float32 // [C][H][W]
}

// Rate scores images one by one with the run at path. What is no number is written to the file as such, and is an error in the end.
func Rate(ctx context.Context, path string, r Rating, use Use, env Env) (*Rated, error) {
	switch {
	case r.Best < 0 || r.Best > maxGrid:
		return nil, usagef("--best is %d: it must be from 0 to %d", r.Best, maxGrid)
	case r.Worst < 0 || r.Worst > maxGrid:
		return nil, usagef("--worst is %d: it must be from 0 to %d", r.Worst, maxGrid)
	case r.Picture != "" && r.Best+r.Worst == 0:
		return nil, usagef("--out without --best and --worst: there is nothing to show")
	}
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := checkClass(r.Class, s.Config.Model); err != nil {
		return nil, err
	}
	if r.Picture != "" && s.Config.vectors() {
		return nil, usagef("--out draws images, and this model is of vectors: use --csv")
	}
	var all []gallery
	for _, arg := range r.Images {
		found, err := s.find(arg, r.Picking, use, env)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if all, err = r.Picking.all(s.Config.Model, all); err != nil {
		return nil, err
	}
	t := &ledger{d: s.Config.Model.D(), vectors: s.Config.vectors(), best: extremes{n: r.Best, sign: 1}, worst: extremes{n: r.Worst, sign: -1}}
	rate := func(table io.Writer) error {
		t.table = csv.NewWriter(table)
		t.row("name", "logp", "bits_per_dim")
		err := s.with(use, env, func(_ *flowgpu.Model, e *flowgpu.Evaluator) error {
			for _, g := range all {
				if err := t.add(ctx, e, g, r.seed(s)); err != nil {
					return err
				}
			}
			return nil
		})
		t.table.Flush()
		if err == nil {
			err = t.table.Error()
		}
		return err
	}
	if err := r.intoTable(rate); err != nil {
		return nil, err
	}
	if r.Picture != "" && t.n > 0 {
		if err := data.WritePNG(r.Picture, t.picture(s.Config.Model)); err != nil {
			return nil, err
		}
	}
	return t.result()
}

// intoTable gives rate the file of scores to write to.
func (r Rating) intoTable(rate func(io.Writer) error) (err error) {
	if r.CSV == "" {
		return rate(io.Discard)
	}
	if e := replaceFile(r.CSV, func(w io.Writer) error { err = rate(w); return err }); e != nil && err == nil {
		return fmt.Errorf("scores %s: %w", r.CSV, e)
	}
	return err
}

func (r Rating) seed(s *saved) uint64 {
	if r.Seed != nil {
		return *r.Seed
	}
	return s.Config.Seed
}

// ledger takes images as they are scored, and keeps no more of them than it shows.
type ledger struct {
	d           int
	vectors     bool
	table       *csv.Writer
	n, bad      int
	firstBad    string
	mean, m2    float64 // of log p: Welford's running mean and sum of squares about it
	best, worst extremes
}

// add scores a gallery.
func (t *ledger) add(ctx context.Context, e *flowgpu.Evaluator, g gallery, seed uint64) error {
	logp := make([]float64, e.Batch())
	channels := g.Info().C
	return eachBatch(ctx, e, g, g.Info().N, func(x []float32, from, n int) error {
		if err := e.LogProb(x, n, g.first+from, seed, logp[:n]); err != nil {
			return err
		}
		for i, v := range logp[:n] {
			t.one(RatedImage{Name: g.name(from + i), LogP: v, BitsPerDim: bitsPerDim(-v, t.d)}, func() []float32 {
				return pick(x, channels, i, n)
			})
		}
		return t.table.Error()
	})
}

// row writes a line of the table, of vectors without bits. Errors wait for Flush.
func (t *ledger) row(name, logp, bits string) {
	fields := []string{name, logp, bits}
	if t.vectors {
		fields = fields[:2]
	}
	t.table.Write(fields)
}

// one takes an image; pixels gives them where they are wanted.
func (t *ledger) one(r RatedImage, pixels func() []float32) {
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 9, 64) }
	t.row(r.Name, number(r.LogP), number(r.BitsPerDim))
	if !finite(r.LogP) {
		if t.bad++; t.bad == 1 {
			t.firstBad = r.Name
		}
		return
	}
	t.n++
	delta := r.LogP - t.mean
	t.mean += delta / float64(t.n)
	t.m2 += delta * (r.LogP - t.mean)
	for _, list := range []*extremes{&t.best, &t.worst} {
		if list.wants(r) {
			r.pixels = pixels()
			list.add(r)
		}
	}
}

func (t *ledger) result() (*Rated, error) {
	thing := "image"
	if t.vectors {
		thing = "sample"
	}
	if t.bad > 0 {
		return nil, fmt.Errorf("the log-likelihood of %d of %d %ss is %w, first that of %s", t.bad, t.n+t.bad, thing, errNotFinite, t.firstBad)
	}
	r := &Rated{Score: Score{Nats: -t.mean, N: t.n}, Best: t.best.list, Worst: t.worst.list}
	if n := float64(t.n); n > 1 {
		r.Stderr = math.Sqrt(t.m2 / (n - 1) / n)
	}
	if t.vectors {
		r.Dims = t.d
	} else {
		r.BitsPerDim, r.Stderr = bitsPerDim(r.Nats, t.d), bitsPerDim(r.Stderr, t.d)
	}
	return r, nil
}

// picture shows the likeliest images beside the least likely ones.
func (t *ledger) picture(m flowgpu.Config) image.Image {
	var blocks []image.Image
	for _, b := range []struct {
		title string
		list  []RatedImage
	}{{"best", t.best.list}, {"worst", t.worst.list}} {
		if len(b.list) == 0 {
			continue
		}
		var x []float32
		for _, r := range b.list {
			x = append(x, r.pixels...)
		}
		title := fmt.Sprintf("%s: %.3f to %.3f bits/dim", b.title, b.list[0].BitsPerDim, b.list[len(b.list)-1].BitsPerDim)
		blocks = append(blocks, titled(title, sheet(m, x, square(len(b.list)), gridWidth)))
	}
	return beside(blocks...)
}

// extremes are the n images of the greatest sign * log p, in order; of equals the first.
type extremes struct {
	n    int
	sign float64
	list []RatedImage
}

func (e *extremes) wants(r RatedImage) bool {
	return len(e.list) < e.n || e.n > 0 && e.sign*r.LogP > e.sign*e.list[e.n-1].LogP
}

func (e *extremes) add(r RatedImage) {
	at := len(e.list)
	for at > 0 && e.sign*r.LogP > e.sign*e.list[at-1].LogP {
		at--
	}
	e.list = slices.Insert(e.list, at, r)
	e.list = e.list[:min(len(e.list), e.n)]
}

// pick copies image i out of a batch [C][n][H][W].
func pick(batch []float32, channels, i, n int) []float32 {
	p := len(batch) / channels / n
	x := make([]float32, 0, channels*p)
	for c := range channels {
		x = append(x, batch[(c*n+i)*p:][:p]...)
	}
	return x
}
