package neon

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tool is a program of the system; a test that needs one that is not there says so.
func tool(t *testing.T, name, deb string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("there is no %s, of Debian's package %s", name, deb)
	}
	return path
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Every word in the committed assembly is what GNU's assembler makes of the text beside it.
func TestWordsAreWhatTheySay(t *testing.T) {
	assembler, copier := tool(t, "aarch64-linux-gnu-as", "binutils-aarch64-linux-gnu"), tool(t, "aarch64-linux-gnu-objcopy", "binutils-aarch64-linux-gnu")
	files, err := filepath.Glob("../../*/*_arm64.s")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %v, %v: where is the assembly?", files, err)
	}
	word := regexp.MustCompile(`WORD\s+\$0x([0-9a-f]{8}) // (.*)`)
	ours := map[string]string{}
	var texts []string
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range word.FindAllStringSubmatch(string(src), -1) {
			if old, ok := ours[m[2]]; !ok {
				texts = append(texts, m[2])
			} else if old != m[1] {
				t.Errorf("%s is %s and %s", m[2], old, m[1])
			}
			ours[m[2]] = m[1]
		}
	}
	dir := t.TempDir()
	src, object, binaries := filepath.Join(dir, "w.s"), filepath.Join(dir, "w.o"), filepath.Join(dir, "w.bin")
	if err := os.WriteFile(src, []byte(strings.Join(texts, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	run(t, assembler, "-o", object, src)
	run(t, copier, "-O", "binary", "-j", ".text", object, binaries)
	words, err := os.ReadFile(binaries)
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) < 1000 || len(words) != 4*len(texts) {
		t.Fatalf("%d instructions became %d bytes", len(texts), len(words))
	}
	for i, text := range texts {
		want := binary.LittleEndian.Uint32(words[4*i:])
		if got := parse(t, ours[text]); got != want {
			t.Errorf("%s is %08x, not %08x", text, want, got)
		}
	}
}
