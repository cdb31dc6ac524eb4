package gemm

import "sync/atomic"

// Tree adds up the parts of a fused stack while they are in the cache of whoever computed them: a part's sums to its neighbour's, those
// of both to the next two parts', and so on. What is added to what depends on the number of parts alone.
type Tree struct {
	// By the right one of two neighbours: 1 where one of them is done, and waits in its first part's memory for the other.
	waits [stackParts]atomic.Int32
}

// begin says in which part's memory the sums of a part go: where its left neighbour is done, they are added to that one's at once, if they
// are of one call of a kernel. Of several, each would be rounded to the sum so far, and not to the part's own.
func (t *Tree) begin(p *Stack, part int) (at int, add bool) {
	if p.PartTiles == 1 && p.Tile <= maxDepth && part%2 == 1 && t.waits[part].Load() == 1 {
		return part - 1, true
	}
	return part, false
}

// end takes the sums of a part that is done up the tree, as far as there is nobody to wait for: whoever comes second adds. It says
// whether the sums of all parts are now in the first one's memory.
func (t *Tree) end(k *Kernels, p *Stack, part int, added bool) (all bool) {
	for d := 1; d < p.Parts; d *= 2 {
		left := part &^ (2*d - 1)
		right := left + d
		if right >= p.Parts {
			continue // has no neighbour
		}
		if d > 1 || !added {
			if t.waits[right].Add(1) == 1 {
				return false
			}
			k.adds(p.C[left*p.Floats:][:p.Floats], p.C[right*p.Floats:], 0, 1)
		}
		t.waits[right].Store(0)
		part = left
	}
	return true
}
