package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// isText says whether a file is a table in text by its name.
func isText(path string) bool {
	path = strings.ToLower(path)
	return slices.Contains([]string{".csv", ".tsv", ".txt", ".data"}, filepath.Ext(strings.TrimSuffix(path, ".gz")))
}

// readText reads a table of numbers, a row per line.
func readText(path string, o VectorOptions) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err) // the path is told
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	counted := &counter{r: f}
	buffered := bufio.NewReaderSize(counted, 1<<16)
	var in io.Reader = buffered
	if start, _ := buffered.Peek(2); bytes.Equal(start, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("damaged or truncated gzip (%w)", err)
		}
		in = z
	}
	t, err := parseText(in, path, o, func(rows int) int { // how many rows there will be, should the rest be as long
		return int(float64(rows) * float64(info.Size()) / float64(max(counted.n, 1)))
	})
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("the file was cut short (%w)", err)
	}
	return t, err
}

// counter counts the bytes read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// parseText reads the rows; expect guesses from those read so far how many there are.
func parseText(r io.Reader, name string, o VectorOptions, expect func(rows int) int) (*table, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	if start, _ := in.Peek(3); string(start) == "\xef\xbb\xbf" { // a byte order mark
		in.Discard(3)
	}
	lines, err := splitter(in, o.Delimiter)
	if err != nil {
		return nil, err
	}
	first, line, err := lines.next()
	if err == io.EOF {
		return nil, errors.New("the file is empty")
	}
	if err != nil {
		return nil, err
	}
	isHeader, err := headed(first, o.Header)
	if err != nil {
		return nil, err
	}
	p := &textParser{o: o, name: name, words: o.words, lacking: map[string]int{}}
	if isHeader {
		p.names, err = unique(first)
	} else {
		for i := range first {
			p.names = append(p.names, fmt.Sprintf("c%d", i+1))
		}
	}
	if err != nil {
		return nil, err
	}
	if p.chosen, err = choose(p.names, o.pick(p.names)); err != nil {
		return nil, err
	}
	p.t = &table{names: pickNames(p.names, p.chosen), exact: true, context: len(o.words)}
	if !isHeader {
		if err := p.row(first, line); err != nil {
			return nil, err
		}
	}
	for {
		fields, line, err := lines.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(fields) != len(p.names) {
			return nil, fmt.Errorf("line %d has %d values, but the first line %d: mend it, or give the right --delimiter", line, len(fields), len(p.names))
		}
		if err := p.row(fields, line); err != nil {
			return nil, err
		}
		if p.t.rows() == 1<<12 && expect != nil {
			p.t.values = slices.Grow(p.t.values, max(0, expect(1<<12)*len(p.t.names)*51/50-len(p.t.values)))
		}
	}
	p.reportDropped()
	return p.t, checkSize(p.t.rows(), len(p.t.names))
}

// textParser turns fields into numbers.
type textParser struct {
	o       VectorOptions
	name    string
	names   []string // of all columns
	chosen  []int
	t       *table
	dropped int
	lacking map[string]int // dropped rows by the first column that lacks a value
	words   dictionaries   // of the columns that are context
}

func (p *textParser) row(fields []string, line int) error {
	start := len(p.t.values)
	for _, c := range p.chosen {
		text := strings.TrimSpace(fields[c])
		if missing(text) {
			if p.o.Missing != "drop" {
				return fmt.Errorf("line %d: column %s has no value (%q): mend it, choose --columns, or leave such rows out with --missing drop", line, p.names[c], fields[c])
			}
			p.t.values = p.t.values[:start]
			p.dropped++
			p.lacking[p.names[c]]++
			return nil
		}
		v, err := strconv.ParseFloat(text, 64)
		if d := p.words[p.names[c]]; d != nil {
			known, ok, bad := d.value(text)
			switch {
			case bad != nil:
				return fmt.Errorf("line %d: context %s: %w", line, p.names[c], bad)
			case !ok:
				return fmt.Errorf("line %d: context %s has %q among numbers: mend it, or say that it is a category with --context %s:class", line, p.names[c], fields[c], p.names[c])
			case d.class:
				p.t.values = append(p.t.values, known)
				continue
			}
		}
		switch {
		case err != nil && !errors.Is(err, strconv.ErrRange):
			return fmt.Errorf("line %d: column %s has %q, which is no number: %s", line, p.names[c], fields[c], p.remedy(fields))
		case math.IsInf(v, 0):
			return fmt.Errorf("line %d: column %s has %q, which is infinite: mend it or choose --columns", line, p.names[c], fields[c])
		}
		p.t.values = append(p.t.values, v)
	}
	return nil
}

// remedy names the columns that have numbers in a row.
func (p *textParser) remedy(fields []string) string {
	var good []string
	for _, c := range p.chosen {
		if isNumber(fields[c]) {
			good = append(good, p.names[c])
		}
	}
	if len(good) == 0 {
		return "mend it or give the right --delimiter or --header"
	}
	return "mend it, or choose columns with --columns " + strings.Join(good, ",")
}

func (p *textParser) reportDropped() {
	if p.dropped == 0 {
		return
	}
	var counts []string
	for _, name := range p.names {
		if n := p.lacking[name]; n > 0 {
			counts = append(counts, fmt.Sprintf("%s %d", name, n))
		}
	}
	p.o.report("%s: %d of %d rows left out for want of a value (%s)", p.name, p.dropped, p.dropped+p.t.rows(), strings.Join(counts, ", "))
}

// missing are the ways to write that there is no value.
func missing(text string) bool {
	switch strings.ToLower(text) {
	case "", "na", "n/a", "nan", "null", "none", "?":
		return true
	}
	return false
}

func isNumber(text string) bool {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return err == nil && !math.IsNaN(v)
}

// headed says whether a first line is names.
func headed(fields []string, header string) (bool, error) {
	if header != "" {
		return header == "yes", nil
	}
	numbers, words := 0, 0
	for _, f := range fields {
		if isNumber(f) {
			numbers++
		} else if !missing(strings.TrimSpace(f)) {
			words++
		}
	}
	if numbers > 0 && words > 0 {
		return false, fmt.Errorf("the first line (%s) has numbers and words: say with --header yes or no whether it is names", some(fields))
	}
	return words > 0, nil
}

// unique trims the names of a header. One that is empty becomes that of its number.
func unique(fields []string) (names []string, err error) {
	for i, f := range fields {
		name := strings.TrimSpace(f)
		if name == "" {
			name = fmt.Sprintf("c%d", i+1)
		}
		if slices.Contains(names, name) {
			return nil, fmt.Errorf("two columns are named %q: rename one", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// choose finds columns by name; none asked for means all.
func choose(names, wanted []string) (chosen []int, err error) {
	if wanted == nil {
		for i := range names {
			chosen = append(chosen, i)
		}
		return chosen, nil
	}
	for _, w := range wanted {
		i := slices.Index(names, w)
		if i < 0 {
			return nil, fmt.Errorf("no column %q: there are %s", w, some(names))
		}
		chosen = append(chosen, i)
	}
	return chosen, nil
}

func pickNames(names []string, chosen []int) (picked []string) {
	for _, c := range chosen {
		picked = append(picked, names[c])
	}
	return picked
}

// lines gives the fields of one line after the other; they are good until the next. Lines count from 1.
type lines interface {
	next() (fields []string, line int, err error)
}

// splitter chooses how lines are split.
func splitter(in *bufio.Reader, delimiter string) (lines, error) {
	if delimiter == "" {
		start, err := in.Peek(1 << 15)
		if err != nil && err != io.EOF {
			return nil, err
		}
		delimiter = guess(start)
	}
	if delimiter == "space" {
		s := bufio.NewScanner(in)
		s.Buffer(nil, 1<<24)
		return &blanks{s: s}, nil
	}
	r := csv.NewReader(in)
	r.Comma = map[string]rune{"comma": ',', "semicolon": ';', "tab": '\t'}[delimiter]
	r.FieldsPerRecord, r.ReuseRecord, r.TrimLeadingSpace = -1, true, delimiter != "tab"
	return commas{r}, nil
}

// guess is the delimiter that the first line has most of outside of quotes; blanks are taken where there is no other.
func guess(start []byte) string {
	counts, quoted, blank := map[byte]int{}, false, false
	for _, b := range bytes.TrimLeft(start, "\r\n") {
		if b == '"' {
			quoted = !quoted
		}
		if quoted {
			continue
		}
		if b == '\n' {
			break
		}
		counts[b]++
		blank = blank || b == ' '
	}
	best, name := 0, "comma"
	for _, d := range []struct {
		b    byte
		name string
	}{{',', "comma"}, {';', "semicolon"}, {'\t', "tab"}} {
		if counts[d.b] > best {
			best, name = counts[d.b], d.name
		}
	}
	if best == 0 && blank {
		return "space"
	}
	return name
}

// commas are lines of fields between commas or the like, quoted where they hold one: RFC 4180.
type commas struct{ r *csv.Reader }

func (c commas) next() ([]string, int, error) {
	fields, err := c.r.Read()
	if err != nil {
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return nil, 0, fmt.Errorf("line %d: %w: mend the quotes, or give the right --delimiter", bad.Line, bad.Err)
		}
		return nil, 0, err
	}
	line, _ := c.r.FieldPos(0)
	return fields, line, nil
}

// blanks are lines of fields between blanks.
type blanks struct {
	s    *bufio.Scanner
	line int
}

func (b *blanks) next() ([]string, int, error) {
	for b.s.Scan() {
		b.line++
		if fields := strings.Fields(b.s.Text()); len(fields) > 0 {
			return fields, b.line, nil
		}
	}
	if err := b.s.Err(); err != nil {
		return nil, 0, err
	}
	return nil, 0, io.EOF
}
