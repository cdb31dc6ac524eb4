package flowgpu

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"cuflow/device"
)

// What a chain's text says of (0, 1) is what is taught: mixcdf and sigmoid lead there, logit and probit (the inverse of the normal
// CDF) from there on, and a uniform or Beta base lives there. What the model does is the same without ever holding a number of (0,
// 1), of whose upper end a float32 knows little:
//
//	mixcdf, logit          one layer: MixCDF with the logit link
//	mixcdf, probit         one layer: MixCDF with the normal link
//	mixcdf at the end      as if the base's own quantile function followed: logit for logistic, uniform and Beta, whose densities are of
//	                       logit u (see base.go), else probit
//	sigmoid at the end     under a uniform or Beta base nothing: its argument is logit u
//	identity, alone        under a uniform or Beta base logit: the data is u

// defaultComponents is K of a mixcdf that names none.
const defaultComponents = 8

// mostComponents keeps the arithmetic of one element in bounds.
const mostComponents = 1024

// mixCDFLink reads mixcdf(k=8, gauss) or (logistic). What its link is depends on what follows: see endLogits.
func mixCDFLink(o *options) link {
	m := device.Mixture{K: o.keyed("k", "the number of components", defaultComponents, mostComponents)}
	if o.oneOf("gauss", "logistic") == "logistic" {
		m.Of = device.LogisticBell
	}
	return link{from: realLine, to: unit, mixture: &m}
}

// keyed takes the word key=whole number, or gives the usual one.
func (o *options) keyed(key, what string, usual, most int) int {
	o.told = append(o.told, fmt.Sprintf("%s, as in %s=%d", what, key, usual))
	for i, w := range o.words {
		name, text, ok := strings.Cut(w, "=")
		if !ok || strings.TrimSpace(name) != key {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if (err != nil || n < 1 || n > most) && o.err == nil {
			o.err = fmt.Errorf("%s is %q: %s must be a whole number from 1 to %d", key, strings.TrimSpace(text), what, most)
		}
		o.words = append(o.words[:i:i], o.words[i+1:]...)
		return n
	}
	return usual
}

// passUnit puts what the text says of (0, 1) into layers that stay on the real line. The last link then leads to where the prior has its
// mass.
func passUnit(links []link, prior string) (joined []link, err error) {
	if withoutNumbers(prior) == "beta" {
		if _, err := ParseBase(prior); err != nil {
			return nil, fmt.Errorf("prior: %w", err)
		}
	}
	support := supportOf(prior)
	for i := 0; i < len(links); i++ {
		l, last := links[i], i == len(links)-1
		switch {
		case l.name == "probit":
			return nil, fmt.Errorf("layers: probit is one with the mixcdf before it, and can stand nowhere else: use logit, or put mixcdf before it")
		case l.mixture != nil:
			m := *l.mixture
			m.To = device.NormalLink
			switch {
			case last && support == unit:
				m.To = device.LogitLink
			case last:
				l.to = realLine
				if prior == "logistic" {
					m.To = device.LogitLink
				}
			case links[i+1].name == "logit" || links[i+1].name == "probit":
				if links[i+1].name == "logit" {
					m.To = device.LogitLink
				}
				l.to = realLine
				i++
				if links[i].count > 1 {
					return nil, fmt.Errorf("layers: %s leads from (0, 1) and cannot follow itself", links[i].name)
				}
			}
			l.build = func(c int, _ *rand.Rand) Layer { return NewMixCDF(c, m) }
		case l.name == "identity" && len(links) > 1:
			return nil, fmt.Errorf("layers: identity changes nothing beside other layers: leave it out")
		case l.name == "identity" && support == unit:
			l.from, l.to = unit, unit
			l.build = func(int, *rand.Rand) Layer { return NewElementwise(device.LogitMap) }
		case l.name == "identity":
			l.build = func(int, *rand.Rand) Layer { return untouched{} }
		case last && l.name == "sigmoid" && support == unit:
			l.build = func(int, *rand.Rand) Layer { return untouched{} }
		}
		joined = append(joined, l)
	}
	return joined, nil
}

// untouched is the identity, or a sigmoid at the end of a flow whose base takes the sigmoid's argument: nothing is left to do.
type untouched struct{}

func (untouched) Forward(*State)   {}
func (untouched) Inverse(*State)   {}
func (untouched) Backward(*State)  {}
func (untouched) Params() []*Param { return nil }
