//go:build cuda && cgo && linux

package device_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cuflow/device"
	"cuflow/device/internal/fakecuda"
)

// TestCUDADetection: why a GPU cannot be used is said in words, by NewCUDA and by CUDADevices.
func TestCUDADetection(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings []any
		index    int
		want     []string
		none     bool // CUDADevices fails too
	}{
		{"old driver", []any{"version", 11040}, 0, []string{"too old", "CUDA 11.4", "12.1", "driver 530"}, true},
		{"no device", []any{"devices", 0}, 0, []string{"finds no GPU", "nvidia-smi"}, true},
		{"old GPU", []any{"major", 6, "minor", 1}, 0, []string{"compute capability 6.1", "7.0"}, false},
		{"full GPU", []any{"others", 900 << 20}, 0, []string{"124.0 MiB of 1.0 GiB free", "256.0 MiB", "nvidia-smi"}, false},
		{"no such GPU", nil, 3, []string{"no GPU 3", "has 1"}, false},
		{"negative", nil, -1, []string{"no GPU -1"}, false},
	} {
		fake(t, c.settings...)
		_, err := device.NewCUDA(c.index, device.CUDAConfig{})
		devices, none := device.CUDADevices()
		var listed error
		switch {
		case (none != nil) != c.none:
			t.Errorf("%s: CUDADevices gives %v", c.name, none)
		case none != nil:
			listed = none
		default:
			listed = devices[0].Err
		}
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: NewCUDA gives %v, want %q in it", c.name, err, want)
			}
			if c.index == 0 && (listed == nil || !strings.Contains(listed.Error(), want)) {
				t.Errorf("%s: CUDADevices gives %v, want %q in it", c.name, listed, want)
			}
		}
		if n := fakecuda.Get("live"); n != 0 {
			t.Errorf("%s: %d things left", c.name, n)
		}
	}

	fake(t, "devices", 2, "others", 100<<20)
	devices, err := device.CUDADevices()
	must(t, err)
	if len(devices) != 2 || devices[1].Err != nil || devices[1].Chip.Name != "Fake GPU 1" || devices[1].Chip.Free != 924<<20 {
		t.Errorf("devices %+v", devices)
	}
	var names []string
	for _, f := range device.Probe(nil) {
		if f.Usable && strings.HasPrefix(f.Name, "cuda") {
			names = append(names, f.Name+" "+f.Why)
		}
	}
	want := "cuda:1 Fake GPU 1, compute capability 8.0, 924.0 MiB of 1.0 GiB free, driver "
	if len(names) != 2 || !strings.HasPrefix(names[1], want) {
		t.Errorf("Probe finds %q, want the second to begin with %q", names, want)
	}
}

// TestCUDAFirst: a number below 0 is the first GPU that can be used, or the reasons why none can.
func TestCUDAFirst(t *testing.T) {
	fake(t, "devices", 3, "old", 2)
	d, err := device.OpenCUDA(-1, nil)
	must(t, err)
	if d.Name() != "cuda:2" {
		t.Errorf("took %s, want cuda:2", d.Name())
	}
	must(t, d.Close())
	fakecuda.Set("old", 3)
	_, err = device.OpenCUDA(-1, nil)
	for _, want := range []string{"cuda:0: compute capability 5", "cuda:2: compute capability 5"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

// TestCUDAStarts runs this test's own binary where the driver is absent, broken, or fails to start: it must come to main, and say why
// there is no GPU. A driver is looked for once in a process, so each takes one of its own.
func TestCUDAStarts(t *testing.T) {
	if why := os.Getenv("CUFLOW_TEST_START"); why != "" {
		_, err := device.NewCUDA(0, device.CUDAConfig{})
		fmt.Printf("NewCUDA: %v\n", err)
		return
	}
	fake(t)
	folder := t.TempDir()
	must(t, fakecuda.Build(folder))
	broken := t.TempDir()
	must(t, os.WriteFile(filepath.Join(broken, "libcuda.so.1"), []byte("no library"), 0o600))
	for _, c := range []struct {
		name, path, settings, want string
	}{
		{"broken", broken, "", "no NVIDIA driver: " + broken + "/libcuda.so.1: "},
		{"no device", folder, "init=100", "the NVIDIA driver does not start: cuInit: what the driver says about it (error 100)"},
		{"mismatch", folder, "init=803", "(error 803)"},
		{"old", folder, "version=12000", "it is for CUDA 12.0"},
		{"well", folder, "", "NewCUDA: <nil>"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCUDAStarts$", "-hardware")
		cmd.Env = append(os.Environ(), "CUFLOW_TEST_START=1", "LD_LIBRARY_PATH="+c.path, "FAKECUDA="+c.settings)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v, want %q in\n%s", c.name, err, c.want, out)
		}
	}
}
