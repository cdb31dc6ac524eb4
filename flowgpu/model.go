package flowgpu

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"cuflow/device"
)

// Model is a flow with its parameters on a device. It is used from one goroutine at a time.
type Model struct {
	cfg     Config
	be      device.Backend
	blocks  []block
	columns []Column // of the Config
	prior   Prior    // the model's own; nil: one without parameters
	dequant []block  // of variational dequantisation, before the others

	features int       // of the Config's context
	context  []float32 // [E][N] of the next samples of LogProb, Encode, Decode and Sample, or [E][1] of all of them

	params  []*Param        // in the order of the layers
	values  device.Buffer   // trained ones, laid end to end
	fixed   device.Buffer   // the others
	grads   device.Buffer   // like values, once there is a trainer
	added   []device.Buffer // parts of grads that layers add to
	set     []*Param        // whose nets set the others
	spread  device.Buffer   // log widths of the noise by column, and as many zeros (each aligned), where there is noise on vectors
	tensors *Evaluator      // behind LogProb, Encode, Decode and Sample, made when first used
}

// New builds a model with initial weights drawn from its seed. Actnorms still wait for their first batch. The error
// says what is wrong with the description, or that the device has no memory left for the parameters.
func New(be device.Backend, cfg Config) (*Model, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	k, _ := kindOf(cfg.Kind)
	b := &builder{r: rand.New(rand.NewPCG(cfg.Seed, 0)), c: cfg.Channels, h: cfg.Height, w: cfg.Width}
	k.build(cfg, b)
	m := &Model{cfg: cfg, be: be, blocks: b.blocks, columns: cfg.Columns.List(), prior: b.prior, features: cfg.Context.Features()}
	for _, b := range m.blocks {
		m.params = append(m.params, b.chain.Params()...)
	}
	if m.prior != nil {
		m.params = append(m.params, m.prior.Params()...)
	}
	if cfg.variational() {
		m.dequant = dequantFlow(cfg)
		for _, b := range m.dequant {
			m.params = append(m.params, b.chain.Params()...)
		}
	}
	if err := m.place(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// place lays the parameters out, each array on a 64-byte boundary, and uploads their initial values.
func (m *Model) place() (err error) {
	trained, fixed := 0, 0
	for _, p := range m.params {
		if p.Fixed {
			fixed += aligned(p.Len())
		} else {
			trained += aligned(p.Len())
		}
	}
	if m.values, err = m.be.Alloc(trained); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	if m.fixed, err = m.be.Alloc(fixed); err != nil {
		return fmt.Errorf("fixed parameters: %w", err)
	}
	if logs := m.cfg.spread(); logs != nil {
		if m.spread, err = m.be.Alloc(2 * aligned(len(logs))); err != nil {
			return fmt.Errorf("the columns' noise: %w", err)
		}
		m.be.Upload(m.spread.Slice(0, len(logs)), logs)
	}
	m.eachView(func(p *Param, lo, hi int) {
		if p.Fixed {
			p.V = m.fixed.Slice(lo, hi)
		} else {
			p.V = m.values.Slice(lo, hi)
		}
		if _, counting := m.be.(*device.Tally); p.later != nil && !counting {
			p.start = p.later()
		}
		if p.start != nil {
			m.be.Upload(p.V, p.start)
			p.start = nil
		}
	})
	return nil
}

// eachView calls f with each parameter's place in its flat array.
func (m *Model) eachView(f func(p *Param, lo, hi int)) {
	trained, fixed := 0, 0
	for _, p := range m.params {
		at := &trained
		if p.Fixed {
			at = &fixed
		}
		f(p, *at, *at+p.Len())
		*at += aligned(p.Len())
	}
}

// aligned rounds up to a whole number of 64-byte lines. The gap stays 0: its gradient is.
func aligned(n int) int { return (n + 15) / 16 * 16 }

// needGradients gives every trained parameter room for its gradient.
func (m *Model) needGradients() (err error) {
	if !m.grads.Nil() {
		return nil
	}
	if m.grads, err = m.be.Alloc(m.values.Len()); err != nil {
		return fmt.Errorf("gradients: %w", err)
	}
	from := 0
	m.eachView(func(p *Param, lo, hi int) {
		if p.Fixed {
			return
		}
		if p.G = m.grads.Slice(lo, hi); p.blank == nil {
			return
		}
		if m.set = append(m.set, p); lo > from {
			m.added = append(m.added, m.grads.Slice(from, lo))
		}
		from = aligned(hi)
	})
	if n := m.grads.Len(); n > from {
		m.added = append(m.added, m.grads.Slice(from, n))
	}
	return nil
}

// blankGradients makes gradients ready for a pass back: those that layers add to are 0, and of the others their nets are told that they hold
// nothing.
func (m *Model) blankGradients() {
	for _, b := range m.added {
		m.be.Fill(b, 0)
	}
	for _, p := range m.set {
		*p.blank = true
	}
}

// settleGradients makes those 0 that the pass had no use for.
func (m *Model) settleGradients() {
	for _, p := range m.set {
		if *p.blank {
			m.be.Fill(p.G, 0)
		}
	}
	for _, p := range m.set {
		*p.blank = false
	}
}

// Close frees the model's memory on the device.
func (m *Model) Close() {
	if m.tensors != nil {
		m.tensors.Close()
		m.tensors = nil
	}
	for _, b := range []*device.Buffer{&m.values, &m.fixed, &m.grads, &m.spread} {
		if !b.Nil() {
			m.be.Free(*b)
			*b = device.Buffer{}
		}
	}
}

// Config describes the model, defaults filled in.
func (m *Model) Config() Config { return m.cfg }

// Backend is the device that the model lives on.
func (m *Model) Backend() device.Backend { return m.be }

// Values is all trained parameters in one array: what an optimiser steps over.
func (m *Model) Values() device.Buffer { return m.values }

// Fixed is all parameters that are not trained.
func (m *Model) Fixed() device.Buffer { return m.fixed }

// NumParams counts the trained values.
func (m *Model) NumParams() (n int) {
	for _, p := range m.params {
		if !p.Fixed {
			n += p.Len()
		}
	}
	return n
}

// Initialised says whether the first batch has set every actnorm.
func (m *Model) Initialised() bool {
	for _, p := range m.params {
		if p.FromData && !p.Done {
			return false
		}
	}
	return true
}

// ParamInfo names one array of a layer.
type ParamInfo struct {
	Name  string
	Shape []int
	Fixed bool
}

// LayerInfo is one part of a model, for people to read.
type LayerInfo struct {
	Name    string
	C, H, W int // shape of what comes out of it
	Params  []ParamInfo
}

// all is the model's blocks in forward order, those of its dequantisation too.
func (m *Model) all() []block { return slices.Concat(m.dequant, m.blocks) }

// Layers lists the model's parts in forward order.
func (m *Model) Layers() (infos []LayerInfo) {
	for _, b := range m.all() {
		info := LayerInfo{Name: b.name, C: b.c, H: b.h, W: b.w}
		for _, p := range b.chain.Params() {
			info.Params = append(info.Params, ParamInfo{p.Name, p.Shape, p.Fixed})
		}
		infos = append(infos, info)
	}
	if m.prior != nil {
		last := m.blocks[len(m.blocks)-1]
		info := LayerInfo{Name: priorName, C: last.c, H: last.h, W: last.w}
		for _, p := range m.prior.Params() {
			info.Params = append(info.Params, ParamInfo{p.Name, p.Shape, p.Fixed})
		}
		infos = append(infos, info)
	}
	return infos
}
