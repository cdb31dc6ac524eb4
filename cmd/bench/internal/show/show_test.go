package show

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
)

func TestTableAligns(t *testing.T) {
	var out strings.Builder
	tab := Table{Left: 1}
	tab.Add("name", "µs", "x")
	tab.Add("a", "10.0")
	if err := tab.Write(&out); err != nil || tab.Rows() != 2 {
		t.Fatal(err, tab.Rows())
	}
	if want := "name    µs  x\na     10.0\n"; out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.01234: "0.012", 1.234: "1.23", 12.34: "12.3", 1234.5: "1234", -2.5: "-2.50"} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) is %s, want %s", v, got, want)
		}
	}
	half := 0.5
	if Percent(&half) != "50.0 %" || Percent(nil) != "-" || Optional(0) != "-" || Optional(2) != "2.00" || Mebibytes(3<<20) != "3.00" || Change(-0.1) != "-10.0 %" {
		t.Error(Percent(&half), Percent(nil), Optional(0), Optional(2), Mebibytes(3<<20), Change(-0.1))
	}
}

type inner struct {
	A int `json:"a"`
}

type outer struct {
	Name string `json:"name"`
	inner
	Share *float64  `json:"share,omitempty"`
	List  []float64 `json:"list"`
	quiet int
	Not   int `json:"-"`
}

func TestCSV(t *testing.T) {
	half := 0.5
	var out bytes.Buffer
	records := []*outer{{Name: "x, y", inner: inner{3}, Share: &half, List: []float64{1, 2.5}, quiet: 1}, {Name: "z"}}
	if err := CSV(&out, records); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"name", "a", "share", "list"}, {"x, y", "3", "0.5", "1 2.5"}, {"z", "0", "", ""}}
	if !slices.EqualFunc(rows, want, func(a, b []string) bool { return slices.Equal(a, b) }) {
		t.Errorf("got %q, want %q", rows, want)
	}
}

func TestJSONLines(t *testing.T) {
	var out strings.Builder
	if err := JSONLines(&out, []inner{{1}, {2}}); err != nil || out.String() != "{\"a\":1}\n{\"a\":2}\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
