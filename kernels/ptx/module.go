package ptx

import (
	"fmt"
	"sort"
)

// Module is a parsed PTX text: kernels ready to run, and the module's own variables.
type Module struct {
	name     string
	version  string // .version
	target   string // .target
	kernels  map[string]*Kernel
	image    []byte // initial bytes of the module's .global and .const variables
	readOnly []span // the parts that are .const
}

type span struct{ lo, hi uint64 }

// Param is one entry of a kernel's parameter list.
type Param struct {
	Name  string
	Size  int // bytes
	Align int
}

type param struct {
	Param
	offset int
}

// Kernel is an entry of a module, decoded.
type Kernel struct {
	name      string
	module    *Module
	params    []param
	paramSize int
	shared    int // static shared memory, bytes
	local     int // local memory of one thread, bytes
	maxBlock  [3]int
	exactDim  bool // .reqntid: blocks of exactly maxBlock
	code      []inst
	words     int // registers of up to 32 bits
	longs     int // registers of 64 bits
	preds     int
	constants []constant
	specials  []special
}

// Name is the kernel's entry name.
func (k *Kernel) Name() string { return k.name }

// Params lists the parameters in order.
func (k *Kernel) Params() []Param {
	out := make([]Param, len(k.params))
	for i, p := range k.params {
		out[i] = p.Param
	}
	return out
}

// SharedBytes is the static shared memory of a block.
func (k *Kernel) SharedBytes() int { return k.shared }

// LocalBytes is the local memory of a thread.
func (k *Kernel) LocalBytes() int { return k.local }

// MaxThreads is the largest block allowed, from .maxntid or .reqntid; 1024 where the kernel does not say.
func (k *Kernel) MaxThreads() int {
	if k.maxBlock == [3]int{} {
		return maxThreads
	}
	return min(maxThreads, k.maxBlock[0]*k.maxBlock[1]*k.maxBlock[2])
}

// Target is the architecture that the text was compiled for, as sm_80.
func (m *Module) Target() string { return m.target }

// Version is the PTX ISA version of the text, as 8.1.
func (m *Module) Version() string { return m.version }

// Kernels names the module's entries in alphabetical order.
func (m *Module) Kernels() []string {
	var out []string
	for n := range m.kernels {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

// Kernel finds an entry.
func (m *Module) Kernel(entry string) (*Kernel, error) {
	if k, ok := m.kernels[entry]; ok {
		return k, nil
	}
	return nil, fmt.Errorf("ptx: %s has no kernel %q", m.name, entry)
}

// variables gives the address of the module's variables in this memory, and places them at the first call.
func (m *Memory) variables(mod *Module) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if base, ok := m.modules[mod]; ok || len(mod.image) == 0 {
		return base, nil
	}
	a, err := m.alloc(len(mod.image))
	if err != nil {
		return 0, err
	}
	copy(a.data, mod.image)
	for i := range a.written {
		a.written[i] = 1
	}
	m.modules[mod] = a.base
	return a.base, nil
}
