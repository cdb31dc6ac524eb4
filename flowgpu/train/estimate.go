package train

import "fmt"

// amounts are how often a run does what takes time. A run that may end early, by --patience or because EM has converged, does no more.
type amounts struct {
	steps       int // or iterations of EM
	validated   int // samples that are scored
	drawn       int // samples
	curves      int // pictures of the log
	checkpoints int
}

// amounts counts for held-out parts of these sizes; same says that both are one part.
func (c Config) amounts(val, test int, same bool) amounts {
	often := func(every, steps int) int {
		if every == 0 {
			return 0
		}
		return steps / every
	}
	onTheWay := val
	if c.EvalSamples > 0 {
		onTheWay = min(val, c.EvalSamples)
	}
	a := amounts{steps: c.Steps, checkpoints: 1 + often(c.CheckpointEvery, c.Steps-1) + 1, drawn: c.Samples, curves: 1}
	a.validated = often(c.EvalEvery, c.Steps-1) * onTheWay
	if c.Patience > 0 {
		a.validated += onTheWay + test
	} else if a.validated += val; !same {
		a.validated += test
	}
	if !c.vectors() {
		a.drawn += often(c.SampleEvery, c.Steps) * c.Samples
		a.curves += often(c.SampleEvery, c.Steps-1)
	}
	return a
}

// rates are how long one of each takes, in seconds.
type rates struct{ step, validate, draw, curve, save float64 }

// portion is something that a run does, and for how long.
type portion struct {
	n           int
	thing, done string // 1 image scored, 2 images scored
	seconds     float64
}

func (p portion) String() string {
	text := plural(p.n, p.thing)
	if p.done != "" {
		text += " " + p.done
	}
	return text + ": " + spent(p.seconds)
}

// portions are what a run spends its time on.
func (a amounts) portions(r rates, c Config) []portion {
	step := "step"
	if c.em() {
		step = "iteration"
	}
	of := func(n int, thing, done string, each float64) portion {
		return portion{n, thing, done, float64(n) * each}
	}
	return []portion{
		of(a.steps, step, "", r.step),
		of(a.validated, c.unit().thing, "scored", r.validate),
		of(a.drawn, c.unit().thing, "drawn", r.draw),
		of(a.curves, "picture", "of the curves", r.curve),
		of(a.checkpoints, "checkpoint", "", r.save),
	}
}

// spent writes a number of seconds with three digits.
func spent(seconds float64) string {
	if seconds >= 100 {
		return thousands(int(seconds+0.5)) + " s"
	}
	return fmt.Sprintf("%.3g s", seconds)
}
