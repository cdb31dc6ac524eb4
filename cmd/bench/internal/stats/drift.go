package stats

import (
	"fmt"

	"github.com/aclements/go-moremath/stats"
)

const (
	driftShare = 0.05  // a change of the median that is worth a word
	driftP     = 0.001 // and this unlikely if nothing changed: a step's time depends on the one before, so that chance does more than it should
	leastDrift = 10    // times of each half that can tell
)

// Drift says how the machine changed while it was measured: what the median of the second half is to that of the first, less 1.
// There is a warning where it is too much to be chance: other work on the machine, or a clock that heat has slowed down.
func (t Times) Drift() (share float64, warning string) {
	half := len(t) / 2
	if half == 0 {
		return 0, ""
	}
	first, second := t[:half], t[len(t)-half:]
	share = float64(second.Median())/float64(first.Median()) - 1
	if half < leastDrift || share < driftShare && share > -driftShare {
		return share, ""
	}
	u, err := stats.MannWhitneyUTest(first.numbers(), second.numbers(), stats.LocationDiffers)
	if err != nil || u.P > driftP {
		return share, ""
	}
	word := "slower"
	if share < 0 {
		word = "faster"
	}
	return share, fmt.Sprintf("the second half of the steps was %.0f %% %s than the first: the machine did not stay the same", 100*max(share, -share), word)
}

// numbers are nanoseconds.
func (t Times) numbers() []float64 {
	all := make([]float64, len(t))
	for i, d := range t {
		all[i] = float64(d)
	}
	return all
}
