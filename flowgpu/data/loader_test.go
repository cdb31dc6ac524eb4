package data

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestOrder(t *testing.T) {
	seen := func(order []int32) bool { // is it a permutation?
		o := slices.Clone(order)
		slices.Sort(o)
		for i, v := range o {
			if int(v) != i {
				return false
			}
		}
		return true
	}
	for _, n := range []int{0, 1, 2, 3, 31, 1000} {
		if o := Order(n, 1, 0, nil); len(o) != n || !seen(o) {
			t.Errorf("Order of %d is no permutation", n)
		}
	}

	// Saved runs go on in this order: a change of these numbers breaks them.
	for _, tc := range []struct {
		seed  uint64
		epoch int
		want  []int32
	}{
		{0, 0, []int32{235, 236, 157, 876, 52, 262, 690, 887}},
		{0, 1, []int32{820, 733, 972, 400, 957, 515, 250, 448}},
		{1 << 63, 7, []int32{163, 706, 816, 501, 779, 302, 421, 285}},
	} {
		if got := Order(1000, tc.seed, tc.epoch, nil)[:8]; !slices.Equal(got, tc.want) {
			t.Errorf("Order(1000, %d, %d) begins %v, pinned %v", tc.seed, tc.epoch, got, tc.want)
		}
	}

	// Two unrelated permutations agree in one place on average; 12 or more has a chance of 2e-9.
	orders := map[string][]int32{
		"seed 5 epoch 0": Order(1000, 5, 0, nil), "seed 5 epoch 1": Order(1000, 5, 1, nil), "seed 5 epoch 2": Order(1000, 5, 2, nil),
		"seed 6 epoch 0": Order(1000, 6, 0, nil), "seed 6 epoch 1": Order(1000, 6, 1, nil), "seed 0 epoch 5": Order(1000, 0, 5, nil),
	}
	for a, x := range orders {
		for b, y := range orders {
			same := 0
			for i := range x {
				if x[i] == y[i] {
					same++
				}
			}
			if a != b && same >= 12 {
				t.Errorf("%s and %s agree in %d places", a, b, same)
			}
		}
	}

	dst := make([]int32, 1000)
	if o := Order(1000, 5, 1, dst); &o[0] != &dst[0] || !slices.Equal(o, orders["seed 5 epoch 1"]) {
		t.Error("Order did not write to dst, or something else there")
	}
	if n := testing.AllocsPerRun(10, func() { Order(1000, 5, 1, dst) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Over many epochs every sample comes equally often in every place.
func TestOrderIsFair(t *testing.T) {
	const n, epochs = 5, 20000
	var count [n][n]int
	var dst []int32
	for e := range epochs {
		dst = Order(n, 3, e, dst)
		for i, v := range dst {
			count[i][v]++
		}
	}
	for i := range n {
		for v, c := range count[i] {
			if mean := epochs / n; c < mean-300 || c > mean+300 { // 5.3 standard deviations of 57
				t.Errorf("sample %d came %d times in place %d, not about %d", v, c, i, mean)
			}
		}
	}
}

// taken is what a step sees of a batch.
type taken struct {
	x            []float32
	labels       []int32
	epoch, index int
}

func take(l *Loader, n int) (all []taken) {
	for range n {
		b := l.Next()
		all = append(all, taken{slices.Clone(b.X), slices.Clone(b.Labels), b.Epoch, b.Index})
		l.Release(b)
	}
	return all
}

func equal(a, b taken) bool {
	return slices.Equal(a.x, b.x) && slices.Equal(a.labels, b.labels) && a.epoch == b.epoch && a.index == b.index
}

func TestLoaderFollowsOrder(t *testing.T) {
	s := numbered(11, 2, 2, 3)
	const batch, perEpoch = 3, 3
	l := NewLoader(s, batch, 9, 0, 0)
	defer l.Close()
	p := s.H * s.W
	for i, got := range take(l, 2*perEpoch+1) {
		epoch, index := i/perEpoch, i%perEpoch
		if got.epoch != epoch || got.index != index+1 {
			t.Errorf("batch %d is at epoch %d, index %d", i, got.epoch, got.index)
		}
		order := Order(s.N, 9, epoch, nil)[index*batch:][:batch]
		if !slices.Equal(got.labels, order) { // the labels are the sample numbers
			t.Errorf("batch %d has samples %v, want %v", i, got.labels, order)
		}
		for j, sample := range order {
			for c := range s.C {
				for k := range p {
					if got, want := got.x[(c*batch+j)*p+k], float32((int(sample)*s.C+c)*p+k); got != want {
						t.Fatalf("batch %d, sample %d, channel %d, pixel %d is %v, want %v", i, j, c, k, got, want)
					}
				}
			}
		}
	}
}

func TestLoaderGoesOn(t *testing.T) {
	s := numbered(11, 1, 2, 2)
	const batch, perEpoch, total = 2, 5, 17
	whole := NewLoader(s, batch, 4, 0, 0)
	defer whole.Close()
	want := take(whole, total)

	// From the position that any batch carries, the first batches of a loader are those that came after it.
	epoch, index := 0, 0
	for i := range want {
		l := NewLoader(s, batch, 4, epoch, index)
		for j, got := range take(l, min(3, total-i)) {
			if !equal(got, want[i+j]) {
				t.Errorf("started at epoch %d, index %d: batch %d is %v, want %v", epoch, index, j, got, want[i+j])
			}
		}
		l.Close()
		epoch, index = want[i].epoch, want[i].index
	}

	// An index beyond the epoch counts on.
	l := NewLoader(s, batch, 4, 1, perEpoch+2)
	defer l.Close()
	if got := take(l, 1)[0]; !equal(got, want[2*perEpoch+2]) {
		t.Errorf("started at epoch 1, index %d: %v", perEpoch+2, got)
	}
}

func TestLoaderWithoutLabels(t *testing.T) {
	s := numbered(4, 1, 1, 1)
	s.Labels, s.Classes = nil, 0
	l := NewLoader(s, 4, 0, 0, 0)
	defer l.Close()
	if b := l.Next(); b.Labels != nil || b.N != 4 {
		t.Errorf("labels %v, N %d", b.Labels, b.N)
	}
}

// What is held stays as it is while other batches are prepared.
func TestLoaderHeldBatch(t *testing.T) {
	l := NewLoader(numbered(40, 1, 1, 1), 4, 0, 0, 0)
	defer l.Close()
	held := l.Next()
	before := slices.Clone(held.X)
	take(l, 30)
	if !slices.Equal(held.X, before) {
		t.Error("a held batch changed")
	}
	two, three := l.Next(), l.Next()
	wantPanic(t, "data: Next with all batches held", func() { l.Next() })
	for _, b := range []*Batch{held, two, three} {
		l.Release(b)
	}
	wantPanic(t, "data: Release of a batch that is not held", func() { l.Release(three) })
}

func TestLoaderMisuse(t *testing.T) {
	s := numbered(3, 1, 1, 1)
	wantPanic(t, "data: NewLoader: fewer samples than one batch", func() { NewLoader(s, 4, 0, 0, 0) })
	wantPanic(t, "data: NewLoader: negative position", func() { NewLoader(s, 3, 0, 0, -1) })
	_, err := s.Batches(4)
	wantError(t, err, "numbered", "3 samples are fewer than one batch of 4", "smaller batch")
	_, err = s.Batches(0)
	wantError(t, err, "batch size 0")
	if n, err := s.Batches(2); n != 1 || err != nil {
		t.Errorf("%d batches of 2 in 3: %v", n, err)
	}
}

func TestLoaderAllocatesNothing(t *testing.T) {
	s := numbered(64, 1, 4, 4)
	l := NewLoader(s, 8, 0, 0, 0)
	defer l.Close()
	epoch := func() {
		for range s.N / 8 {
			l.Release(l.Next())
		}
	}
	if n := testing.AllocsPerRun(100, epoch); n != 0 { // the loader's goroutine is counted too
		t.Errorf("%v allocations in an epoch", n)
	}
}

func TestLoaderClose(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 20 {
		l := NewLoader(numbered(16, 1, 2, 2), 2, 0, 0, 0)
		take(l, i)
		l.Next() // held
		l.Close()
		l.Close()
		wantPanic(t, "data: Next after Close", func() {
			for range ring { // at most two were ready
				l.Release(l.Next())
			}
		})
	}
	// Close waits for the goroutine's function; the goroutine itself may take a moment more to go.
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, were %d", after, before)
	}
}

func BenchmarkLoader(b *testing.B) {
	s := numbered(2048, 1, 32, 32)
	l := NewLoader(s, 128, 0, 0, 0)
	defer l.Close()
	b.SetBytes(128 * 32 * 32 * 4)
	b.ReportAllocs()
	for b.Loop() {
		l.Release(l.Next())
	}
}
