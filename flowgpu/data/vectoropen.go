package data

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// VectorOptions say how vectors are read. The zero value takes all columns as they are and refuses what is not clear.
type VectorOptions struct {
	Columns   []string // by name, in that order; none: all of them that are no context
	Context   []string // columns by name that a conditional model is told: NAME, or NAME:class where numbers are categories
	Delimiter string   // of text: "comma", "semicolon", "tab", "space" (any run of blanks) or ""; "": the one the first line has
	Header    string   // whether the first line of a text is names: "yes", "no", or "": if there is anything in it but numbers
	Missing   string   // rows that lack a value: "fail" (or "") or "drop"
	// Quantum is the step of quantised columns: "auto" (or "") finds it, "none" takes all as real numbers, a number is that of
	// all columns, and NAME=NUMBER,... that of some.
	Quantum string
	Raw     bool // columns are modelled as they are, not with mean 0 and variance 1
	// Scale, where its Std is not 0, takes the place of every column's mean and standard deviation, for data on a known interval.
	Scale Scale

	// Holdout is the share held out for validation, and again for the test, where the data has no split of its own; 0 is a
	// tenth. Seed and the number of the row decide.
	Holdout float64
	Seed    uint64

	// As, where it is given, is what the columns must be: those of a trained model. Nothing is then measured.
	As []Column
	// Given, where it is given, is the same of the context.
	Given []Condition
	// Report is told what the caller should know about the data, line by line.
	Report func(string)

	words dictionaries // of the columns that are context, once reading begins
}

// Scale is what all columns are shifted and divided by: x = (v - Mean)/Std.
type Scale struct{ Mean, Std float64 }

func (o VectorOptions) check() error {
	switch {
	case !slices.Contains([]string{"", "comma", "semicolon", "tab", "space"}, o.Delimiter):
		return fmt.Errorf("delimiter %q: must be comma, semicolon, tab or space", o.Delimiter)
	case !slices.Contains([]string{"", "yes", "no"}, o.Header):
		return fmt.Errorf("header %q: must be yes or no", o.Header)
	case !slices.Contains([]string{"", "fail", "drop"}, o.Missing):
		return fmt.Errorf("missing %q: must be fail or drop", o.Missing)
	case !(o.Holdout >= 0 && o.Holdout < 0.5):
		return fmt.Errorf("a held-out share of %v, and again for the test: must be at least 0 and less than 0.5", o.Holdout)
	}
	for i, name := range o.Columns {
		if slices.Contains(o.Columns[:i], name) {
			return fmt.Errorf("column %q is given twice", name)
		}
	}
	if err := o.checkRoles(); err != nil {
		return err
	}
	_, err := parseQuantum(o.Quantum)
	return err
}

func (o VectorOptions) report(format string, args ...any) {
	if o.Report != nil {
		o.Report(fmt.Sprintf(format, args...))
	}
}

// Of toys: as many as make an epoch that nobody notices, and that make the error of a mean small.
const (
	toyTrain = 1 << 20
	toyVal   = 10_000
	toyTest  = 50_000
)

// The seeds of a toy's three parts.
const (
	seedTrain = iota + 1
	seedVal
	seedTest
)

// OpenVectors gives the training, validation and test part of a set of vectors:
//
//	the name of a Toy       NAME is 2^20 samples, or NAME:N so many; 10,000 to validate and 50,000 to test with
//	.csv .tsv .txt .data    text, also gzipped: a row per line
//	.npy, .npz              numbers of shape (N, D) or (N). In an .npz, arrays x_train and x_test (and x_val), or train, test
//	                        (and val), are its split; one array alone is split; several of shape (N) are columns
//	a folder                train and test (and val or valid), each a file as above
//
// Where there is no validation part a share of the training part is held out, where there is no test part another.
func OpenVectors(name string, o VectorOptions) (train, val, test *Vectors, err error) {
	if err := o.check(); err != nil {
		return nil, nil, nil, fmt.Errorf("data %q: %w", name, err)
	}
	if toy, n, ok, err := parseToy(name); err != nil {
		return nil, nil, nil, err
	} else if ok {
		return openToy(toy, n, o)
	}
	o.words = o.dictionaries()
	whole, err := readParts(name, o)
	if err != nil {
		return nil, nil, nil, err
	}
	return whole.divide(name, o)
}

// OpenRows gives all rows of a set of vectors, whatever its parts, for a model of the columns in o.As.
func OpenRows(name string, o VectorOptions) (*Vectors, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("data %q: %w", name, err)
	}
	if IsToy(name) {
		_, _, test, err := OpenVectors(name, o)
		return test, err
	}
	o.words = o.dictionaries()
	whole, err := readParts(name, o)
	if err != nil {
		return nil, err
	}
	s := &Vectors{name: baseName(name), columns: o.As, context: o.Given, rows: whole.table.all()}
	return s, nil
}

// IsToy says whether a name is that of a toy, also with a number of samples.
func IsToy(name string) bool {
	_, _, toy, _ := parseToy(name)
	return toy
}

// IsVectors says whether a name is plainly that of vectors: a toy, or a text file.
func IsVectors(name string) bool {
	return IsToy(name) || isText(name)
}

// parseToy reads NAME or NAME:N.
func parseToy(name string) (toy Toy, n int, ok bool, err error) {
	name, count, given := strings.Cut(name, ":")
	if toy, ok = FindToy(name); !ok || !given {
		return toy, toyTrain, ok, nil
	}
	n, err = strconv.Atoi(count)
	if err != nil || n < 2 || n > 1<<30 {
		return toy, 0, true, fmt.Errorf("data %q: %q is no number of samples: give 2 to %d, or %s alone", name+":"+count, count, 1<<30, name)
	}
	return toy, n, true, nil
}

// openToy measures nothing but the training part's mean and standard deviation, on 2^14 samples.
func openToy(toy Toy, n int, o VectorOptions) (train, val, test *Vectors, err error) {
	t := &table{names: toy.Columns(), exact: true}
	for i := range min(n, 1<<14) {
		t.values = append(t.values, make([]float64, toy.D)...)
		toy.Sample(seedTrain, i, t.at(i))
	}
	o.Quantum = "none"
	order, err := choose(t.names, o.pick(t.names))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("data %q: %w", toy.Name, err)
	}
	roles := o.roles()
	if len(order) != toy.D || len(roles) == 0 && !slices.IsSorted(order) || len(roles) == toy.D {
		return nil, nil, nil, fmt.Errorf("data %q: its columns are %s, all or none, of which some but not all may be context", toy.Name, strings.Join(t.names, ", "))
	}
	if slices.ContainsFunc(roles, func(r role) bool { return r.class }) {
		return nil, nil, nil, fmt.Errorf("data %q: its columns are real numbers and no categories", toy.Name)
	}
	t, o.words = t.reorder(order, len(roles)), o.dictionaries()
	columns, err := o.columns(toy.Name, t, t.all())
	if err != nil {
		return nil, nil, nil, err
	}
	context, err := o.conditions(toy.Name, t, t.all())
	if err != nil {
		return nil, nil, nil, err
	}
	known := &toy
	if len(context) > 0 { // whose density is that of all columns
		known = nil
	}
	of := func(part string, seed uint64, n int) *Vectors {
		return &Vectors{name: toy.Name + " " + part, columns: columns, context: context, rows: draws{toy, seed, n, order}, toy: known}
	}
	return of("train", seedTrain, n), of("validation", seedVal, toyVal), of("test", seedTest, toyTest), nil
}

// parts is a table, and which of its rows are what where the data says so.
type parts struct {
	*table
	train, val, test int // rows of each, one after the other
}

// readParts reads a file, or the files of a folder.
func readParts(name string, o VectorOptions) (parts, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return parts{}, fmt.Errorf("data %q: no such file or folder, and none of %s; fetch tables with \"scripts/data sachs\" and the like", name, toyNames())
	case err != nil:
		return parts{}, fmt.Errorf("data: %w", err)
	case info.IsDir():
		return readFolder(name, o)
	}
	t, err := readTables(name, o)
	if err != nil {
		return parts{}, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// readTables reads one file.
func readTables(path string, o VectorOptions) (parts, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".npy", ".npz":
		return readNumbers(path, o)
	}
	if !isText(path) {
		return parts{}, errors.New("neither .csv, .tsv, .txt or .data (or one of them with .gz), nor .npy or .npz: give a file of that name")
	}
	t, err := readText(path, o)
	if err != nil {
		return parts{}, err
	}
	return parts{table: t, train: t.rows()}, nil
}

// readFolder reads train.*, test.* and val.* or valid.*.
func readFolder(root string, o VectorOptions) (parts, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return parts{}, fmt.Errorf("data: %w", err)
	}
	found := map[string]string{}
	for _, e := range entries {
		base, _, _ := strings.Cut(e.Name(), ".")
		if base == "valid" {
			base = "val"
		}
		if e.IsDir() || base != "train" && base != "val" && base != "test" {
			continue
		}
		if found[base] != "" {
			return parts{}, fmt.Errorf("data %q: both %s and %s: leave one", root, found[base], e.Name())
		}
		found[base] = e.Name()
	}
	if found["train"] == "" || found["test"] == "" {
		return parts{}, fmt.Errorf("data %q: no files train and test (.csv, .npy, ...) in this folder: give a file, or name them so", root)
	}
	var whole parts
	for _, base := range []string{"train", "val", "test"} {
		if found[base] == "" {
			continue
		}
		path := filepath.Join(root, found[base])
		p, err := readTables(path, o)
		if err != nil {
			return parts{}, fmt.Errorf("%s: %w", path, err)
		}
		if p.val+p.test > 0 {
			return parts{}, fmt.Errorf("%s: has parts of its own: give it alone", path)
		}
		if err := whole.add(base, p.table); err != nil {
			return parts{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	return whole, nil
}

// add appends a part's rows.
func (p *parts) add(base string, t *table) error {
	switch {
	case p.table == nil:
		p.table = t
	case !slices.Equal(p.names, t.names):
		return fmt.Errorf("columns %s, but the train part has %s", some(t.names), some(p.names))
	default:
		p.values = append(p.values, t.values...)
		p.exact = p.exact && t.exact
	}
	switch base {
	case "train":
		p.train = t.rows()
	case "val":
		p.val = t.rows()
	case "test":
		p.test = t.rows()
	}
	return checkSize(p.rows(), len(p.names))
}

// divide makes the three parts.
func (p parts) divide(name string, o VectorOptions) (train, val, test *Vectors, err error) {
	base := strings.TrimSuffix(baseName(name), filepath.Ext(name))
	share := o.Holdout
	if share == 0 {
		share = 0.1
	}
	index := map[string][]int32{}
	for i := range p.rows() {
		to := "train"
		switch {
		case i >= p.train+p.val:
			to = "test"
		case i >= p.train:
			to = "validation"
		default:
			u := uniformOf(o.Seed, strconv.Itoa(i))
			if u < share && p.val == 0 {
				to = "validation"
			} else if u >= 1-share && p.test == 0 {
				to = "test"
			}
		}
		index[to] = append(index[to], int32(i))
	}
	for _, part := range []string{"train", "validation", "test"} {
		if len(index[part]) == 0 {
			return nil, nil, nil, fmt.Errorf("data %q: %d rows leave none for the %s part: add rows, or give another held-out share or seed", name, p.rows(), part)
		}
	}
	if p.dims() < 1 {
		return nil, nil, nil, fmt.Errorf("data %q: all columns are context: leave one to model", name)
	}
	of := func(which string) part { return part{p.table, index[which]} }
	columns, err := o.columns(name, p.table, of("train"))
	if err != nil {
		return nil, nil, nil, err
	}
	context, err := o.conditions(name, p.table, of("train"))
	if err != nil {
		return nil, nil, nil, err
	}
	set := func(which string) *Vectors {
		return &Vectors{name: base + " " + which, columns: columns, context: context, rows: of(which)}
	}
	return set("train"), set("validation"), set("test"), nil
}
