package cpufallback

// Workers is on how many cores the backend computes.
func (b *Backend) Workers() int { return b.pool.Workers() }
