package vec

import (
	"os"
	"regexp"
	"testing"
)

// The generator's register allocator knows 32 vector registers. Numbers from 16 on are AVX-512: they would assemble, and
// work on the machines that most people test on.
func TestAVX2CodeNeedsNoAVX512(t *testing.T) {
	src, err := os.ReadFile("vec_avx2_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`\bY13\b`).Match(src) {
		t.Error("no AVX2 registers found: does the test still know them?")
	}
	if bad := regexp.MustCompile(`.*\b([XY](1[6-9]|2[0-9]|3[01])|Z[0-9]+|K[0-7])\b.*`).Find(src); bad != nil {
		t.Errorf("AVX-512 register in %q", bad)
	}
}
