package data

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A CIFAR file in its binary form is one record after the other: the label, of CIFAR-100 first the coarse and then the
// fine one, and 3072 bytes of red, green and blue planes of 32x32 (https://www.cs.toronto.edu/~kriz/cifar.html).
const cifarImage = 3 * 32 * 32

// openCIFAR reads data_batch_*.bin and test_batch.bin (CIFAR-10), or train.bin and test.bin (CIFAR-100, fine labels).
func openCIFAR(dir string) (train, test *Set, err error) {
	batches, err := fs.Glob(os.DirFS(dir), "data_batch_*.bin") // sorted
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	held, labels, classes := "test_batch.bin", 1, 10
	if len(batches) == 0 {
		if _, err := os.Stat(filepath.Join(dir, held)); err == nil {
			return nil, nil, fmt.Errorf("%s: CIFAR-10's test_batch.bin, but no data_batch_1.bin to data_batch_5.bin beside it", dir)
		}
		batches, held, labels, classes = []string{"train.bin"}, "test.bin", 2, 100
	}
	name := baseName(dir)
	if train, err = readCIFAR(dir, name+" train", labels, classes, batches...); err != nil {
		return nil, nil, err
	}
	test, err = readCIFAR(dir, name+" test", labels, classes, held)
	return train, test, err
}

func readCIFAR(dir, name string, labels, classes int, files ...string) (*Set, error) {
	s := &Set{Name: name, C: 3, H: 32, W: 32, Levels: 256, Classes: classes}
	record := labels + cifarImage
	for _, file := range files {
		path := filepath.Join(dir, file)
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		if len(b) == 0 || len(b)%record != 0 {
			return nil, fmt.Errorf("%s: %d bytes are not a number of CIFAR records of %d: the file is truncated or another one", path, len(b), record)
		}
		for ; len(b) > 0; b = b[record:] {
			label := b[labels-1]
			if int(label) >= classes {
				return nil, fmt.Errorf("%s: the label %d, but there are %d classes: the file is damaged or another one", path, label, classes)
			}
			s.N++
			s.Labels = append(s.Labels, int32(label))
			for _, v := range b[labels:record] {
				s.Pixels = append(s.Pixels, uint16(v))
			}
		}
	}
	return s, nil
}
