package device

import (
	"errors"
	"fmt"
	"time"
)

// CUDAConfig says how NewCUDA drives a GPU.
type CUDAConfig struct {
	// Timeout is how long a GPU may take over any 64 launches or two replays before it counts as lost; 0 is a minute.
	Timeout time.Duration
	// Notice is told once, in a sentence for the user, when the driver takes long to translate the kernels, as it does at the
	// first start. It may be called from another goroutine, but not after the call that it is about. nil: nobody.
	Notice func(text string)
}

// CUDADevice is a GPU that was found.
type CUDADevice struct {
	Chip Chip
	Err  error // why it cannot be used, or nil
}

// openCUDA opens a GPU by its number, or the first that can be used where n is below 0. say, where it is not nil, is told what
// takes long.
func openCUDA(n int, say func(string)) (Driver, error) {
	cfg := CUDAConfig{Notice: say}
	if n >= 0 {
		return NewCUDA(n, cfg)
	}
	count, err := countCUDA()
	if err != nil {
		return nil, err
	}
	var why []error
	for i := range count {
		d, err := NewCUDA(i, cfg)
		if err == nil {
			return d, nil
		}
		why = append(why, err)
	}
	return nil, errors.Join(why...)
}

// probeCUDA lists the GPUs, or says why there is none.
func probeCUDA() []Found {
	devices, err := CUDADevices()
	if err != nil {
		return []Found{{Name: "cuda", Why: err.Error()}}
	}
	var found []Found
	for i, d := range devices {
		f := Found{Name: fmt.Sprintf("cuda:%d", i), Usable: d.Err == nil}
		if d.Err != nil {
			f.Why = fmt.Sprintf("%s: %v", d.Chip.Name, d.Err)
		} else {
			f.Why = fmt.Sprintf("%s, compute capability %d.%d, %s of %s free, driver %s", d.Chip.Name, d.Chip.Major, d.Chip.Minor,
				amount(d.Chip.Free), amount(d.Chip.Memory), d.Chip.Driver)
		}
		found = append(found, f)
	}
	return found
}

// amount writes a number of bytes for people.
func amount(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", bytes)
}
