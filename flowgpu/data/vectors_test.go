package data

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cuflow/flowgpu/internal/npy"
)

// written puts a file into a new folder.
func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantText checks that an error says all of what it should, in one line.
func wantText(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", want)
		return
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error lacks %q: %v", w, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %v", err)
	}
}

// all gives the rows of a set.
func all(s *Vectors) (rows [][]float64) {
	for i := range s.Info().N {
		v := make([]float64, s.Info().C)
		s.Row(i, v)
		rows = append(rows, v)
	}
	return rows
}

func names(s *Vectors) (names []string) {
	for _, c := range s.Columns() {
		names = append(names, c.Name)
	}
	return names
}

// TestTextForms: the same table in every form that text has.
func TestTextForms(t *testing.T) {
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	fmt.Fprint(z, "a,b\n1,2.5\n-3,1e3\n")
	z.Close()
	for name, tc := range map[string]struct {
		file, text string
		o          VectorOptions
		names      []string
	}{
		"header":           {"x.csv", "a,b\n1,2.5\n-3,1e3\n", VectorOptions{}, []string{"a", "b"}},
		"no last newline":  {"x.csv", "a,b\n1,2.5\n-3,1e3", VectorOptions{}, []string{"a", "b"}},
		"Windows":          {"x.csv", "\ufeffa,b\r\n1,2.5\r\n-3,1e3\r\n", VectorOptions{}, []string{"a", "b"}},
		"no header":        {"x.csv", "1,2.5\n-3,1e3\n", VectorOptions{}, []string{"c1", "c2"}},
		"header of words":  {"x.csv", "a,b\n1,2.5\n-3,1e3\n", VectorOptions{Header: "yes"}, []string{"a", "b"}},
		"header of years":  {"x.csv", "2019,2020\n1,2.5\n-3,1e3\n", VectorOptions{Header: "yes"}, []string{"2019", "2020"}},
		"quoted":           {"x.csv", "\"a, b\",\"c \"\"d\"\"\"\n\"1\",2.5\n-3,\"1e3\"\n", VectorOptions{}, []string{"a, b", `c "d"`}},
		"unnamed":          {"x.csv", ",b\n1,2.5\n-3,1e3\n", VectorOptions{}, []string{"c1", "b"}},
		"tabs":             {"x.tsv", "a\tb\n1\t2.5\n-3\t1e3\n", VectorOptions{}, []string{"a", "b"}},
		"semicolons":       {"x.csv", "a,a;b\n1;2.5\n-3;1e3\n", VectorOptions{Delimiter: "semicolon"}, []string{"a,a", "b"}},
		"semicolons found": {"x.txt", "a;b\n1;2.5\n-3;1e3\n", VectorOptions{}, []string{"a", "b"}},
		"blanks":           {"x.data", "  a   b\n\n 1   2.5\n -3\t1e3  \n", VectorOptions{Delimiter: "space"}, []string{"a", "b"}},
		"blanks found":     {"x.data", "a  b\n1  2.5\n-3  1e3\n", VectorOptions{}, []string{"a", "b"}},
		"blanks around":    {"x.csv", " a , b\n 1 , 2.5\n -3 , 1e3\n", VectorOptions{}, []string{"a", "b"}},
		"gzipped":          {"x.csv.gz", gz.String(), VectorOptions{}, []string{"a", "b"}},
		"other columns":    {"x.csv", "z,b,a\nword,2.5,1\n,1e3,-3\n", VectorOptions{Columns: []string{"a", "b"}}, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			table, err := readText(written(t, tc.file, tc.text), tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(table.names, tc.names) || !slices.Equal(table.values, []float64{1, 2.5, -3, 1e3}) {
				t.Errorf("columns %q, values %v", table.names, table.values)
			}
		})
	}
}

func TestBadText(t *testing.T) {
	for name, tc := range map[string]struct {
		file, text string
		o          VectorOptions
		want       []string
	}{
		"empty":             {"x.csv", "", VectorOptions{}, []string{"x.csv: the file is empty"}},
		"header alone":      {"x.csv", "a,b\n", VectorOptions{}, []string{"x.csv: no rows"}},
		"no value":          {"x.csv", "a,b\n1,2\n3,\n", VectorOptions{}, []string{"line 3: column b has no value", "--missing drop"}},
		"NaN":               {"x.csv", "a,b\n1,NaN\n", VectorOptions{}, []string{"line 2: column b has no value (\"NaN\")"}},
		"question mark":     {"x.csv", "a,b\n1,2\n ? ,2\n", VectorOptions{}, []string{"line 3: column a has no value"}},
		"infinity":          {"x.csv", "a,b\n1,-Inf\n", VectorOptions{}, []string{"line 2: column b has \"-Inf\", which is infinite"}},
		"too large":         {"x.csv", "a,b\n1e999,2\n", VectorOptions{}, []string{"line 2: column a has \"1e999\", which is infinite"}},
		"word":              {"x.csv", "a,b,c\n1,red,3\n", VectorOptions{}, []string{"line 2: column b has \"red\", which is no number", "--columns a,c"}},
		"words only":        {"x.csv", "a\nred\n", VectorOptions{}, []string{"line 2: column a has \"red\"", "--delimiter"}},
		"comma for a point": {"x.csv", "a;b\n1;2,5\n", VectorOptions{}, []string{"line 2: column b has \"2,5\""}},
		"short row":         {"x.csv", "a,b\n1,2\n3\n", VectorOptions{}, []string{"line 3 has 1 values, but the first line 2"}},
		"long row":          {"x.csv", "1,2\n3,4,5\n", VectorOptions{}, []string{"line 2 has 3 values, but the first line 2"}},
		"unclosed quote":    {"x.csv", "a,b\n1,\"2\n3,4\n", VectorOptions{}, []string{"line ", "quote"}},
		"line of a quote":   {"x.csv", "a,b\n\"1\n\",2\n3,x\n", VectorOptions{}, []string{"line 4: column b"}},
		"mixed first line":  {"x.csv", "1,2,red\n3,4,blue\n", VectorOptions{}, []string{"numbers and words", "--header yes or no"}},
		"wrong column":      {"x.csv", "a,b\n1,2\n", VectorOptions{Columns: []string{"a", "B"}}, []string{`no column "B": there are a, b`}},
		"column twice":      {"x.csv", "a,b\n1,2\n", VectorOptions{Columns: []string{"a", "a"}}, []string{`column "a" is given twice`}},
		"twin columns":      {"x.csv", "a,a\n1,2\n", VectorOptions{}, []string{`two columns are named "a"`}},
		"constant":          {"x.csv", "a,b\n" + strings.Repeat("1,2\n3,2\n", 30), VectorOptions{}, []string{"column b has the value 2 in all rows", "--columns"}},
		"few rows":          {"x.csv", "a,b\n1,2\n3,4\n", VectorOptions{}, []string{"2 rows leave none for the"}},
		"all rows dropped":  {"x.csv", "a,b\n,2\n3,\n", VectorOptions{Missing: "drop"}, []string{"no rows"}},
		"cut gzip":          {"x.csv.gz", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", VectorOptions{}, []string{"x.csv.gz", "cut short"}},
		"no gzip":           {"x.csv.gz", "\x1f\x8b\x00", VectorOptions{}, []string{"gzip"}},
		"other file":        {"x.pdf", "1,2\n", VectorOptions{}, []string{"x.pdf", ".csv", ".npz"}},
		"delimiter":         {"x.csv", "1,2\n", VectorOptions{Delimiter: "|"}, []string{`delimiter "|"`}},
		"header option":     {"x.csv", "1,2\n", VectorOptions{Header: "maybe"}, []string{`header "maybe"`}},
		"missing option":    {"x.csv", "1,2\n", VectorOptions{Missing: "mean"}, []string{`missing "mean"`}},
		"share":             {"x.csv", "1,2\n", VectorOptions{Holdout: 0.5}, []string{"share of 0.5"}},
		"quantum":           {"x.csv", "1,2\n", VectorOptions{Quantum: "-1"}, []string{`quantum "-1"`}},
		"quantum of none":   {"x.csv", "a\n" + strings.Repeat("1\n2\n", 30), VectorOptions{Quantum: "b=1"}, []string{`names the column "b"`}},
		"wrong quantum":     {"x.csv", "a\n" + strings.Repeat("1\n2.5\n", 30), VectorOptions{Quantum: "a=1"}, []string{"row 2 has the value 2.5 in column a", "no multiple of 1"}},
		"quantum of a word": {"x.csv", "a\n1\n", VectorOptions{Quantum: "a=one"}, []string{`"one" is no step`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := OpenVectors(written(t, tc.file, tc.text), tc.o)
			wantText(t, err, tc.want...)
		})
	}
	_, _, _, err := OpenVectors("no-such-thing", VectorOptions{})
	wantText(t, err, `"no-such-thing"`, "two-moons", "no such file")
	_, _, _, err = OpenVectors("two-moons:many", VectorOptions{})
	wantText(t, err, `"many" is no number of samples`)
	_, _, _, err = OpenVectors("two-moons", VectorOptions{Columns: []string{"z"}})
	wantText(t, err, "x, y")
}

// TestDroppedRows are counted, by column.
func TestDroppedRows(t *testing.T) {
	var notes []string
	o := VectorOptions{Missing: "drop", Report: func(s string) { notes = append(notes, s) }}
	table, err := readText(written(t, "x.csv", "a,b,c\n1,2,3\n,5,6\n7,NA,9\n1,null,\n4,5,6\n"), o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(table.values, []float64{1, 2, 3, 4, 5, 6}) {
		t.Errorf("rows %v", table.values)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "3 of 5 rows left out") || !strings.Contains(notes[0], "(a 1, b 2)") {
		t.Errorf("notes %q", notes)
	}
	notes = nil
	nan := math.NaN()
	table, err = tableOf(npy.Numbers{Shape: []int{3, 2}, Values: []float64{1, nan, 3, 4, nan, 6}}, "x.npy", o)
	if err != nil || !slices.Equal(table.values, []float64{3, 4}) || len(notes) != 1 || !strings.Contains(notes[0], "x.npy: 2 of 3 rows") {
		t.Errorf("rows %v, notes %q, %v", table, notes, err)
	}
}

// grid is n rows of text with two columns.
func grid(n int, row func(i int) string) string {
	var b strings.Builder
	b.WriteString("a,b\n")
	for i := range n {
		b.WriteString(row(i) + "\n")
	}
	return b.String()
}

// TestSplitIsOfSeedAndRow: reproducible, other for another seed, complete, disjoint, and each part of its share.
func TestSplitIsOfSeedAndRow(t *testing.T) {
	const n = 5000
	path := written(t, "x.csv", grid(n, func(i int) string { return fmt.Sprintf("%d,%d", i, i%7) }))
	open := func(o VectorOptions) (parts [3][]float64) {
		train, val, test, err := OpenVectors(path, o)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range []*Vectors{train, val, test} {
			for _, row := range all(s) {
				parts[i] = append(parts[i], row[0])
			}
		}
		return parts
	}
	first, again, other := open(VectorOptions{Seed: 1}), open(VectorOptions{Seed: 1}), open(VectorOptions{Seed: 2})
	seen := map[float64]bool{}
	for i := range first {
		if !slices.Equal(first[i], again[i]) {
			t.Errorf("part %d differs from one time to the next", i)
		}
		if slices.Equal(first[i], other[i]) {
			t.Errorf("part %d is the same for another seed", i)
		}
		for _, v := range first[i] {
			if seen[v] {
				t.Fatalf("row %v is in two parts", v)
			}
			seen[v] = true
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d rows", len(seen), n)
	}
	for i, want := range []float64{0.8, 0.1, 0.1} {
		if got := float64(len(first[i])) / n; math.Abs(got-want) > 0.02 {
			t.Errorf("part %d has a share of %v, not %v", i, got, want)
		}
	}
	quarter := open(VectorOptions{Seed: 1, Holdout: 0.25})
	if got := float64(len(quarter[1])) / n; math.Abs(got-0.25) > 0.03 {
		t.Errorf("a share of 0.25 gives %v", got)
	}
	inside := 0
	for _, v := range first[1] {
		if slices.Contains(quarter[1], v) {
			inside++
		}
	}
	if inside != len(first[1]) {
		t.Error("a greater share moves rows from one part to another")
	}
}

// TestStandardised: what a model sees has mean 0 and variance 1 over the training part, noise included, and the columns say how.
func TestStandardised(t *testing.T) {
	path := written(t, "x.csv", grid(4000, func(i int) string { return fmt.Sprintf("%d,%v", i%5*3, 1e6+math.Sin(float64(i))*1e-3) }))
	train, _, _, err := OpenVectors(path, VectorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := train.Info().N
	x := make([]float32, 2*n)
	if err := train.Fill(x, 0, n); err != nil {
		t.Fatal(err)
	}
	columns := train.Columns()
	if columns[0].Step != 3 || columns[1].Step != 0 {
		t.Errorf("steps %v and %v, want 3 and none", columns[0].Step, columns[1].Step)
	}
	for c, column := range columns {
		mean, squares := 0., 0.
		for i, v := range x[c*n:][:n] {
			// The noise takes the middles of 20 equal parts of the step in turn.
			noisy := float64(v) + column.Step/column.Std*(float64(i*7%20)+0.5)/20
			mean, squares = mean+noisy/float64(n), squares+noisy*noisy/float64(n)
		}
		if math.Abs(mean) > 0.01 || math.Abs(squares-1) > 0.02 {
			t.Errorf("column %s has mean %v and mean square %v", column.Name, mean, squares)
		}
	}
	// Far from 0 nothing of the second column's detail is lost in float32.
	row := make([]float64, 2)
	train.Row(3, row)
	if got := columns[1].Mean + columns[1].Std*float64(x[n+3]); math.Abs(got-row[1]) > 1e-9 {
		t.Errorf("the value %v comes back as %v", row[1], got)
	}
	raw, _, _, err := OpenVectors(path, VectorOptions{Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	if c := raw.Columns()[0]; c.Mean != 0 || c.Std != 1 || c.Step != 3 {
		t.Errorf("raw column %+v", c)
	}
	// A model's columns are taken as they are, by name and in its order.
	as := []Column{{Name: "b", Mean: 1, Std: 2}, {Name: "a", Mean: 3, Std: 4, Step: 0.5}}
	given, err := OpenRows(path, VectorOptions{As: as})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(given.Columns(), as) || given.Info().N != 4000 {
		t.Errorf("columns %v, %d rows", given.Columns(), given.Info().N)
	}
	given.Load(x, 1, 0, 1)
	if x[1] != 0 { // a is 3
		t.Errorf("the model sees %v, not (3-3)/4", x[1])
	}
	_, err = OpenRows(path, VectorOptions{As: []Column{{Name: "c", Std: 1}}})
	wantText(t, err, `no column "c"`)
}

func TestSteps(t *testing.T) {
	for name, tc := range map[string]struct {
		values  []float64
		inexact bool
		want    float64
	}{
		"integers":      {[]float64{1, 2, 5, -7}, false, 1},
		"multiples":     {[]float64{10, 25, -5, 0}, false, 5},
		"tenths":        {[]float64{0.1, 0.2, 0.7}, false, 0.1},
		"hundredths":    {[]float64{1.23, 0.01, 100}, false, 0.01},
		"quarters":      {[]float64{0.25, 0.5, 3}, false, 0.25},
		"millionths":    {[]float64{0.000001, 2}, false, 1e-6},
		"finer":         {[]float64{1e-7, 2}, false, 0},
		"real":          {[]float64{math.Pi, math.E, 1}, false, 0},
		"thirds":        {[]float64{1. / 3, 2. / 3}, false, 0},
		"large":         {[]float64{1e14, 1e14 + 1}, false, 1},
		"beyond digits": {[]float64{1e20, 3e20}, false, 0},
		"float32":       {[]float64{float64(float32(0.1)), float64(float32(0.7)), float64(float32(12.3))}, true, 0.1},
		"float32 real":  {[]float64{float64(float32(math.Pi)), float64(float32(math.E))}, true, 0},
	} {
		table := &table{names: []string{"a"}, values: tc.values, exact: !tc.inexact}
		if got := table.step(0); got != tc.want {
			t.Errorf("%s: step %v, want %v", name, got, tc.want)
		}
	}
}

func TestQuantumOptions(t *testing.T) {
	path := written(t, "x.csv", grid(300, func(i int) string { return fmt.Sprintf("%d,%.2f", i%9, float64(i%11)/4) }))
	for quantum, tc := range map[string]struct {
		a, b float64
		note string // "": none
	}{
		"":            {1, 0.25, "multiples of a step (a 1, b 0.25)"},
		"auto":        {1, 0.25, "multiples of a step (a 1, b 0.25)"},
		"none":        {0, 0, "few values are different (a 9, b 11, in 300 rows)"},
		"0.01":        {0.01, 0.01, ""},
		"b=0.05":      {0, 0.05, "few values are different (a 9, in 300 rows)"},
		"a=1, b=0.25": {1, 0.25, ""},
	} {
		var notes []string
		train, _, _, err := OpenVectors(path, VectorOptions{Quantum: quantum, Report: func(s string) { notes = append(notes, s) }})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := train.Columns()[0].Step, train.Columns()[1].Step; a != tc.a || b != tc.b {
			t.Errorf("quantum %q gives steps %v and %v, want %v and %v", quantum, a, b, tc.a, tc.b)
		}
		if all := strings.Join(notes, "; "); (tc.note == "") != (all == "") || !strings.Contains(all, tc.note) || len(notes) > 1 {
			t.Errorf("quantum %q: notes %q, want %q", quantum, notes, tc.note)
		}
	}
}

// npyFile is an array of float64.
func npyFile(shape []int, values ...float64) []byte {
	b := npy.AppendHeader(nil, "<f8", shape)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func counting(n int) (v []float64) {
	for i := range n {
		v = append(v, float64(i)+0.1*math.Sin(float64(i)))
	}
	return v
}

// npzFile is an archive of arrays.
func npzFile(t *testing.T, arrays map[string][]byte) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range arrays {
		w, err := z.Create(name + ".npy")
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return written(t, "x.npz", b.String())
}

func TestNumberFiles(t *testing.T) {
	train, val, test, err := OpenVectors(written(t, "x.npy", string(npyFile([]int{100, 2}, counting(200)...))), VectorOptions{Columns: []string{"c2"}})
	if err != nil {
		t.Fatal(err)
	}
	if n := train.Info().N + val.Info().N + test.Info().N; n != 100 || !slices.Equal(names(train), []string{"c2"}) || train.Info().Name != "x train" {
		t.Errorf("%d rows of %v", n, train.Info())
	}
	if train, _, _, err = OpenVectors(written(t, "x.npy", string(npyFile([]int{100}, counting(100)...))), VectorOptions{}); err != nil || train.Info().C != 1 {
		t.Errorf("one dimension: %v, %v", train, err)
	}
	// A split of its own; without a validation part, some of train.
	for _, part := range [][3]string{{"train", "val", "test"}, {"x_train", "x_val", "x_test"}, {"train", "", "test"}} {
		arrays := map[string][]byte{part[0]: npyFile([]int{50, 2}, counting(100)...), part[2]: npyFile([]int{20, 2}, counting(40)...), "y": npyFile([]int{1}, 0)}
		if part[1] != "" {
			arrays[part[1]] = npyFile([]int{10, 2}, counting(20)...)
		}
		var notes []string
		train, val, test, err := OpenVectors(npzFile(t, arrays), VectorOptions{Report: func(s string) { notes = append(notes, s) }})
		if err != nil {
			t.Fatal(err)
		}
		a, b, c := train.Info().N, val.Info().N, test.Info().N
		if c != 20 || part[1] != "" && (a != 50 || b != 10) || part[1] == "" && (a+b != 50 || b == 0) {
			t.Errorf("%v: parts of %d, %d and %d", part, a, b, c)
		}
		if len(notes) != 1 || !strings.Contains(notes[0], "not read: y") {
			t.Errorf("notes %q", notes)
		}
	}
	// Columns by name.
	path := npzFile(t, map[string][]byte{"mass": npyFile([]int{60}, counting(60)...), "age": npyFile([]int{60}, counting(60)...), "id": npyFile([]int{60}, counting(60)...)})
	if train, _, _, err = OpenVectors(path, VectorOptions{Columns: []string{"mass", "age"}}); err != nil || !slices.Equal(names(train), []string{"mass", "age"}) {
		t.Errorf("columns %v, %v", train, err)
	}
	// A folder of files.
	dir := t.TempDir()
	for name, n := range map[string]int{"train.csv": 40, "valid.csv": 7, "test.csv": 9, "readme.txt": 1} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(grid(n, func(i int) string { return fmt.Sprintf("%d,%d", i, i*i%5) })), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	train, val, test, err = OpenVectors(dir, VectorOptions{})
	if err != nil || train.Info().N != 40 || val.Info().N != 7 || test.Info().N != 9 {
		t.Errorf("a folder gives %v, %v, %v, %v", train, val, test, err)
	}
}

func TestBadNumberFiles(t *testing.T) {
	good := npyFile([]int{30, 2}, counting(60)...)
	bad := counting(60)
	bad[7] = math.NaN()
	infinite := counting(60)
	infinite[7] = math.Inf(1)
	for name, tc := range map[string]struct {
		path string
		want []string
	}{
		"empty":         {written(t, "x.npy", ""), []string{"not a NumPy array"}},
		"truncated":     {written(t, "x.npy", string(good[:len(good)-3])), []string{"needs 480 bytes, but 477 follow", "truncated"}},
		"header cut":    {written(t, "x.npy", string(good[:40])), []string{"cut short"}},
		"images":        {written(t, "x.npy", string(npyFile([]int{5, 3, 2}, counting(30)...))), []string{"shape (5, 3, 2)", "(N, D)"}},
		"NaN":           {written(t, "x.npy", string(npyFile([]int{30, 2}, bad...))), []string{"row 3: column c2 is NaN", "--missing drop"}},
		"infinity":      {written(t, "x.npy", string(npyFile([]int{30, 2}, infinite...))), []string{"row 3: column c2 is infinite"}},
		"no zip":        {written(t, "x.npz", "hello"), []string{"zip", "truncated or damaged"}},
		"no arrays":     {npzFile(t, nil), []string{"no arrays"}},
		"other lengths": {npzFile(t, map[string][]byte{"a": npyFile([]int{2}, 1, 2), "b": npyFile([]int{3}, 1, 2, 3)}), []string{"array b is of shape (3,)"}},
		"other widths":  {npzFile(t, map[string][]byte{"train": good, "test": npyFile([]int{2, 1}, 1, 2)}), []string{"columns c1, but the train part has c1, c2"}},
		"nothing":       {written(t, "x.npy", string(npyFile([]int{0, 2}))), []string{"nothing in it"}},
		"folder":        {t.TempDir(), []string{"no files train and test"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := OpenVectors(tc.path, VectorOptions{})
			wantText(t, err, tc.want...)
		})
	}
	_, _, err := OpenWith("table.csv", OpenOptions{})
	wantText(t, err, "vectors, not images", "realnvp-tab")
	_, _, err = OpenWith("two-moons", OpenOptions{})
	wantText(t, err, "vectors, not images")
}

// TestToySets: what a model sees of a toy is its samples, standardised; parts are independent.
func TestToySets(t *testing.T) {
	train, val, test, err := OpenVectors("spirals", VectorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if train.Info().N != toyTrain || val.Info().N != toyVal || test.Info().N != toyTest {
		t.Errorf("parts of %d, %d and %d", train.Info().N, val.Info().N, test.Info().N)
	}
	a, b, c := make([]float64, 2), make([]float64, 2), make([]float64, 2)
	train.Row(5, a)
	val.Row(5, b)
	test.Row(5, c)
	if a[0] == b[0] || b[0] == c[0] || a[0] == c[0] {
		t.Errorf("rows 5 of the parts are %v, %v and %v", a, b, c)
	}
	x := make([]float32, 2*1000)
	train.Fill(x, 0, 1000)
	mean, squares := 0., 0.
	for _, v := range x {
		mean, squares = mean+float64(v)/2000, squares+float64(v)*float64(v)/2000
	}
	if math.Abs(mean) > 0.1 || math.Abs(squares-1) > 0.1 {
		t.Errorf("mean %v, mean square %v", mean, squares)
	}
	if toy, ok := test.Toy(); !ok || toy.Name != "spirals" {
		t.Error("a toy does not know itself")
	}
	some, _, _, err := OpenVectors("spirals:700", VectorOptions{})
	if err != nil || some.Info().N != 700 || !slices.Equal(all(some)[5], a) {
		t.Errorf("700 of them: %v, %v", some.Info(), err)
	}
}

// TestVectorBatches: a Loader makes of vectors what it makes of images.
func TestVectorBatches(t *testing.T) {
	train, _, _, err := OpenVectors("two-moons:100", VectorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l := NewLoader(train, 8, 3, 0, 0)
	defer l.Close()
	order := Order(100, 3, 0, nil)
	b := l.Next()
	for i, sample := range order[:8] {
		x := make([]float32, 2)
		train.Fill(x, int(sample), 1)
		if b.X[i] != x[0] || b.X[8+i] != x[1] {
			t.Errorf("sample %d of the batch is %v, %v, want %v", i, b.X[i], b.X[8+i], x)
		}
	}
	l.Release(b)
}

// FuzzText: whatever a text holds is a table or an error.
func FuzzText(f *testing.F) {
	f.Add("a,b\n1,2\n")
	f.Add("\"a\";b\n1;2\n\n3;?\n")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := parseText(strings.NewReader(text), "x", VectorOptions{Missing: "drop"}, nil)
		if err == nil && (len(table.values) != table.rows()*len(table.names) || slices.ContainsFunc(table.values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })) {
			t.Errorf("a table of %d columns and the values %v", len(table.names), table.values)
		}
	})
}
