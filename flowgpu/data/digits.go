package data

import (
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// One line per sample: 64 intensities 0 .. 16 in row order and the digit. Source and licence are in NOTICE.md.
//
//go:embed digits.csv.gz
var digitsCSV string

const digitLevels, digitSide = 17, 8

// Digits is the UCI set of handwritten digits: 1,797 images of 8x8 in 17 grey levels with labels 0 .. 9. Every sixth
// sample is held out: those at index 0, 6, 12, ... of the file are the test set (300), the others train (1,497).
func Digits() (train, test *Set, err error) {
	return parseDigits(digitsCSV)
}

func parseDigits(csvGz string) (train, test *Set, err error) {
	z, err := gzip.NewReader(strings.NewReader(csvGz))
	if err != nil {
		return nil, nil, fmt.Errorf("embedded digits: %w", err)
	}
	csv, err := io.ReadAll(z)
	if err != nil {
		return nil, nil, fmt.Errorf("embedded digits: %w", err)
	}
	train = &Set{Name: "digits train", C: 1, H: digitSide, W: digitSide, Levels: digitLevels, Classes: 10}
	test = &Set{Name: "digits test", C: 1, H: digitSide, W: digitSide, Levels: digitLevels, Classes: 10}
	const d = digitSide * digitSide
	for i, line := range strings.Split(strings.TrimSpace(string(csv)), "\n") {
		fields := strings.Split(line, ",")
		if len(fields) != d+1 {
			return nil, nil, fmt.Errorf("embedded digits: line %d has %d values, not %d", i+1, len(fields), d+1)
		}
		s := train
		if i%6 == 0 {
			s = test
		}
		s.N++
		for j, f := range fields {
			v, err := strconv.ParseUint(f, 10, 16)
			if err != nil {
				return nil, nil, fmt.Errorf("embedded digits: line %d: %w", i+1, err)
			}
			if j < d {
				s.Pixels = append(s.Pixels, uint16(v))
			} else {
				s.Labels = append(s.Labels, int32(v))
			}
		}
	}
	for _, s := range []*Set{train, test} {
		if err := s.Check(); err != nil {
			return nil, nil, err
		}
	}
	return train, test, nil
}
