package data

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func tableFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// Context columns are taken out of the dimensions, standardised over the training part or made categories in their order, and reach
// batches beside the rows they belong to.
func TestContextOfText(t *testing.T) {
	text := "x,kind,a,year\n"
	for i := range 40 {
		text += []string{"1.5,old,10,1999\n", "2.25,new,20,2001\n", "-3.5,old,40,2000.0\n"}[i%3]
	}
	path := tableFile(t, "t.csv", text)
	train, _, test, err := OpenVectors(path, VectorOptions{Context: []string{"a", "kind", "year:class"}, Quantum: "none"})
	if err != nil {
		t.Fatal(err)
	}
	info := train.Info()
	if info.C != 1 || info.Context != 1+2+3 || train.Columns()[0].Name != "x" {
		t.Fatalf("%+v, columns %v", info, train.Columns())
	}
	context := train.Context()
	if !slices.Equal(context[1].Values, []string{"new", "old"}) || !slices.Equal(context[2].Values, []string{"1999", "2000", "2001"}) {
		t.Fatalf("categories %v, %v", context[1].Values, context[2].Values)
	}
	mean, n := 0., 0
	for i := range info.N {
		mean += train.ContextRow(i)[0]
		n++
	}
	if got := mean / float64(n); context[0].Mean < got-1e-9 || context[0].Mean > got+1e-9 {
		t.Errorf("mean %v, want %v", context[0].Mean, got)
	}
	want := map[float64][5]float32{1.5: {0, 1, 1, 0, 0}, 2.25: {1, 0, 0, 0, 1}, -3.5: {0, 1, 0, 1, 0}}
	value := map[float64]float64{1.5: 10, 2.25: 20, -3.5: 40}
	dst := make([]float32, 6*3)
	for i := range test.Info().N {
		v := []float64{0}
		test.Row(i, v)
		test.Given(dst, i, 1, 3)
		if dst[1] != float32((value[v[0]]-context[0].Mean)/context[0].Std) {
			t.Errorf("row %d: a is %v", i, dst[1])
		}
		for f, w := range want[v[0]] {
			if dst[3*(1+f)+1] != w {
				t.Errorf("row %d, feature %d is %v, want %v", i, 1+f, dst[3*(1+f)+1], w)
			}
		}
	}
	l := NewLoader(train, 4, 1, 0, 0)
	defer l.Close()
	b := l.Next()
	for i := range 4 {
		x := train.Columns()[0].Mean + train.Columns()[0].Std*float64(b.X[i])
		for v, w := range want {
			if x > v-1e-3 && x < v+1e-3 && b.Context[4+i] != w[0] {
				t.Errorf("sample %d of a batch has the context of another", i)
			}
		}
	}

	// A trained model reads other files by the names of its columns, in any order, and knows its categories.
	as := VectorOptions{As: train.Columns(), Given: context}
	rows, err := OpenRows(tableFile(t, "u.csv", "year,a,more,kind,x\n2001,30,0,new,1\n"), as)
	if err != nil {
		t.Fatal(err)
	}
	if got := rows.ContextRow(0); !slices.Equal(got, []float64{30, 0, 2}) {
		t.Errorf("context %v", got)
	}
	alone, err := OpenContext(tableFile(t, "c.csv", "year,a,kind\n2000,5,old\n"), as)
	if err != nil {
		t.Fatal(err)
	}
	if got := alone.ContextRow(0); alone.Info().C != 0 || !slices.Equal(got, []float64{5, 1, 1}) {
		t.Errorf("a context alone: %v", got)
	}
	for text, want := range map[string]string{
		"year,a,x\n2001,30,1\n":         `no column "kind"`,
		"year,a,kind,x\n2001,3,far,1\n": `"far" is no category that the model knows, which are new, old`,
	} {
		if _, err := OpenRows(tableFile(t, "v.csv", text), as); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if v, err := ParseContext("kind=new, a=2,year=1999.0", context); err != nil || !slices.Equal(v, []float64{2, 0, 0}) {
		t.Errorf("%v, %v", v, err)
	}
	for text, want := range map[string]string{
		"a=1,kind=new": "year is missing", "a=1,a=2": "twice", "b=1": `no column "b"`, "a": "NAME=VALUE", "a=x": "give a number",
		"kind=odd": "one of new, old", "a=nan": "give a number",
	} {
		if _, err := ParseContext(text, context); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// Arrays have columns c1, c2, ...; numbers become categories where that is asked for.
func TestContextOfNumbers(t *testing.T) {
	var values []float64
	for i := range 30 {
		values = append(values, float64(i)/7, float64(i%3)-1, float64(i*i))
	}
	path := tableFile(t, "a.npy", string(npyFile([]int{30, 3}, values...)))
	train, _, _, err := OpenVectors(path, VectorOptions{Context: []string{"c2:class"}})
	if err != nil {
		t.Fatal(err)
	}
	if c := train.Context(); len(train.Columns()) != 2 || !slices.Equal(c[0].Values, []string{"-1", "0", "1"}) {
		t.Fatalf("%v, %v", train.Columns(), c)
	}
	v := make([]float64, 2)
	for i := range train.Info().N {
		train.Row(i, v)
		if row := int(v[0]*7 + 0.5); int(train.ContextRow(i)[0]) != row%3 {
			t.Errorf("row %d has category %v", row, train.ContextRow(i))
		}
	}
}

// Toys are tables as well: of two moons, p(y | x).
func TestContextOfToys(t *testing.T) {
	train, _, _, err := OpenVectors("two-moons:1000", VectorOptions{Context: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	whole, _, _, err := OpenVectors("two-moons:1000", VectorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	row, all := make([]float64, 1), make([]float64, 2)
	for i := range 10 {
		train.Row(i, row)
		whole.Row(i, all)
		if row[0] != all[1] || train.ContextRow(i)[0] != all[0] {
			t.Errorf("row %d: %v given %v, but both are %v", i, row, train.ContextRow(i), all)
		}
	}
	if _, known := train.Toy(); known {
		t.Error("the density of both columns is taken for that of one")
	}
}

func TestContextErrors(t *testing.T) {
	path := tableFile(t, "t.csv", strings.Repeat("a,b,c\n", 1)+strings.Repeat("1,2,x\n2,4,x\n3,5,x\n", 20))
	mixed := tableFile(t, "m.csv", "a,b\n"+strings.Repeat("1,2\n2,3\n", 20)+"1,x\n")
	for _, c := range []struct {
		path string
		o    VectorOptions
		want string
	}{
		{path, VectorOptions{Context: []string{"d"}}, `no column "d"`},
		{path, VectorOptions{Context: []string{"a", "a"}}, "given twice"},
		{path, VectorOptions{Context: []string{""}}, "no name"},
		{path, VectorOptions{Columns: []string{"a"}, Context: []string{"a"}}, "as a dimension and as context"},
		{path, VectorOptions{Context: []string{"a", "b", "c"}}, "leave one to model"},
		{path, VectorOptions{Context: []string{"c"}}, "is x in all rows"},
		{mixed, VectorOptions{Context: []string{"b"}}, "--context b:class"},
		{"two-moons:100", VectorOptions{Context: []string{"x", "y"}}, "not all"},
		{"two-moons:100", VectorOptions{Context: []string{"x:class"}}, "no categories"},
	} {
		if _, _, _, err := OpenVectors(c.path, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.o.Context, err, c.want)
		}
	}
	if _, _, _, err := OpenVectors(mixed, VectorOptions{Context: []string{"b:class"}}); err != nil {
		t.Error(err)
	}
}
