package kernels_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"cuflow/kernels"
	"cuflow/kernels/ptx"
)

// parsed holds the modules of a target by family: parsing the largest takes a while, and several tests want them.
var parsed = map[kernels.Target]func() (map[string]*ptx.Module, error){
	kernels.Compute70: sync.OnceValues(func() (map[string]*ptx.Module, error) { return parse(kernels.Compute70) }),
	kernels.Compute80: sync.OnceValues(func() (map[string]*ptx.Module, error) { return parse(kernels.Compute80) }),
}

func parse(t kernels.Target) (map[string]*ptx.Module, error) {
	modules := map[string]*ptx.Module{}
	for _, k := range kernels.Table(t) {
		if modules[k.Family] != nil {
			continue
		}
		text, err := kernels.Module(k.Family, t)
		if err != nil {
			return nil, err
		}
		if modules[k.Family], err = ptx.Parse(k.Family+"_"+string(t)+".ptx", text); err != nil {
			return nil, err
		}
	}
	return modules, nil
}

// targets runs a test on the PTX of each target.
func targets(t *testing.T, f func(t *testing.T, target kernels.Target)) {
	for _, target := range []kernels.Target{kernels.Compute70, kernels.Compute80} {
		t.Run("compute_"+string(target), func(t *testing.T) { f(t, target) })
	}
}

var include = regexp.MustCompile(`(?m)^#include "(\w+\.cuh)"$`)

// withHeaders are a source and the headers that it includes, by itself or by another, those in order of name.
func withHeaders(t *testing.T, cu string) []string {
	files := []string{cu}
	for i := 0; i < len(files); i++ {
		b, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range include.FindAllStringSubmatch(string(b), -1) {
			if !slices.Contains(files, m[1]) {
				files = append(files, m[1])
			}
		}
	}
	slices.Sort(files[1:])
	return files
}

// TestSourceIsCompiled: each PTX names the hash of the source that it was compiled from, and the compiler.
func TestSourceIsCompiled(t *testing.T) {
	sources, err := filepath.Glob("*.cu")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	targets(t, func(t *testing.T, target kernels.Target) {
		for _, cu := range sources {
			h := sha256.New()
			for _, f := range withHeaders(t, cu) {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				h.Write(b)
			}
			family := strings.TrimSuffix(cu, ".cu")
			if !slices.ContainsFunc(kernels.Table(target), func(k kernels.Kernel) bool { return k.Family == family }) {
				if target == kernels.Compute80 {
					t.Errorf("no kernel of %s is in the table", cu)
				}
				continue
			}
			text, err := kernels.Module(family, target)
			if err != nil {
				t.Error(err)
				continue
			}
			of := target
			if _, err := os.Stat(family + "_" + string(target) + ".ptx"); err != nil {
				of = kernels.Compute70
			}
			for _, want := range []string{
				fmt.Sprintf("// Written by scripts/kernels from %s.", cu),
				fmt.Sprintf("// source sha256 %x\n", h.Sum(nil)),
				fmt.Sprintf("// compiler NVRTC 12.1.105 compute_%s\n", of),
				fmt.Sprintf(".target sm_%s\n", of),
			} {
				if !strings.Contains(text, want) {
					t.Errorf("%s has no %q: run scripts/kernels", cu, want)
				}
			}
		}
	})
}

var entry = regexp.MustCompile(`(?s)\.entry (\w+)\((.*?)\)`)
var param = regexp.MustCompile(`\.param \.(\w+) `)

// TestTable: the table names every entry of every module, with its arguments; and the interpreter knows every opcode.
func TestTable(t *testing.T) {
	targets(t, func(t *testing.T, target kernels.Target) {
		if _, err := parsed[target](); err != nil {
			t.Fatal(err)
		}
		args := map[string]string{} // by family.kernel
		families := map[string]bool{}
		for _, k := range kernels.Table(target) {
			args[k.Family+"."+k.Name] = k.Args
			families[k.Family] = true
		}
		files, err := filepath.Glob("*_" + string(target) + ".ptx")
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			if family := strings.TrimSuffix(f, "_"+string(target)+".ptx"); !families[family] {
				t.Errorf("%s is of no family in the table", f)
			}
		}
		for family := range families {
			text, err := kernels.Module(family, target)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range entry.FindAllStringSubmatch(text, -1) {
				name := family + "." + m[1]
				want, ok := args[name]
				if !ok {
					t.Errorf("%s is not in the table", name)
					continue
				}
				delete(args, name)
				var got []string
				for _, p := range param.FindAllStringSubmatch(m[2], -1) {
					got = append(got, p[1])
				}
				var types []string
				for _, letter := range want {
					types = append(types, map[rune]string{'p': "u64", 'l': "u64", 'i': "u32", 'f': "f32"}[letter])
				}
				if strings.Join(got, " ") != strings.Join(types, " ") {
					t.Errorf("%s takes %v, the table says %s", name, got, want)
				}
			}
		}
		for name := range args {
			t.Errorf("%s is in the table and in no module", name)
		}
	})
}

func TestModuleOfNothing(t *testing.T) {
	if _, err := kernels.Module("none", kernels.Compute80); err == nil {
		t.Error("a module that does not exist was found")
	}
}
