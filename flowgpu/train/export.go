package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cuflow/device"
	"cuflow/flowgpu"
	"cuflow/flowgpu/weights"
)

// The formats of weights.
const (
	formatSafetensors = "safetensors"
	formatNPZ         = "npz"
)

// The keys of the metadata that an export adds to those of package weights.
const (
	metaSettings = "settings" // Config as JSON, without the place of the data
	metaStep     = "step"     // of the run
)

// Exporting says what is exported and where to. Empty fields take what there is.
type Exporting struct {
	Format  string // "safetensors" or "npz"; "": by the path, else safetensors
	Weights string // weights.Best, weights.EMA or weights.Raw; "": the first of them that the run has
	Out     string // path; "": weights.FORMAT in the run's folder
}

// Exported is what was written.
type Exported struct {
	Path, Format, Weights string
	Arrays, Values        int
}

// Export writes the weights of the run at path for other frameworks. Package weights documents the file.
func Export(path string, x Exporting, env Env) (*Exported, error) {
	if x.Format == "" {
		x.Format = formatSafetensors
		if strings.EqualFold(filepath.Ext(x.Out), ".npz") {
			x.Format = formatNPZ
		}
	}
	if x.Format != formatSafetensors && x.Format != formatNPZ {
		return nil, usagef("unknown --format %q: use safetensors or npz", x.Format)
	}
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	if x.Out == "" {
		x.Out = filepath.Join(s.dir, "weights."+x.Format)
	}
	if x.Weights, err = s.choose(x.Weights); err != nil {
		return nil, err
	}
	f, err := s.weights(x.Weights, env)
	if err != nil {
		return nil, err
	}
	write := weights.WriteSafetensors
	if x.Format == formatNPZ {
		write = weights.WriteNPZ
	}
	if err := replaceFile(x.Out, func(w io.Writer) error { return write(w, f) }); err != nil {
		return nil, fmt.Errorf("weights %s: %w", x.Out, err)
	}
	result := &Exported{Path: x.Out, Format: x.Format, Weights: x.Weights, Arrays: len(f.Arrays)}
	for _, a := range f.Arrays {
		result.Values += len(a.Data)
	}
	return result, nil
}

// choose says which weights are meant, and puts them in the place of the last ones.
func (s *saved) choose(which string) (string, error) {
	has := func(section string) bool {
		return slices.ContainsFunc(s.c.Sections, func(x flowgpu.Section) bool { return x.Name == section })
	}
	switch {
	case which == "" && has(sectionBest):
		which = weights.Best
	case which == "" && has("ema"):
		which = weights.EMA
	case which == "":
		which = weights.Raw
	case which != weights.Best && which != weights.EMA && which != weights.Raw:
		return "", usagef("unknown --weights %q: use best, ema or raw", which)
	case which == weights.EMA && !has("ema"):
		return "", fmt.Errorf("%s: the run keeps no averaged weights (--ema 0): export them with --weights raw", s.path)
	case which == weights.Best && !has(sectionBest):
		return "", fmt.Errorf("%s: the run keeps no best weights (--patience 0, or no validation yet): export others with --weights ema or raw", s.path)
	}
	switch which {
	case weights.Best:
		s.take(sectionBest, sectionBestFixed)
	case weights.EMA:
		s.take("ema", "fixed")
	}
	return which, nil
}

// weights downloads the model for a file.
func (s *saved) weights(which string, env Env) (*weights.File, error) {
	be, err := env.Open(device.Choice{Name: "cpu"}) // nothing is computed
	if err != nil {
		return nil, err
	}
	defer be.Close()
	m, err := flowgpu.NewFromCheckpoint(be, s.c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	defer m.Close()
	arrays, err := m.Arrays()
	if err != nil {
		return nil, err
	}
	c := s.Config
	if !builtIn(c.Data) {
		c.Data = "" // a path of this machine
	}
	settings, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	meta := map[string]string{weights.MetaWeights: which, metaSettings: string(settings), metaStep: strconv.Itoa(s.Position.Step)}
	return &weights.File{Config: m.Config(), Meta: meta, Arrays: arrays}, nil
}

// settingsOf reads the Config that an export has put into a file; false where there is none.
func settingsOf(f *weights.File) (c Config, ok bool, err error) {
	text := f.Meta[metaSettings]
	if text == "" {
		return Config{}, false, nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, false, fmt.Errorf("settings that this program does not know (%w): use the version that wrote them, or give a --preset", err)
	}
	return c, true, nil
}
