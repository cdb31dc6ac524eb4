//go:build cuda && cgo && linux

package cudax_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"cuflow/device/internal/cudax"
	"cuflow/device/internal/fakecuda"
	"gorgonia.org/cu"
)

func TestMain(m *testing.M) {
	if err := fakecuda.Load(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestErrors(t *testing.T) {
	if err := error(cudax.OutOfMemory); err.Error() != "CUDA_ERROR_OUT_OF_MEMORY (what the driver says about it)" {
		t.Error(err)
	}
	if err := cudax.Error(12345); err.Error() != "CUDA error 12345" {
		t.Errorf("a code that the driver does not know: %v", err)
	}
	for _, err := range []error{cu.IllegalAddress, cudax.IllegalAddress} {
		if e, ok := cudax.Cause(err); !ok || e != cudax.IllegalAddress {
			t.Errorf("the cause of %T %v is %v", err, err, e)
		}
	}
	if e, ok := cudax.Cause(errors.New("another")); ok {
		t.Errorf("the cause of another error is %v", e)
	}
}

// TestParameters: a kernel without parameters has none, which is not the same as a driver that does not say.
func TestParameters(t *testing.T) {
	fakecuda.Reset()
	d, err := cu.GetDevice(0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.RetainPrimaryCtx()
	if err != nil {
		t.Fatal(err)
	}
	ctx := cudax.NewContext(c)
	if err := ctx.Enter(); err != nil {
		t.Fatal(err)
	}
	defer ctx.Leave()
	m, err := cu.LoadDataEx(".version 8.1\n.visible .entry none(\n)\n{}\n" +
		".visible .entry some(\n.param .u64 some_param_0,\n.param .f32 some_param_1,\n.param .u64 some_param_2\n)\n{}\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]int{"none": {}, "some": {8, 4, 8}} {
		f, err := m.Function(name)
		if err != nil {
			t.Fatal(err)
		}
		for told := range 2 {
			fakecuda.Set("paraminfo", told)
			got, err := cudax.Parameters(f)
			if err != nil {
				t.Fatal(err)
			}
			if told == 0 && got != nil || told == 1 && (got == nil || !slices.Equal(got, want)) {
				t.Errorf("%s has parameters %v, want %v; driver tells: %v", name, got, want, told == 1)
			}
		}
	}
}
