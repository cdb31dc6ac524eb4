package flowgpu

import (
	"fmt"

	"cuflow/device"
)

// maxHead is the most channels of a head that devices have room for.
const maxHead = device.MaxHead

// jet builds a flow of couplings whose conditioners are vision transformers: Kolesnikov, Pinto and Tschannen, "Jet: a modern transformer-based
// normalizing flow", 2024. Tokens are patches of the image. Of every five couplings four move half the channels of every token, in an order
// drawn for each, and one moves half the tokens: those of one colour of a checkerboard, every other row or every other column, in turn.
// There is no normalisation between couplings, and nothing is split off on the way.
func jet(cfg Config, b *builder) {
	b.level = 1
	b.patches(cfg.Patch)
	spatial := 0
	for i := range cfg.Steps {
		name := fmt.Sprintf("coupling%d", i+1)
		if i%jetPeriod < jetPeriod-1 {
			b.add(name+".order", NewShuffle(b.c, b.r))
			b.step(name, newJetChannels(cfg, b))
			continue
		}
		kind := tokenHalves[spatial%len(tokenHalves)]
		spatial++
		b.step(name+"."+kind.name, newJetTokens(cfg, b, kind.moves))
	}
	if cfg.Prior == "learned" {
		b.add("prior", NewAffine(b.c))
	}
}

// jetPeriod is how many couplings have one that moves tokens: the last of them.
const jetPeriod = 5

func newJetNet(cfg Config, b *builder, cin, cout, tokens int) *Transformer {
	return NewTransformer(TransformerShape{Cin: cin, Cout: cout, Width: cfg.Hidden, Heads: cfg.Heads, Depth: cfg.Depth, Tokens: tokens}, b.r)
}

func newJetChannels(cfg Config, b *builder) *Coupling {
	law, c1 := laws[cfg.Coupling], b.c/2
	return NewCoupling(law, b.c, c1, newJetNet(cfg, b, c1, law.Params()*(b.c-c1), b.tokens()))
}

func newJetTokens(cfg Config, b *builder, moves func(i, j int) bool) *TokenCoupling {
	law := laws[cfg.Coupling]
	return NewTokenCoupling(law, b.c, b.h, b.w, moves, newJetNet(cfg, b, b.c, law.Params()*b.c, b.tokens()/2))
}

func checkJet(c Config) error {
	if err := inRange(number{"levels", c.Levels, 0, 0}, number{"steps", c.Steps, 1, 1 << 12}, number{"depth", c.Depth, 1, 1 << 8},
		number{"patch", c.Patch, 1, 16}, number{"heads", c.Heads, 1, 1 << 8}); err != nil {
		return err
	}
	if err := c.checkPatches(); err != nil {
		return err
	}
	h, w := c.Height/c.Patch, c.Width/c.Patch
	switch {
	case c.Channels*c.Patch*c.Patch < 2:
		return fmt.Errorf("a patch of one pixel and channel has no halves: use larger patches")
	case c.Steps >= jetPeriod && (h%2 != 0 || w%2 != 0):
		return fmt.Errorf("couplings of tokens need an even number of rows and columns of them, there are %dx%d: pad the image, use smaller patches, or fewer than %d steps",
			h, w, jetPeriod)
	}
	return nil
}
