//go:build cuda && cgo && linux

package lazycuda

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// realHeader finds a cuda.h of NVIDIA's: that of the compiler that scripts/kernels installs, or of a toolkit.
func realHeader() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "."
	}
	for _, pattern := range []string{
		filepath.Join(cache, "cuflow/cuda-*/lib/python*/site-packages/nvidia/cuda_runtime/include/cuda.h"),
		"/usr/local/cuda/include/cuda.h",
	} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// TestABI compares cuda.h and cuda_api.def with NVIDIA's header: every constant, the layout of every struct, and the type of
// every entry point in the version that is bound.
func TestABI(t *testing.T) {
	header := realHeader()
	if header == "" {
		t.Skip("not run: no cuda.h of NVIDIA's to compare with; scripts/kernels installs one")
	}
	own := read(t, "cuda.h")
	var facts []string
	for _, m := range regexp.MustCompile(`\b(CU_\w+|CUDA_\w+) = `).FindAllStringSubmatch(own, -1) {
		// CUDA 12 forgot the first of these and widened the second.
		if !strings.HasPrefix(m[1], "CU_TARGET_COMPUTE_2") && m[1] != "CU_CTX_FLAGS_MASK" {
			facts = append(facts, m[1])
		}
	}
	if len(facts) < 280 {
		t.Fatalf("found only %d constants in cuda.h", len(facts))
	}
	for _, s := range regexp.MustCompile(`(?s)typedef struct \{(.*?)\} (\w+);`).FindAllStringSubmatch(own, -1) {
		facts = append(facts, "sizeof("+s[2]+")")
		for _, declaration := range strings.Split(s[1], ";") {
			for i, field := range strings.Split(declaration, ",") {
				words := regexp.MustCompile(`\w+`).FindAllString(strings.SplitN(field, "[", 2)[0], -1)
				if len(words) > 1 || i > 0 && len(words) == 1 {
					f := words[len(words)-1]
					facts = append(facts, fmt.Sprintf("offsetof(%s, %s)", s[2], f), fmt.Sprintf("sizeof(((%s *)0)->%s)", s[2], f))
				}
			}
		}
	}
	here, there := values(t, facts, "cuda.h"), values(t, facts, header)
	for i, f := range facts {
		if here[i] != there[i] {
			t.Errorf("%s is %s here and %s in %s", f, here[i], there[i], header)
		}
	}

	// What a later version has taken the place of is declared under a macro of NVIDIA's own use.
	bound := regexp.MustCompile(`(?m)^CU\((\w+), (\w*),.*$`).FindAllStringSubmatch(read(t, "cuda_api.def"), -1)
	left := map[string]bool{}
	for _, m := range bound {
		left[m[1]+m[2]] = true
	}
	for _, mode := range []string{"", "#define __CUDA_API_VERSION_INTERNAL\n"} {
		program := mode + "#include \"" + header + "\"\n"
		declared := map[string]bool{}
		for _, m := range regexp.MustCompile(`CUresult\s+(\w+)\(`).FindAllStringSubmatch(compile(t, program, "-E"), -1) {
			declared[m[1]] = true
		}
		program += olderNodes + "#define CU(NAME, VERSION, PARAMETERS, ARGUMENTS) _Static_assert(__builtin_types_compatible_p(" +
			"__typeof__(&NAME##VERSION), CUresult (*)PARAMETERS), #NAME);\n"
		for _, m := range bound {
			if s := m[1] + m[2]; declared[s] && left[s] {
				program += m[0] + "\n"
				delete(left, s)
			}
		}
		compile(t, program, "-fsyntax-only")
	}
	delete(left, "cuFuncGetParamInfo") // of CUDA 12.4
	if len(left) > 0 {
		t.Errorf("not in %s: %v", header, left)
	}
	t.Logf("compared %d facts and %d entry points with %s", len(facts), len(bound)-len(left), header)
}

// olderNodes names the structs that CUDA 12 gave new members under the old names; what is bound takes the old ones.
const olderNodes = `
#if CUDA_VERSION >= 12000
#define CUDA_KERNEL_NODE_PARAMS CUDA_KERNEL_NODE_PARAMS_v1
#define CUDA_MEMSET_NODE_PARAMS CUDA_MEMSET_NODE_PARAMS_v1
#define CUDA_HOST_NODE_PARAMS CUDA_HOST_NODE_PARAMS_v1
#endif
`

func read(t *testing.T, name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// values evaluates expressions with a header.
func values(t *testing.T, expressions []string, header string) []string {
	var s strings.Builder
	path, err := filepath.Abs(header)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&s, "#include <stddef.h>\n#include <stdio.h>\n#include %q\n", path)
	s.WriteString(olderNodes)
	s.WriteString("int main(void) {\n")
	for _, e := range expressions {
		fmt.Fprintf(&s, "printf(\"%%lld\\n\", (long long)%s);\n", e)
	}
	s.WriteString("}\n")
	program := filepath.Join(t.TempDir(), "program")
	compile(t, s.String(), "-o", program)
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// compile runs the C compiler and returns what it writes.
func compile(t *testing.T, program string, flags ...string) string {
	source := filepath.Join(t.TempDir(), "program.c")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(strings.TrimSpace(string(cc)), append(flags, "-w", source)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}
