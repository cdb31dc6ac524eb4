package smooth

import (
	"os"
	"reflect"
	"regexp"
	"sort"
	"testing"
)

// What has a kernel on amd64 has the same, compiled from the same source, on arm64.
func TestNEONHasWhatAVX2Has(t *testing.T) {
	var kernels [2][]string
	for i, table := range []struct{ file, name string }{{"isa_amd64.go", `\b(\w+)AVX2\b`}, {"isa_arm64.go", `\b(\w+)NEON\b`}} {
		src, err := os.ReadFile(table.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(table.name).FindAllSubmatch(src, -1) {
			kernels[i] = append(kernels[i], string(m[1]))
		}
		sort.Strings(kernels[i])
	}
	if len(kernels[0]) < 5 || !reflect.DeepEqual(kernels[0], kernels[1]) {
		t.Errorf("isa_amd64.go names %v\nisa_arm64.go names %v", kernels[0], kernels[1])
	}
}
