package pool

import "math/rand/v2"

// Shuffle makes every Run do its chunks one after another, in an order and on workers that chance picks: whatever depends on who was faster
// shows, every time. It is for tests.
func (p *Pool) Shuffle(seed uint64) { p.chance = rand.New(rand.NewPCG(seed, 0)) }

func (p *Pool) shuffled(chunks int, t Task) {
	for _, chunk := range p.chance.Perm(chunks) {
		t.Do(chunk, p.chance.IntN(p.workers))
	}
}
