package kernels

// Attention is the launch of attend, attend_queries and attend_keys: 16 tokens of a head and a sample to a warp.
func Attention(h, n, t int) Shape { return Warps(h * n * ceil(t, 16)) }

// AttentionWidth is how many channels of a head of d the kernels have room for: part of their names.
func AttentionWidth(d int) int {
	switch {
	case d <= 16:
		return 16
	case d <= 32:
		return 32
	}
	return 64
}

// Columns is for m columns, 32 to a block.
func Columns(m int) Shape { return Shape{ceil(m, 32), 1, 256, 0} }
