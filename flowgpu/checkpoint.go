package flowgpu

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"cuflow/device"
)

// A checkpoint file is, in this order and little-endian:
//
//	8 bytes   the magic "cuflow\r\n": a text-mode copy spoils it, so that it is noticed
//	uint32    format version
//	uint32    length of the header
//	header    JSON: the model's Config, flags, the trainer's extra, names and lengths of the sections
//	sections  float32 values, one after another
//	32 bytes  SHA-256 of everything before
const (
	magic         = "cuflow\r\n"
	formatVersion = 1
	maxHeader     = 16 << 20
)

// Checkpoint is a model, and whatever a trainer adds to it, as it lies in a file.
type Checkpoint struct {
	Model       Config
	Initialised []bool          // of the parameters that a first batch sets, in layer order
	Extra       json.RawMessage // the trainer's own
	Sections    []Section
}

// Section is a named array.
type Section struct {
	Name string
	Data []float32
}

type header struct {
	Model       Config          `json:"model"`
	Initialised []bool          `json:"initialised"`
	Extra       json.RawMessage `json:"extra,omitempty"`
	Sections    []sectionHeader `json:"sections"`
}

type sectionHeader struct {
	Name   string `json:"name"`
	Values int    `json:"values"`
}

// Add appends a section.
func (c *Checkpoint) Add(name string, data []float32) {
	c.Sections = append(c.Sections, Section{name, data})
}

// Section finds an array by name.
func (c *Checkpoint) Section(name string) ([]float32, error) {
	for _, s := range c.Sections {
		if s.Name == name {
			return s.Data, nil
		}
	}
	return nil, fmt.Errorf("the checkpoint has no %q: it was not written by a training run", name)
}

// Write writes the file's bytes. The caller puts them in place atomically.
func (c *Checkpoint) Write(w io.Writer) error {
	h := header{Model: c.Model, Initialised: c.Initialised, Extra: c.Extra}
	for _, s := range c.Sections {
		h.Sections = append(h.Sections, sectionHeader{s.Name, len(s.Data)})
	}
	text, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("checkpoint header: %w", err)
	}
	sum := sha256.New()
	buf := bufio.NewWriterSize(w, 1<<16)
	out := io.MultiWriter(buf, sum)
	lead := append([]byte(magic), binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, formatVersion), uint32(len(text)))...)
	for _, part := range [][]byte{lead, text} {
		if _, err := out.Write(part); err != nil {
			return err
		}
	}
	for _, s := range c.Sections {
		if err := writeFloats(out, s.Data); err != nil {
			return err
		}
	}
	if _, err := buf.Write(sum.Sum(nil)); err != nil {
		return err
	}
	return buf.Flush()
}

func writeFloats(w io.Writer, data []float32) error {
	var chunk [1 << 14]byte
	for len(data) > 0 {
		n := min(len(data), len(chunk)/4)
		for i, v := range data[:n] {
			binary.LittleEndian.PutUint32(chunk[4*i:], math.Float32bits(v))
		}
		if _, err := w.Write(chunk[:4*n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// ReadCheckpoint reads a file and checks its sum before anything is used. Its errors say whether the file is no checkpoint,
// was cut short, is damaged, or was written by another version.
func ReadCheckpoint(r io.Reader) (*Checkpoint, error) {
	sum := sha256.New()
	in := &hashed{r: bufio.NewReaderSize(r, 1<<16), sum: sum}
	lead := make([]byte, len(magic)+8)
	if err := in.read(lead); err != nil {
		return nil, err
	}
	if string(lead[:len(magic)]) != magic {
		return nil, errors.New("not a Cuflow checkpoint: it begins with other bytes")
	}
	if v := binary.LittleEndian.Uint32(lead[len(magic):]); v != formatVersion {
		return nil, fmt.Errorf("a checkpoint of format version %d, but this program reads version %d: use the program that wrote it", v, formatVersion)
	}
	size := binary.LittleEndian.Uint32(lead[len(magic)+4:])
	if size > maxHeader {
		return nil, fmt.Errorf("damaged checkpoint: its header claims %d bytes; restore it from a copy", size)
	}
	text := make([]byte, size)
	if err := in.read(text); err != nil {
		return nil, err
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, fmt.Errorf("damaged checkpoint: its header cannot be read (%w); restore it from a copy", err)
	}
	c := &Checkpoint{Model: h.Model, Initialised: h.Initialised, Extra: h.Extra}
	for _, s := range h.Sections {
		data, err := in.floats(s.Values)
		if err != nil {
			return nil, err
		}
		c.Add(s.Name, data)
	}
	want := sum.Sum(nil)
	got := make([]byte, len(want))
	if err := in.read(got); err != nil {
		return nil, err
	}
	if string(got) != string(want) {
		return nil, errors.New("damaged checkpoint: its SHA-256 does not match its content; restore it from a copy")
	}
	if n, _ := in.r.Read(make([]byte, 1)); n != 0 {
		return nil, errors.New("damaged checkpoint: there are bytes behind its end; restore it from a copy")
	}
	return c, nil
}

// hashed reads and sums what it reads.
type hashed struct {
	r   io.Reader
	sum hash.Hash
}

func (h *hashed) read(p []byte) error {
	n, err := io.ReadFull(h.r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the checkpoint was cut short: the copy or the disk failed; restore it from a copy")
	}
	if err != nil {
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	h.sum.Write(p[:n])
	return nil
}

// floats reads n values in pieces, so that a damaged length costs no more memory than the file has bytes.
func (h *hashed) floats(n int) ([]float32, error) {
	if n < 0 {
		return nil, errors.New("damaged checkpoint: a section of negative length; restore it from a copy")
	}
	var data []float32
	var chunk [1 << 14]byte
	for len(data) < n {
		k := min(n-len(data), len(chunk)/4)
		if err := h.read(chunk[:4*k]); err != nil {
			return nil, err
		}
		for i := range k {
			data = append(data, math.Float32frombits(binary.LittleEndian.Uint32(chunk[4*i:])))
		}
	}
	return data, nil
}

// Checkpoint downloads the model.
func (m *Model) Checkpoint() (*Checkpoint, error) {
	c := &Checkpoint{Model: m.cfg}
	for _, p := range m.params {
		if p.FromData {
			c.Initialised = append(c.Initialised, p.Done)
		}
	}
	for _, part := range m.sections() {
		data := make([]float32, part.buf.Len())
		if err := m.be.Download(data, part.buf); err != nil {
			return nil, fmt.Errorf("reading the model's %s: %w", part.name, err)
		}
		c.Add(part.name, data)
	}
	return c, nil
}

type namedBuffer struct {
	name string
	buf  device.Buffer
}

func (m *Model) sections() []namedBuffer {
	return []namedBuffer{{"values", m.values}, {"fixed", m.fixed}}
}

// Restore sets the model's parameters and flags. The error says what does not fit; the model is then as it was.
func (m *Model) Restore(c *Checkpoint) error {
	if c.Model.withDefaults() != m.cfg {
		return fmt.Errorf("the checkpoint holds another model: %+v instead of %+v", c.Model, m.cfg)
	}
	var flags []*Param
	for _, p := range m.params {
		if p.FromData {
			flags = append(flags, p)
		}
	}
	if len(flags) != len(c.Initialised) {
		return fmt.Errorf("the checkpoint has %d actnorm flags, the model %d: it was written by another version", len(c.Initialised), len(flags))
	}
	for _, part := range m.sections() {
		data, err := c.Section(part.name)
		if err != nil {
			return err
		}
		if len(data) != part.buf.Len() {
			return fmt.Errorf("the checkpoint has %d %s, the model %d: it was written by another version", len(data), part.name, part.buf.Len())
		}
	}
	for _, part := range m.sections() {
		data, _ := c.Section(part.name)
		m.be.Upload(part.buf, data)
	}
	for i, p := range flags {
		p.Done = c.Initialised[i]
	}
	return nil
}

// NewFromCheckpoint builds the model that a checkpoint holds.
func NewFromCheckpoint(be device.Backend, c *Checkpoint) (*Model, error) {
	m, err := New(be, c.Model)
	if err != nil {
		return nil, err
	}
	if err := m.Restore(c); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Save writes the model: architecture, preprocessing, parameters and flags. Load needs nothing else.
func (m *Model) Save(w io.Writer) error {
	c, err := m.Checkpoint()
	if err != nil {
		return err
	}
	return c.Write(w)
}

// Load reads a model that Save or a training run wrote.
func Load(be device.Backend, r io.Reader) (*Model, error) {
	c, err := ReadCheckpoint(r)
	if err != nil {
		return nil, err
	}
	return NewFromCheckpoint(be, c)
}
