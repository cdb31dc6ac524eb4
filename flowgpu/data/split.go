package data

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
)

// heldOut says whether a sample of that name belongs to the validation set. It depends on nothing but what it is given.
func (o OpenOptions) heldOut(name string) bool {
	return uniformOf(o.Seed, name) < cmp.Or(o.Validation, 0.1)
}

// uniformOf is a number in [0, 1) for a seed and a name.
func uniformOf(seed uint64, name string) float64 {
	sum := sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, seed), name...))
	return float64(binary.LittleEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// split divides a set by the numbers of its samples.
func (s *Set) split(o OpenOptions) (train, test *Set, err error) {
	t, v := *s, *s
	train, test = &t, &v
	for _, part := range []*Set{train, test} {
		part.N, part.Pixels, part.Bytes, part.Labels = 0, nil, nil, nil
	}
	train.Name, test.Name = s.Name+" train", s.Name+" test"
	for i := range s.N {
		part := train
		if o.heldOut(strconv.Itoa(i)) {
			part = test
		}
		part.N++
		part.Pixels = append(part.Pixels, s.pixels(i)...)
		if s.Labels != nil {
			part.Labels = append(part.Labels, s.Labels[i])
		}
	}
	return train, test, checkSplit(s.Name, train.N, test.N)
}

// checkSplit refuses a part with nothing in it.
func checkSplit(name string, train, test int) error {
	if train == 0 || test == 0 {
		return fmt.Errorf("data set %s: %d samples to train with and %d held out: add samples, or give another held-out share or seed", name, train, test)
	}
	return nil
}
