package device

import (
	"errors"
	"fmt"
	"slices"

	"cuflow/kernels"
	"cuflow/kernels/ptx"
)

// Sim is a Driver without hardware: it runs the PTX that ships in the interpreter of kernels/ptx, which finds what hardware
// does not tell. It is exact and slow, some hundred thousand times slower than a large GPU.
type Sim struct {
	cfg     SimConfig
	mem     *ptx.Memory
	kernels []*ptx.Kernel
	names   []string
	graph   *simGraph // being recorded
	err     error     // of a launch: the device is lost
	staged  [2]staging
	fetched []byte
	turn    int
}

// SimConfig says what a Sim is like.
type SimConfig struct {
	Target kernels.Target // "" is Compute80
	Memory int64          // bytes; 0 is 8 GiB
	// Unchecked turns off the checkers that cost time: reads of memory never written, races. Bounds and alignment stay.
	Unchecked bool
	Workers   int                   // blocks at a time; 0: one for each core
	Stats     map[string]*ptx.Stats // where it is not nil, figures by kernel are added
}

type staging struct {
	addr uint64
	size int
}

var errRecording = errors.New("not while work is recorded")

// NewSim makes a device of nothing.
func NewSim(cfg SimConfig) *Sim {
	if cfg.Target == "" {
		cfg.Target = kernels.Compute80
	}
	if cfg.Memory == 0 {
		cfg.Memory = 8 << 30
	}
	return &Sim{cfg: cfg, mem: ptx.NewMemory(cfg.Memory, !cfg.Unchecked)}
}

// Name is "sim" for compute_80 and "sim:70" for compute_70.
func (s *Sim) Name() string {
	if s.cfg.Target == kernels.Compute80 {
		return "sim"
	}
	return "sim:" + string(s.cfg.Target)
}

func (s *Sim) Chip() Chip {
	t := string(s.cfg.Target)
	return Chip{
		Name: "PTX interpreter", Major: int(t[0] - '0'), Minor: int(t[1] - '0'), Multiprocessors: 1,
		Memory: s.cfg.Memory, Free: s.cfg.Memory - s.mem.Used(),
	}
}

func (s *Sim) Load(file, text string, names []string) ([]Function, error) {
	m, err := ptx.Parse(file, text)
	if err != nil {
		return nil, err
	}
	var functions []Function
	for _, name := range names {
		k, err := m.Kernel(name)
		if err != nil {
			return nil, err
		}
		functions = append(functions, Function(len(s.kernels)))
		s.kernels, s.names = append(s.kernels, k), append(s.names, name)
	}
	return functions, nil
}

// ready says whether the host may touch the device.
func (s *Sim) ready() error {
	if s.err == nil && s.graph != nil {
		return errRecording
	}
	return s.err
}

func (s *Sim) Alloc(bytes int64) (uint64, error) {
	if err := s.ready(); err != nil {
		return 0, err
	}
	if free := s.cfg.Memory - s.mem.Used(); bytes > free {
		return 0, fmt.Errorf("%s: out of memory: %d bytes asked, %d of %d free", s.Name(), bytes, free, s.cfg.Memory)
	}
	return s.mem.Alloc(int(bytes))
}

func (s *Sim) Free(addr uint64) error {
	if err := s.ready(); err != nil {
		return err
	}
	return s.mem.Free(addr)
}

func (s *Sim) CopyIn(dst uint64, src []byte) error {
	if err := s.ready(); err != nil {
		return err
	}
	return s.mem.CopyIn(dst, src)
}

func (s *Sim) CopyOut(dst []byte, src uint64) error {
	if err := s.ready(); err != nil {
		return err
	}
	return s.mem.CopyOut(dst, src)
}

func (s *Sim) Fetch(src uint64, bytes int) error {
	if err := s.ready(); err != nil {
		return err
	}
	s.fetched = slices.Grow(s.fetched[:0], bytes)[:bytes]
	return s.mem.CopyOut(s.fetched, src)
}

func (s *Sim) Fetched(dst []byte) error {
	if len(dst) != len(s.fetched) {
		return fmt.Errorf("%d bytes were fetched, not %d", len(s.fetched), len(dst))
	}
	copy(dst, s.fetched)
	return s.ready()
}

// Poison makes memory as it was before it was first written.
func (s *Sim) Poison(addr uint64, bytes int) error {
	if s.graph != nil { // the content at replay is that of the op before, whose partial sums are of other lengths
		return nil
	}
	return s.mem.Poison(addr, bytes)
}

// Stage has two pieces of memory that take turns; the one whose turn is over is forgotten, so that reading it is an error.
func (s *Sim) Stage(src []byte) (uint64, error) {
	if err := s.ready(); err != nil {
		return 0, err
	}
	if old := &s.staged[s.turn]; old.size > 0 {
		if err := s.mem.Poison(old.addr, old.size); err != nil {
			return 0, err
		}
	}
	s.turn = 1 - s.turn
	st := &s.staged[s.turn]
	if st.size < len(src) {
		if err := s.mem.Free(st.addr); err != nil {
			return 0, err
		}
		a, err := s.mem.Alloc(len(src))
		if err != nil {
			return 0, err
		}
		*st = staging{a, len(src)}
	}
	return st.addr, s.mem.CopyIn(st.addr, src)
}

// simLaunch is a launch with its own arguments.
type simLaunch struct {
	function Function
	launch   ptx.Launch
}

func (s *Sim) Launch(l *Launch) error {
	if s.err != nil {
		return s.err
	}
	c := simLaunch{l.Function, ptx.Launch{
		Grid: [3]int{l.GridX, l.GridY, 1}, Block: [3]int{l.Block, 1, 1}, Shared: l.Shared, Args: l.Args, ArgSizes: l.Sizes,
	}}
	if s.graph != nil {
		c.launch.Args = append([]uint64(nil), l.Args...)
		s.graph.launches = append(s.graph.launches, c)
		return nil
	}
	return s.execute(c)
}

func (s *Sim) execute(c simLaunch) error {
	o := ptx.Options{Check: !s.cfg.Unchecked, Races: !s.cfg.Unchecked, Workers: s.cfg.Workers}
	if s.cfg.Stats != nil {
		name := s.names[c.function]
		if s.cfg.Stats[name] == nil {
			s.cfg.Stats[name] = &ptx.Stats{}
		}
		o.Stats = s.cfg.Stats[name]
	}
	s.err = s.kernels[c.function].Run(s.mem, c.launch, o)
	return s.err
}

func (s *Sim) Sync() error { return s.ready() }

func (s *Sim) Record() error {
	if err := s.ready(); err != nil {
		return err
	}
	s.graph = &simGraph{s: s}
	return nil
}

func (s *Sim) Stop() (Graph, error) {
	g := s.graph
	s.graph = nil
	if g == nil {
		return nil, errors.New("no work is being recorded")
	}
	return g, s.err
}

func (s *Sim) Close() error {
	s.mem, s.kernels = nil, nil
	return nil
}

// simGraph is a list of launches.
type simGraph struct {
	s        *Sim
	launches []simLaunch
}

func (g *simGraph) Replay() error {
	if err := g.s.ready(); err != nil {
		return err
	}
	for _, l := range g.launches {
		if err := g.s.execute(l); err != nil {
			return fmt.Errorf("kernel %s: %w", g.s.names[l.function], err)
		}
	}
	return nil
}

func (g *simGraph) Close() error {
	g.launches = nil
	return nil
}
