package curves

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func logOf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadLog(t *testing.T) {
	const one, two = `{"step":10,"epoch":1,"loss":5314.3,"bits_per_dim":7.5,"lr":0.1}` + "\n", `{"step":25,"bits_per_dim":4,"val_bits_per_dim":4.25,"val_n":300}`
	for _, text := range []string{one + two, one + two + "\n"} {
		train, val, err := ReadLog(logOf(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(train.Steps, []float64{10, 25}) || !slices.Equal(train.Values, []float64{7.5, 4}) || train.Dashed {
			t.Errorf("training is %+v", train)
		}
		if !slices.Equal(val.Steps, []float64{25}) || !slices.Equal(val.Values, []float64{4.25}) || !val.Dashed {
			t.Errorf("validation is %+v", val)
		}
	}
	train, val, err := ReadLog(logOf(t, `{"step":5,"loss":1.5}`+"\n"+`{"step":10,"loss":1.25,"val_nats":-0.5,"val_n":300}`))
	if err != nil || train.Unit != "nats" || val.Unit != "nats" || !slices.Equal(train.Values, []float64{1.5, 1.25}) || !slices.Equal(val.Values, []float64{-0.5}) {
		t.Errorf("vectors are %+v, %+v, %v", train, val, err)
	}
	if train, val, err := ReadLog(logOf(t, "")); err != nil || train.Len() != 0 || val.Len() != 0 {
		t.Errorf("an empty log is %+v, %+v, %v", train, val, err)
	}
}

func TestBadLogs(t *testing.T) {
	const good = `{"step":10,"bits_per_dim":7.5}` + "\n"
	for _, bad := range []string{`{"step":20,"bits_per_d`, "hello\n", "\n", `{"bits_per_dim":1}`, `{"step":30}`, `{"step":"x","bits_per_dim":1}`, "[1]"} {
		path := logOf(t, good+good+bad)
		if train, _, err := ReadLog(path); err == nil || !strings.Contains(err.Error(), path+", line 3") || train.Len() != 0 {
			t.Errorf("%q gives %+v, %v", bad, train, err)
		}
	}
	if _, _, err := ReadLog(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no log gives %v", err)
	}
}
