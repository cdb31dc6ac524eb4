package device

// Fetcher is a Backend that works while the host waits for a result: a few numbers can be read without stopping it.
type Fetcher interface {
	// Fetch asks for what src holds after the work so far. One is open at a time.
	Fetch(src Buffer)
	// Fetched waits for what the last Fetch asked for, and not for work that was enqueued after it. The error is Download's.
	Fetched(dst []float32) error
}

func (g *gpu) Fetch(src Buffer) {
	g.op = "Fetch"
	if g.err == nil {
		g.keep(g.d.Fetch(src.addr, 4*src.n))
	}
}

func (g *gpu) Fetched(dst []float32) error {
	g.op = "Fetched"
	if g.err == nil {
		g.keep(g.d.Fetched(bytesOf(dst)))
	}
	return g.err
}
