package flowgpu

import "fmt"

// patches makes channels of each patch of side x side pixels, a power of two: what is left are tokens.
func (b *builder) patches(side int) {
	for ; side > 1; side /= 2 {
		b.c, b.h, b.w = 4*b.c, b.h/2, b.w/2
		b.add(fmt.Sprintf("patches%d", side), Squeeze{})
	}
}

// tokens is how many there are.
func (b *builder) tokens() int { return b.h * b.w }

// checkPatches says whether an image can be cut into patches, and heads divide the width.
func (c Config) checkPatches() error {
	if c.Patch&(c.Patch-1) != 0 {
		return fmt.Errorf("patch is %d: it must be 1, 2, 4, 8 or 16", c.Patch)
	}
	if c.Height%c.Patch != 0 || c.Width%c.Patch != 0 {
		return fmt.Errorf("patches of %d pixels do not fill an image of %dx%d: pad it, or use smaller ones", c.Patch, c.Height, c.Width)
	}
	return c.checkHeads()
}

// checkHeads says whether heads divide the width of a transformer.
func (c Config) checkHeads() error {
	if c.Hidden%c.Heads != 0 || c.Hidden/c.Heads > maxHead {
		return fmt.Errorf("%d heads for a transformer %d channels wide: they must divide it into parts of at most %d", c.Heads, c.Hidden, maxHead)
	}
	return nil
}

// checkTokens says whether what only transformers have is left empty elsewhere.
func (c Config) checkTokens() error {
	images := c.Kind == "jet" || c.Kind == "tarflow"
	switch {
	case c.Patch != 0 && !images:
		return fmt.Errorf("patch is %d: %s has no patches, leave it 0", c.Patch, c.Kind)
	case c.Heads != 0 && !images && c.Net != "transformer" && c.Kind != "flowpp":
		return fmt.Errorf("heads is %d: only transformers have heads, leave it 0", c.Heads)
	case c.Net == "transformer" && (c.Heads < 1 || c.Depth < 1):
		return fmt.Errorf("a transformer of %d heads and a depth of %d: it needs one of each", c.Heads, c.Depth)
	case c.Net == "transformer" && c.Kind == "nsf" && (c.NetNorm != "none" || c.Dropout != 0):
		return fmt.Errorf("net norm is %q and dropout %g: a transformer has neither, leave them empty", c.NetNorm, c.Dropout)
	case c.Noise != 0 && c.Kind != "tarflow":
		return fmt.Errorf("noise is %g: only tarflow trains on noise of its own, leave it 0", c.Noise)
	case !(c.Noise >= 0 && c.Noise <= 1):
		return fmt.Errorf("noise is %g: it must be from 0 to 1, where pixels are -1 to 1", c.Noise)
	case c.Noise > 0 && c.Intensities == 0:
		return fmt.Errorf("noise is %g, but the data is real-valued and has no range that it could be a part of: leave it 0", c.Noise)
	case c.Noise > 0 && c.Logit > 0:
		return fmt.Errorf("noise is %g and logit %g: pixels with noise leave the range that a logit is for, so use one of them", c.Noise, c.Logit)
	}
	if c.Net == "transformer" {
		return c.checkHeads()
	}
	return nil
}

// transformerDepth is the most blocks that a Glow's networks may have: convolutions have none.
func (c Config) transformerDepth() int {
	if c.Net == "transformer" {
		return 1 << 8
	}
	return 0
}
