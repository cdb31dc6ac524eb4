package train

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"cuflow/flowgpu"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// emSums are what an M-step needs of one pass over the data: with r the responsibilities and t = z - mean, means those of the
// E-step, so that nothing cancels,
//
//	count[k] = sum_n r[k,n];  first[k,d] = sum_n r[k,n]*t[d];  second[k,d,..] = sum_n r[k,n]*t[d]*t[..]
//
// All in float64, each sum in the order of the samples: results do not depend on the number of cores.
type emSums struct {
	old    flowgpu.Mixture
	n      int
	logp   float64
	count  []float64
	first  []float64   // [K][D]
	second [][]float64 // by component [D], or of full covariances [D][D], its lower triangle
	worst  []outlier   // the K samples of least density, the worst first
}

// outlier is a sample of low density.
type outlier struct {
	sample int
	logp   float64
}

func newEMSums(old flowgpu.Mixture) *emSums {
	s := &emSums{old: old, count: make([]float64, old.K), first: make([]float64, old.K*old.D), second: make([][]float64, old.K)}
	size := old.D
	if old.Full() {
		size *= old.D
	}
	for k := range s.second {
		s.second[k] = make([]float64, size)
	}
	return s
}

// reset begins a new pass.
func (s *emSums) reset(old flowgpu.Mixture) {
	s.old, s.n, s.logp, s.worst = old, 0, 0, s.worst[:0]
	clear(s.count)
	clear(s.first)
	for _, v := range s.second {
		clear(v)
	}
}

// each calls f(0) .. f(n-1) on as many cores as there are. What f(i) writes must be its own.
func each(n int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}

// add takes n samples, the first of them number from, into the sums.
func (s *emSums) add(e *flowgpu.Expectation, from, n int) {
	s.n += n
	for i, v := range e.LogP[:n] {
		s.logp += v
		s.note(outlier{from + i, v})
	}
	each(s.old.K, func(k int) {
		for _, r := range e.R[k*n : (k+1)*n] {
			s.count[k] += float64(r)
		}
	})
	if s.old.Full() {
		for k := range s.old.K {
			s.addFull(k, e, n)
		}
		return
	}
	some := present(e.R, s.old.K, n)
	each(s.old.D, func(d int) { s.addDiagonal(d, e.Z[d*n:(d+1)*n], some) })
}

// note keeps a sample if it is one of the worst K.
func (s *emSums) note(o outlier) {
	if len(s.worst) == s.old.K {
		if last := s.worst[len(s.worst)-1]; !(o.logp < last.logp) {
			return
		}
		s.worst = s.worst[:len(s.worst)-1]
	}
	at, _ := slices.BinarySearchFunc(s.worst, o, func(a, b outlier) int {
		if a.logp <= b.logp { // the earlier of two equal ones
			return -1
		}
		return 1
	})
	s.worst = slices.Insert(s.worst, at, o)
}

// weighted is a sample of a batch and its responsibility.
type weighted struct {
	n int
	r float64
}

// present lists each component's samples, those of responsibility 0 left out: in many dimensions nearly all.
func present(r []float32, components, n int) [][]weighted {
	all := make([][]weighted, components)
	each(components, func(k int) {
		for i, v := range r[k*n : (k+1)*n] {
			if v != 0 {
				all[k] = append(all[k], weighted{i, float64(v)})
			}
		}
	})
	return all
}

// addDiagonal is dimension d's part.
func (s *emSums) addDiagonal(d int, z []float32, some [][]weighted) {
	for k, samples := range some {
		mean, first, second := float64(s.old.Mean[k*s.old.D+d]), 0.0, 0.0
		for _, w := range samples {
			t := float64(z[w.n]) - mean
			first += w.r * t
			second += w.r * t * t
		}
		s.first[k*s.old.D+d] += first
		s.second[k][d] += second
	}
}

const emBlock = 64 // rows of a covariance matrix that are one piece of work

// addFull is component k's part: a product of matrices.
func (s *emSums) addFull(k int, e *flowgpu.Expectation, n int) {
	samples := present(e.R[k*n:(k+1)*n], 1, n)[0]
	if len(samples) == 0 {
		return
	}
	d := s.old.D
	t := blas64.General{Rows: d, Cols: len(samples), Stride: len(samples), Data: make([]float64, d*len(samples))} // sqrt(r)*(z-mean)
	each(d, func(i int) {
		mean, row, first := float64(s.old.Mean[k*d+i]), t.Data[i*t.Stride:][:t.Cols], 0.0
		for j, w := range samples {
			v := float64(e.Z[i*n+w.n]) - mean
			first += w.r * v
			row[j] = math.Sqrt(w.r) * v
		}
		s.first[k*d+i] += first
	})
	each((d+emBlock-1)/emBlock, func(b int) {
		lo, hi := b*emBlock, min((b+1)*emBlock, d)
		rows := t
		rows.Rows, rows.Data = hi-lo, t.Data[lo*t.Stride:]
		left := t
		left.Rows = hi
		sum := blas64.General{Rows: hi - lo, Cols: hi, Stride: d, Data: s.second[k][lo*d:]}
		blas64.Gemm(blas.NoTrans, blas.Trans, 1, rows, left, 1, sum)
	})
}

// leastCount is the number of samples below which a component counts as empty.
const leastCount = 0.5

// empty lists the components that hold less than half a sample.
func (s *emSums) empty() (all []int) {
	for k, n := range s.count {
		if n < leastCount {
			all = append(all, k)
		}
	}
	return all
}

// maximise is the M-step: the mixture of greatest expected log-likelihood whose covariances have no eigenvalue below floor. Bishop,
// "Pattern recognition and machine learning", 2006, equations 9.24 to 9.26. Empty components stay as they were.
func (s *emSums) maximise(floor float64) flowgpu.Mixture {
	k, d := s.old.K, s.old.D
	m := flowgpu.Mixture{K: k, D: d, Logits: make([]float32, k), Mean: slices.Clone(s.old.Mean), Logs: slices.Clone(s.old.Logs), L: slices.Clone(s.old.L)}
	each(k, func(k int) {
		m.Logits[k] = float32(math.Log(max(s.count[k], 1e-30) / float64(s.n)))
		if s.count[k] < leastCount {
			return
		}
		shift := make([]float64, d)
		for i := range shift {
			shift[i] = s.first[k*d+i] / s.count[k]
			m.Mean[k*d+i] = float32(float64(s.old.Mean[k*d+i]) + shift[i])
		}
		if !s.old.Full() {
			for i, v := range s.second[k] {
				m.Logs[k*d+i] = float32(-math.Log(max(v/s.count[k]-shift[i]*shift[i], floor)) / 2)
			}
			return
		}
		cov := mat.NewSymDense(d, nil)
		for i := range d {
			for j := range i + 1 {
				cov.SetSym(i, j, s.second[k][i*d+j]/s.count[k]-shift[i]*shift[j])
			}
		}
		factor := precisionFactor(cov, floor)
		for i := range d {
			m.Logs[k*d+i] = float32(math.Log(factor.At(i, i)))
			for j := range i {
				m.L[k*d*(d-1)/2+i*(i-1)/2+j] = float32(factor.At(i, j))
			}
		}
	})
	return m
}

// precisionFactor is the lower triangular A of A cov A^T = 1, after eigenvalues below floor were raised to it: of all matrices
// with none below, that is the most likely.
func precisionFactor(cov *mat.SymDense, floor float64) *mat.TriDense {
	d := cov.SymmetricDim()
	above := mat.NewSymDense(d, nil)
	above.CopySym(cov)
	for i := range d {
		above.SetSym(i, i, cov.At(i, i)-floor)
	}
	var chol mat.Cholesky
	if !chol.Factorize(above) { // some eigenvalue is not above the floor
		cov = raised(cov, floor)
	}
	if !chol.Factorize(cov) {
		panic("train: a matrix with positive eigenvalues has no Cholesky factor")
	}
	var lower, inverse mat.TriDense
	chol.LTo(&lower)
	if err := inverse.InverseTri(&lower); err != nil && inverse.IsEmpty() {
		panic("train: a Cholesky factor has no inverse")
	}
	return &inverse
}

// raised is cov with every eigenvalue at least floor.
func raised(cov *mat.SymDense, floor float64) *mat.SymDense {
	var eigen mat.EigenSym
	if !eigen.Factorize(cov, true) {
		panic("train: the eigenvalues of a symmetric matrix were not found")
	}
	d := cov.SymmetricDim()
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	for j, v := range eigen.Values(nil) {
		root := math.Sqrt(max(v, floor))
		for i := range d {
			vectors.Set(i, j, vectors.At(i, j)*root)
		}
	}
	out := mat.NewSymDense(d, nil)
	out.SymOuterK(1, &vectors)
	return out
}
