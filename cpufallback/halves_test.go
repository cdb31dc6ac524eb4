package cpufallback

import (
	"slices"
	"strings"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"
)

// openBF16 opens the backend of a number of workers, or skips where the processor has no BF16.
func openBF16(t *testing.T, workers int) devicetest.Open {
	t.Helper()
	open := func() (device.Backend, error) {
		b, err := NewBF16Workers("cpu", workers)
		if err != nil {
			return nil, err
		}
		return b, nil
	}
	be, err := open()
	if err != nil {
		t.Skip(err)
	}
	if p := be.(*Backend).Precision(); p != "bf16" {
		t.Fatalf("the precision is %q", p)
	}
	be.Close()
	return open
}

// roundedCases are the cases of what rounds its factors.
func roundedCases() []devicetest.Case {
	return slices.DeleteFunc(devicetest.Cases(), func(c devicetest.Case) bool {
		return !strings.HasPrefix(c.Method, "Conv") && !strings.HasPrefix(c.Method, "Stack") || testing.Short() && c.Bench
	})
}

// A unit of BF16 is 2^-8: a factor has an error of at most half of one. What a stack's gradient goes through is rounded once in each
// layer.
func TestBF16AgreesWithinItsRounding(t *testing.T) {
	const unit = 0x1p-8
	open, cases := openBF16(t, 2), roundedCases()
	for i := range cases {
		rounds := 4.0
		if strings.HasPrefix(cases[i].Method, "Stack") {
			rounds = 16
		}
		cases[i].Tol = devicetest.Tol{RMS: rounds * unit, Abs: rounds * unit, Why: "two roundings of at most half a unit, most of them less, in " +
			"each term of a sum whose terms cancel to their root mean square: an error above 4 units of that is many standard deviations"}
	}
	devicetest.RunCases(t, open, cases, 1, 3)
}

func TestBF16AllocatesNothing(t *testing.T) { devicetest.NoAllocs(t, openBF16(t, 2)) }

func TestBF16DoesNotDependOnCores(t *testing.T) {
	devicetest.SameBitsCases(t, roundedCases(), openBF16(t, 1), openBF16(t, 2), openBF16(t, 3))
}
