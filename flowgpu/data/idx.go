package data

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// An idx file is a big-endian header and then bytes: the magic number 0x0000 08 dd, where 08 says unsigned bytes and dd
// the number of dimensions, then dd sizes of 32 bits. MNIST and Fashion-MNIST come as two files of images (N, H, W) and
// two of labels (N).
const (
	magicLabels = 0x00000801
	magicImages = 0x00000803
)

// OpenIDX reads train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte from
// a folder, each gzipped (.gz) or not; where both are there the plain file is read. Both labels files may be missing.
func OpenIDX(dir string) (train, test *Set, err error) {
	var testErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		test, testErr = openPart(dir, "t10k")
	}()
	train, err = openPart(dir, "train")
	<-done
	if err = cmp.Or(err, testErr); err != nil {
		return nil, nil, err
	}
	if train.H != test.H || train.W != test.W {
		return nil, nil, fmt.Errorf("%s: train images of %dx%d but t10k images of %dx%d; put files of one data set into the folder",
			dir, train.H, train.W, test.H, test.W)
	}
	if (train.Labels == nil) != (test.Labels == nil) {
		return nil, nil, fmt.Errorf("%s: labels for only one of train and t10k; give both labels files or neither", dir)
	}
	name := dir
	if abs, err := filepath.Abs(dir); err == nil {
		name = filepath.Base(abs)
	}
	train.Name, test.Name = name+" train", name+" test"
	if train.Labels != nil {
		train.Classes = 1 + int(max(slices.Max(train.Labels), slices.Max(test.Labels)))
		test.Classes = train.Classes
	}
	return train, test, nil
}

// openPart reads the images and labels of one part, "train" or "t10k". Name and Classes are left for the caller.
func openPart(dir, part string) (*Set, error) {
	file := part + "-images-idx3-ubyte"
	path, err := find(dir, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no %s or %s.gz in this folder; %s, then give data/mnist or data/fashion", dir, file, file, fetchHint)
	}
	if err != nil {
		return nil, err
	}
	size, pixels, err := readIDX(path, magicImages)
	if err != nil {
		return nil, err
	}
	s := &Set{C: 1, H: size[1], W: size[2], Levels: 256, N: size[0], Bytes: pixels}

	labelPath, err := find(dir, part+"-labels-idx1-ubyte")
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	size, labels, err := readIDX(labelPath, magicLabels)
	if err != nil {
		return nil, err
	}
	if size[0] != s.N {
		return nil, fmt.Errorf("%s: %d labels, but %d images in %s; put files of one data set into the folder, or fetch them again",
			labelPath, size[0], s.N, path)
	}
	s.Labels = make([]int32, s.N)
	for i, v := range labels {
		s.Labels[i] = int32(v)
	}
	return s, nil
}

// find gives the path of the file or of its gzipped form, or an error that is fs.ErrNotExist.
func find(dir, file string) (string, error) {
	path := filepath.Join(dir, file)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		path += ".gz"
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", fmt.Errorf("data: %w", err)
	}
	return path, nil
}

// readIDX reads a whole idx file with the given magic number: its sizes and its bytes. Gzip is known by its own first two
// bytes. The header is believed only as far as bytes follow it, so that a damaged one cannot ask for memory.
func readIDX(path string, magic uint32) (size []int, values []byte, err error) {
	fail := func(format string, args ...any) ([]int, []byte, error) {
		return nil, nil, fmt.Errorf("%s: %w; delete the file and fetch it again", path, fmt.Errorf(format, args...))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	buffered := bufio.NewReader(f)
	var r io.Reader = buffered
	if start, _ := buffered.Peek(2); bytes.Equal(start, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return fail("damaged or truncated gzip (%w)", err)
		}
		r = z
	}

	header := make([]byte, 4+4*(magic&0xff))
	n, err := io.ReadFull(r, header)
	if n >= 4 {
		if got := binary.BigEndian.Uint32(header); got != magic {
			return nil, nil, fmt.Errorf("%s: not an idx file of %s: it begins with 0x%08x, not 0x%08x; put the right file there: %s",
				path, kind(magic), got, magic, fetchHint)
		}
	}
	if err != nil {
		return fail("truncated: the idx header has %d bytes, the file only %d (%w)", len(header), n, err)
	}
	want := int64(1)
	for i := 4; i < len(header); i += 4 {
		d := binary.BigEndian.Uint32(header[i:])
		size = append(size, int(d))
		if i > 4 && d > maxSide {
			return fail("the header says sizes %v, but images have at most %d rows and columns", size, maxSide)
		}
		want *= int64(d) // at most 2^32 * 2^14 * 2^14
	}
	if want == 0 {
		return fail("the header says that there is nothing in it (sizes %v)", size)
	}
	if want > maxValues {
		return fail("the header says %d values (sizes %v), more than the %d that a set may have", want, size, int64(maxValues))
	}

	var body bytes.Buffer
	if info, err := f.Stat(); err == nil { // what is not packed needs no more than the file has
		body.Grow(int(min(want, info.Size())) + bytes.MinRead)
	}
	got, err := io.Copy(&body, io.LimitReader(r, want+1)) // one more, to see that nothing follows and the gzip sum is right
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fail("truncated: the header says %d values (sizes %v), the file ends after %d", want, size, got)
	case err != nil:
		return fail("damaged or truncated (%w)", err)
	case got < want:
		return fail("truncated: the header says %d values (sizes %v), the file ends after %d", want, size, got)
	case got > want:
		return fail("the header says %d values (sizes %v), but more follow", want, size)
	}
	return size, body.Bytes(), nil
}

// kind says what an idx file with this magic number holds.
func kind(magic uint32) string {
	if magic == magicImages {
		return "images"
	}
	return "labels"
}
