package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

const (
	lloydRounds = 20      // at most, after k-means++
	startValues = 1 << 25 // of the samples that k-means looks at, at most: 128 MiB
)

// errNotStarted is an interruption before there is a run.
var errNotStarted = fmt.Errorf("%w before the first step: nothing is written", ErrInterrupted)

// startMixture gives a mixture without a flow its first components, those that k-means finds: of each cluster its share, its mean and
// its variances. The result is told.
func (c Config) startMixture(ctx context.Context, m *flowgpu.Model, train data.Source) (string, error) {
	n, k, d := train.Info().N, c.Model.Components, c.Model.D()
	if k > n {
		return "", usagef("--components is %d, but %s has %s: use at most as many", k, train.Info().Name, plural(n, "sample"))
	}
	e, err := flowgpu.NewEvaluator(m, c.Batch)
	if err != nil {
		return "", err
	}
	defer e.Close()
	z, err := c.someLatents(ctx, e, train, min(n, max(k, startValues/d)))
	if err != nil {
		return "", err
	}
	clusters := kmeans(ctx, z, d, k, c.Seed)
	if ctx.Err() != nil {
		return "", errNotStarted
	}
	if err := m.SetMixture(clusters.mixture(z, c.Model)); err != nil {
		return "", err
	}
	return fmt.Sprintf("k-means++ on %s, %s", plural(len(z)/d, "sample"), plural(clusters.rounds, "round")), nil
}

// someLatents are some training samples, drawn by the run's seed, or all: [n][D] as the mixture sees them.
func (c Config) someLatents(ctx context.Context, e *flowgpu.Evaluator, train data.Source, some int) ([]float32, error) {
	d := c.Model.D()
	chosen := data.Order(train.Info().N, c.Seed, 0, nil)[:some]
	slices.Sort(chosen)
	all, x, z := make([]float32, some*d), make([]float32, e.Batch()*d), make([]float32, e.Batch()*d)
	for from := 0; from < some; from += e.Batch() {
		if ctx.Err() != nil {
			return nil, errNotStarted
		}
		n := min(e.Batch(), some-from)
		for i, sample := range chosen[from : from+n] {
			if err := train.Load(x, int(sample), i, n); err != nil {
				return nil, err
			}
		}
		if err := e.Latents(x, n, from, c.Seed, z); err != nil {
			return nil, err
		}
		for i := range n {
			for j := range d {
				all[(from+i)*d+j] = z[j*n+i]
			}
		}
	}
	return all, nil
}

// clustering is what k-means comes to.
type clustering struct {
	centers []float64 // [K][D]
	of      []int     // of each sample
	rounds  int
}

// kmeans clusters samples z [N][D]: first centers drawn far from each other by Arthur and Vassilvitskii, "k-means++", 2007, section 2.2,
// then Lloyd's rounds. The same seed gives the same clusters on any number of cores. Where ctx ends first they are of no use.
func kmeans(ctx context.Context, z []float32, d, k int, seed uint64) clustering {
	n := len(z) / d
	c := clustering{centers: make([]float64, k*d), of: make([]int, n)}
	r := rand.New(rand.NewPCG(seed, 0x6b2d6d65616e73))
	far := make([]float64, n) // squared distance from the nearest center so far
	for i := range far {
		far[i] = math.Inf(1)
	}
	next := r.IntN(n)
	for j := range k {
		if ctx.Err() != nil {
			return c
		}
		center := c.centers[j*d : (j+1)*d]
		for i, v := range z[next*d : (next+1)*d] {
			center[i] = float64(v)
		}
		eachSpan(n, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				far[i] = min(far[i], distance(z[i*d:(i+1)*d], center, far[i]))
			}
		})
		next = draw64(r, far)
	}
	for c.rounds < lloydRounds && ctx.Err() == nil {
		c.rounds++
		if !c.assign(z, d) {
			break
		}
		c.recenter(z, d)
	}
	return c
}

// draw64 picks an index with a probability that goes with its weight; all weights 0, any.
func draw64(r *rand.Rand, weights []float64) int {
	total := 0.0
	for _, w := range weights {
		total += w
	}
	if !(total > 0) {
		return r.IntN(len(weights))
	}
	at := r.Float64() * total
	last := 0
	for i, w := range weights {
		if w > 0 {
			last = i
			if at -= w; at < 0 {
				break
			}
		}
	}
	return last
}

// eachSpan calls f with parts of [0, n).
func eachSpan(n int, f func(lo, hi int)) {
	const span = 256
	each((n+span-1)/span, func(i int) { f(i*span, min((i+1)*span, n)) })
}

// distance is the squared distance, or something not below enough where it is not below that.
func distance(z []float32, center []float64, enough float64) (sum float64) {
	for len(z) > 0 && sum < enough {
		part := min(len(z), 64)
		for i, v := range z[:part] {
			t := float64(v) - center[i]
			sum += t * t
		}
		z, center = z[part:], center[part:]
	}
	return sum
}

// assign gives each sample the nearest center, and says whether that changes any.
func (c *clustering) assign(z []float32, d int) bool {
	changed := make([]bool, len(c.of))
	eachSpan(len(c.of), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			best, nearest := 0, math.Inf(1)
			for j := range len(c.centers) / d {
				if t := distance(z[i*d:(i+1)*d], c.centers[j*d:(j+1)*d], nearest); t < nearest {
					best, nearest = j, t
				}
			}
			changed[i] = best != c.of[i] || c.rounds == 1
			c.of[i] = best
		}
	})
	return slices.Contains(changed, true)
}

// recenter moves each center to its samples' mean. One that has lost all of them stays.
func (c *clustering) recenter(z []float32, d int) {
	counts := c.counts(d)
	each(d, func(j int) {
		sums := make([]float64, len(counts))
		for i, k := range c.of {
			sums[k] += float64(z[i*d+j])
		}
		for k, n := range counts {
			if n > 0 {
				c.centers[k*d+j] = sums[k] / float64(n)
			}
		}
	})
}

// counts are the samples of each cluster.
func (c *clustering) counts(d int) []int {
	counts := make([]int, len(c.centers)/d)
	for _, k := range c.of {
		counts[k]++
	}
	return counts
}

// mixture makes components of clusters. To a cluster's variances one sample of the average cluster is added: a cluster of one or two
// would be a spike that EM never leaves.
func (c *clustering) mixture(z []float32, model flowgpu.Config) flowgpu.Mixture {
	k, d, floor := model.Components, model.D(), model.VarianceFloor()
	m := flowgpu.Mixture{K: k, D: d, Logits: make([]float32, k), Mean: make([]float32, k*d), Logs: make([]float32, k*d)}
	if model.Covariance == "full" && d > 1 {
		m.L = make([]float32, k*d*(d-1)/2)
	}
	counts := c.counts(d)
	for i, n := range counts {
		m.Logits[i] = float32(math.Log(max(float64(n), 1) / float64(len(c.of))))
	}
	each(d, func(j int) {
		squares, all := make([]float64, k), 0.0
		for i, cluster := range c.of {
			t := float64(z[i*d+j]) - c.centers[cluster*d+j]
			squares[cluster] += t * t
			all += t * t
		}
		average := all / float64(len(c.of))
		for i, n := range counts {
			m.Mean[i*d+j] = float32(c.centers[i*d+j])
			m.Logs[i*d+j] = float32(-math.Log(max((squares[i]+average)/float64(n+1), floor)) / 2)
		}
	})
	return m
}
