package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What is committed is what the generator writes, but for the first line, which tells the command.
func TestCommittedFilesAreUpToDate(t *testing.T) {
	for isa, m := range machines {
		for _, set := range []string{"vec", "nn", "smooth"} {
			name := set + "_" + isa + "_" + m.arch()
			dir := t.TempDir()
			cmd := exec.Command("go", "run", ".", "-set", set, "-isa", isa, "-pkg", set,
				"-out", filepath.Join(dir, name+".s"), "-stubs", filepath.Join(dir, name+".go"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, ext := range []string{".s", ".go"} {
				if !bytes.Equal(body(t, filepath.Join(dir, name+ext)), body(t, filepath.Join("../..", set, name+ext))) {
					t.Errorf("%s%s is not what the generator writes: run the scripts beside it", name, ext)
				}
			}
		}
	}
}

func body(t *testing.T, file string) []byte {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	return rest
}
