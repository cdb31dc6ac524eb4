// Package stats says what repeated measurements tell: their middle, how far it is known, whether they drifted, and whether one set of
// them is slower than another.
package stats

import (
	"slices"
	"time"
)

// Times are how long equal pieces of work took, in the order in which they were done.
type Times []time.Duration

// Measure repeats f at least least times and for at least budget, unless room, which takes the times, is full before. It reads a
// monotonic clock and allocates nothing.
func Measure(room Times, least int, budget time.Duration, f func() error) (Times, error) {
	t := room[:0]
	for start := time.Now(); len(t) < cap(t) && (len(t) < least || time.Since(start) < budget); {
		before := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		t = append(t, time.Since(before))
	}
	return t, nil
}

// sorted is a copy in ascending order.
func (t Times) sorted() Times {
	s := slices.Clone(t)
	slices.Sort(s)
	return s
}

// Median is the middle time, or the mean of the two in the middle.
func (t Times) Median() time.Duration {
	s := t.sorted()
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Min is the least time.
func (t Times) Min() time.Duration { return slices.Min(t) }

// P95 is the least time that 95 of 100 do not exceed.
func (t Times) P95() time.Duration { return t.sorted()[(95*len(t)+99)/100-1] }

// Sum is all of them.
func (t Times) Sum() (s time.Duration) {
	for _, d := range t {
		s += d
	}
	return s
}

// FasterHalf is the mean of the faster half of the times: what disturbs the machine now and then is not in it.
func (t Times) FasterHalf() time.Duration {
	half := t.sorted()[:(len(t)+1)/2]
	return half.Sum() / time.Duration(len(half))
}
