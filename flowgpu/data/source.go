package data

import "fmt"

// Source is a data set that gives any of its samples at any time: a *Set, which holds them in memory, a folder of
// pictures that are decoded when they are wanted, or *Vectors. It may be read from many goroutines at once.
type Source interface {
	Info() Info
	// Label is the class of a sample, 0 .. Classes-1. It must not be asked for where there are no classes.
	Label(sample int) int32
	// Given writes the features of a sample's context, as sample i of a batch of n, [E][n]. It must not be asked for where there is none.
	Given(dst []float32, sample, i, n int)
	// Load writes a sample as image i of a batch of n, [C][n][H][W].
	Load(dst []float32, sample, i, n int) error
	// Fill writes samples from .. from+n-1 to dst as one batch, [C][n][H][W]. Evaluation walks a set with it in order,
	// the last batch shorter.
	Fill(dst []float32, from, n int) error
}

// Info says what a Source holds.
type Info struct {
	Name    string // "digits train", "mnist test"
	C, H, W int
	Levels  int // intensities are 0 .. Levels-1; 0: vectors of real numbers, C channels of one pixel
	N       int
	Classes int // 0 without labels
	Context int // features of the context of a sample: see Condition; 0: none
}

// D is the number of dimensions of a sample.
func (f Info) D() int { return f.C * f.H * f.W }

// Batches is the number of full batches in an epoch. A source smaller than one batch is an error.
func Batches(s Source, batch int) (int, error) {
	info := s.Info()
	if batch < 1 {
		return 0, fmt.Errorf("batch size %d: must be at least 1", batch)
	}
	if info.N < batch {
		return 0, fmt.Errorf("data set %s: %d samples are fewer than one batch of %d: give a smaller batch size or more samples", info.Name, info.N, batch)
	}
	return info.N / batch, nil
}
