package flowgpu

import "fmt"

// Mode says what a training step keeps from its way forward for its way backward: memory against arithmetic.
type Mode string

const (
	// Stash keeps the conditioners' hidden activations and the batch before every step: fastest.
	Stash Mode = "stash"
	// Recompute keeps the batch before every step and computes hidden activations again: about one more forward pass.
	Recompute Mode = "recompute"
	// Reversible keeps the batch before every 16th step and recovers it in between by inversion: memory does not grow with
	// depth but for those few.
	Reversible Mode = "reversible"
)

// SnapshotEvery is how many flow steps Reversible inverts in a row. Inversion errors grow exponentially with depth: at 16
// couplings they stay near 1e-5, at 128 they may exceed the data.
const SnapshotEvery = 16

// ParseMode reads a mode's name.
func ParseMode(name string) (Mode, error) {
	switch m := Mode(name); m {
	case Stash, Recompute, Reversible:
		return m, nil
	}
	return "", fmt.Errorf("unknown memory mode %q: use stash, recompute or reversible", name)
}

// chain is the model's layers with the snapshots that a training step in this mode takes.
func (m Mode) chain(blocks []block) (c Chain) {
	steps := 0
	for _, b := range blocks {
		due := b.step || len(b.chain.Params()) > 0 // what is neither only moves numbers, and inverts to the same bits
		if m == Reversible {
			due = b.step && steps%SnapshotEvery == 0
		}
		if due {
			c = append(c, &Snapshot{})
		}
		if b.step {
			steps++
		}
		c = append(c, b.chain...)
	}
	return c
}
