package data

import "fmt"

// Column is one dimension of a set of vectors, and how its values v become what a model sees,
//
//	x = (v + Step*u - Mean)/Std,   u uniform on [0, 1)
//
// so that x has mean 0 and variance 1 over the training part. The noise is the model's to add.
type Column struct {
	Name string
	Mean float64 // of v + Step*u
	Std  float64 // of the same; 1 (and Mean 0) where columns are modelled as they are
	Step float64 // values are whole multiples of it, and are spread over the step that they stand for; 0: real numbers
}

// scaled is what a model sees of a value, but for the noise.
func (c Column) scaled(v float64) float32 { return float32((v - c.Mean) / c.Std) }

// Vectors is a Source of real-valued vectors: D channels of one pixel. Its rows lie in memory, or are samples of a Toy.
type Vectors struct {
	name    string
	columns []Column
	context []Condition
	rows    rows
	toy     *Toy // what they are samples of; nil: of nobody knows what
}

// rows are vectors in the units of the data.
type rows interface {
	len() int
	put(dst []float32, columns []Column, i, at, n int) // row i as sample at of a batch of n
	row(i int, v []float64)
	given(i, context int) []float64 // the values of its context, of so many columns
}

// Info gives a set of D channels, height and width 1, and no levels.
func (s *Vectors) Info() Info {
	return Info{Name: s.name, C: len(s.columns), H: 1, W: 1, N: s.rows.len(), Context: Features(s.context)}
}

// Columns says what the dimensions are. The slice is not to be changed.
func (s *Vectors) Columns() []Column { return s.columns }

// Row writes row i to v [D], in the units of the data.
func (s *Vectors) Row(i int, v []float64) { s.rows.row(i, v) }

// Toy is the distribution that the rows are samples of, where it is known.
func (s *Vectors) Toy() (Toy, bool) {
	if s.toy == nil {
		return Toy{}, false
	}
	return *s.toy, true
}

// Label must not be asked for: vectors have no classes.
func (s *Vectors) Label(int) int32 { panic("data: vectors have no classes") }

// Load writes what a model sees of a row, without noise, as sample i of a batch of n, [D][n]. It always succeeds.
func (s *Vectors) Load(dst []float32, sample, i, n int) error {
	s.rows.put(dst, s.columns, sample, i, n)
	return nil
}

// Fill writes rows from .. from+n-1 to dst as one batch, [D][n]. It always succeeds.
func (s *Vectors) Fill(dst []float32, from, n int) error {
	if from < 0 || n < 0 || from+n > s.rows.len() || len(dst) < n*len(s.columns) {
		panic("data: Fill out of range")
	}
	for i := range n {
		s.rows.put(dst, s.columns, from+i, i, n)
	}
	return nil
}

// draws are samples of a toy, made when they are wanted.
type draws struct {
	toy   Toy
	seed  uint64
	n     int
	order []int // of the dimensions, of which the last may be context
}

func (d draws) len() int { return d.n }

func (d draws) row(i int, v []float64) {
	all := make([]float64, d.toy.D)
	d.toy.Sample(d.seed, i, all)
	for c := range v {
		v[c] = all[d.order[c]]
	}
}

func (d draws) given(i, context int) []float64 {
	v := make([]float64, d.toy.D)
	d.row(i, v)
	return v[d.toy.D-context:]
}

func (d draws) put(dst []float32, columns []Column, i, at, n int) {
	v := make([]float64, len(columns))
	d.row(i, v)
	for c, x := range v {
		dst[c*n+at] = columns[c].scaled(x)
	}
}

// part is some rows of a table.
type part struct {
	*table
	index []int32
}

func (p part) len() int { return len(p.index) }

func (p part) row(i int, v []float64) { copy(v, p.at(int(p.index[i]))) }

func (p part) put(dst []float32, columns []Column, i, at, n int) {
	for c, x := range p.at(int(p.index[i]))[:len(columns)] {
		dst[c*n+at] = columns[c].scaled(x)
	}
}

func (p part) given(i, context int) []float64 { return p.at(int(p.index[i]))[len(p.names)-context:] }

// table is a file of numbers.
type table struct {
	names  []string
	values []float64 // [rows][columns]
	exact  bool      // values have the precision of a float64, not only of a float32

	context int // of the columns, how many of the last are context
}

// dims is how many columns are no context.
func (t *table) dims() int { return len(t.names) - t.context }

func (t *table) rows() int { return len(t.values) / len(t.names) }

func (t *table) at(i int) []float64 { return t.values[i*len(t.names):][:len(t.names)] }

// all are all rows.
func (t *table) all() part {
	p := part{table: t, index: make([]int32, t.rows())}
	for i := range p.index {
		p.index[i] = int32(i)
	}
	return p
}

// maxRows keeps row numbers in 32 bits.
const maxRows = 1<<31 - 1

// checkSize refuses what is not a table of a reasonable size.
func checkSize(rows, columns int) error {
	switch {
	case columns < 1:
		return fmt.Errorf("no columns")
	case columns > maxColumns:
		return fmt.Errorf("%d columns: vectors have at most %d", columns, maxColumns)
	case rows < 1:
		return fmt.Errorf("no rows")
	case rows > maxRows:
		return fmt.Errorf("%d rows: at most %d are read", rows, maxRows)
	}
	return nil
}

// maxColumns is the most dimensions that a model takes.
const maxColumns = 1 << 10
