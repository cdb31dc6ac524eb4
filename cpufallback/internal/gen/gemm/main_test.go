package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The committed assembly must be what this program writes, but for the first line, which has the command.
func TestCommittedFilesAreCurrent(t *testing.T) {
	for isa, m := range machines {
		isCurrent(t, "products", "gemm_"+isa+"_"+m.arch(), isa)
		isCurrent(t, "stairs", "stairs_"+isa+"_"+m.arch(), isa)
	}
	isCurrent(t, "halves", "halves_avx512_amd64", "avx512")
}

func isCurrent(t *testing.T, family, file, isa string) {
	t.Helper()
	dir := t.TempDir()
	names := []string{file + ".s", file + ".go"}
	cmd := exec.Command("go", "run", ".", "-family", family, "-isa", isa, "-pkg", "gemm",
		"-out", filepath.Join(dir, names[0]), "-table", filepath.Join(dir, names[1]))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	for _, name := range names {
		var bodies [2][]byte
		for i, path := range []string{filepath.Join(dir, name), filepath.Join("..", "..", "gemm", name)} {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, bodies[i], _ = bytes.Cut(text, []byte("\n"))
		}
		if !bytes.Equal(bodies[0], bodies[1]) {
			t.Errorf("%s is not what this program writes: run gen.sh", name)
		}
	}
}
