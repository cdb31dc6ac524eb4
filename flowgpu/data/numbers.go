package data

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cuflow/flowgpu/internal/npy"
)

// readNumbers reads vectors from a .npy or a .npz file.
func readNumbers(path string, o VectorOptions) (parts, error) {
	if strings.EqualFold(filepath.Ext(path), ".npy") {
		f, err := os.Open(path)
		if err != nil {
			return parts{}, errors.Unwrap(err) // the path is told
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return parts{}, err
		}
		a, err := npy.ReadNumbers(f, info.Size(), maxValues)
		if err != nil {
			return parts{}, err
		}
		t, err := tableOf(a, path, o)
		if err != nil {
			return parts{}, err
		}
		return parts{table: t, train: t.rows()}, nil
	}
	z, err := zip.OpenReader(path)
	if err != nil {
		return parts{}, fmt.Errorf("%w: the file is truncated or damaged", err)
	}
	defer z.Close()
	files := map[string]*zip.File{}
	for _, f := range z.File {
		if name, ok := strings.CutSuffix(f.Name, ".npy"); ok {
			files[name] = f
		}
	}
	return zippedNumbers(files, path, o)
}

// zippedNumbers finds out what the arrays of a .npz are: a split, the only array, or columns.
func zippedNumbers(files map[string]*zip.File, path string, o VectorOptions) (parts, error) {
	names := slices.Sorted(maps.Keys(files))
	read := func(name string) (*table, error) {
		a, err := readZippedNumbers(files[name])
		if err != nil {
			return nil, fmt.Errorf("array %s: %w", name, err)
		}
		t, err := tableOf(a, path+": array "+name, o)
		if err != nil {
			return nil, fmt.Errorf("array %s: %w", name, err)
		}
		return t, nil
	}
	for _, split := range [][3]string{{"train", "val", "test"}, {"x_train", "x_val", "x_test"}} {
		if files[split[0]] == nil || files[split[2]] == nil {
			continue
		}
		var whole parts
		for i, base := range []string{"train", "val", "test"} {
			if files[split[i]] == nil {
				continue
			}
			t, err := read(split[i])
			if err == nil {
				err = whole.add(base, t)
			}
			if err != nil {
				return parts{}, err
			}
		}
		if rest := slices.DeleteFunc(names, func(n string) bool { return slices.Contains(split[:], n) }); len(rest) > 0 {
			o.report("%s: not read: %s", path, some(rest))
		}
		return whole, nil
	}
	switch len(names) {
	case 0:
		return parts{}, errors.New("no arrays in it")
	case 1:
		t, err := read(names[0])
		if err != nil {
			return parts{}, err
		}
		return parts{table: t, train: t.rows()}, nil
	}
	t, err := columnsOf(files, names, path, o)
	if err != nil {
		return parts{}, err
	}
	return parts{table: t, train: t.rows()}, nil
}

func readZippedNumbers(f *zip.File) (npy.Numbers, error) {
	r, err := f.Open()
	if err != nil {
		return npy.Numbers{}, err
	}
	defer r.Close()
	a, err := npy.ReadNumbers(r, int64(f.UncompressedSize64), maxValues)
	if err != nil {
		return npy.Numbers{}, err
	}
	_, err = io.Copy(io.Discard, r) // to the end, where the checksum is
	return a, err
}

// columnsOf makes arrays of shape (N) columns by their names.
func columnsOf(files map[string]*zip.File, names []string, path string, o VectorOptions) (*table, error) {
	chosen, err := choose(names, o.pick(names))
	if err != nil {
		return nil, err
	}
	whole := npy.Numbers{Exact: true}
	picked := pickNames(names, chosen)
	for c, name := range picked {
		a, err := readZippedNumbers(files[name])
		if err != nil {
			return nil, fmt.Errorf("array %s: %w", name, err)
		}
		if len(a.Shape) != 1 || c > 0 && len(a.Values) != whole.Shape[0] {
			return nil, fmt.Errorf("array %s is of shape %s: name two arrays train and test, or give one of shape (N, D), or several of one shape (N,)", name, a)
		}
		if c == 0 {
			whole.Shape = []int{len(a.Values), len(picked)}
			whole.Values = make([]float64, len(a.Values)*len(picked))
		}
		for i, v := range a.Values {
			whole.Values[i*len(picked)+c] = v
		}
		whole.Exact = whole.Exact && a.Exact
	}
	return finish(&table{names: picked, values: whole.Values, exact: whole.Exact}, path, o)
}

// tableOf takes an array of shape (N, D), or (N) for D = 1, as rows of columns c1 .. cD, of which some may be chosen.
func tableOf(a npy.Numbers, name string, o VectorOptions) (*table, error) {
	d := 1
	if len(a.Shape) == 2 {
		d = a.Shape[1]
	} else if len(a.Shape) != 1 {
		return nil, fmt.Errorf("of shape %s: vectors have shape (N, D), or (N,) for one dimension", a)
	}
	var names []string
	for c := range d {
		names = append(names, fmt.Sprintf("c%d", c+1))
	}
	chosen, err := choose(names, o.pick(names))
	if err != nil {
		return nil, err
	}
	values := a.Values
	if len(chosen) < d || !slices.IsSorted(chosen) {
		values = make([]float64, 0, a.Shape[0]*len(chosen))
		for i := range a.Shape[0] {
			for _, c := range chosen {
				values = append(values, a.Values[i*d+c])
			}
		}
	}
	return finish(&table{names: pickNames(names, chosen), values: values, exact: a.Exact}, name, o)
}

// finish refuses infinities, and refuses or drops rows with a NaN, which stands for a missing value.
func finish(t *table, name string, o VectorOptions) (*table, error) {
	d, kept, dropped := len(t.names), 0, 0
	for i := range t.rows() {
		row := t.at(i)
		if c := slices.IndexFunc(row, func(v float64) bool { return math.IsInf(v, 0) }); c >= 0 {
			return nil, fmt.Errorf("row %d: column %s is infinite: mend it or choose --columns", i, t.names[c])
		}
		if c := slices.IndexFunc(row, math.IsNaN); c >= 0 {
			if o.Missing != "drop" {
				return nil, fmt.Errorf("row %d: column %s is NaN: mend it, choose --columns, or leave such rows out with --missing drop", i, t.names[c])
			}
			dropped++
			continue
		}
		copy(t.values[kept*d:], row)
		kept++
	}
	t.values, t.context = t.values[:kept*d], len(o.words)
	if err := o.words.classify(t); err != nil {
		return nil, err
	}
	if dropped > 0 {
		o.report("%s: %d of %d rows left out for want of a value (NaN)", name, dropped, dropped+kept)
	}
	return t, checkSize(t.rows(), d)
}
