package train

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"cuflow/device"
	"cuflow/flowgpu"
	"cuflow/flowgpu/weights"
)

// Importing says what becomes of a file of weights.
type Importing struct {
	Preset string // whose model the weights are for; "": the settings in the file
	Data   string // what data.OpenWith takes; "": as the settings have it, or the preset's
	Out    string // folder of the new run
}

// Imported is what was made.
type Imported struct {
	Dir    string
	Model  string // its architecture
	Preset string
	Arrays int
}

// Import makes a run of a file that Export or another framework wrote. All that is done with a trained run can be done with it;
// its score is that of the run that was exported. To resume it is to train from step 1, from these weights, with a fresh
// optimiser and the schedule's warm-up.
func Import(file string, im Importing, env Env) (*Imported, error) {
	if err := vacant(im.Out); err != nil {
		return nil, err
	}
	f, err := readWeights(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	cfg, err := im.settings(f)
	if err != nil {
		if errors.As(err, &UsageError{}) {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if im.Data != "" {
		cfg.Data = im.Data
	}
	if cfg.Data != "" { // else what uses the run asks for it
		if err := cfg.anchorData(); err != nil {
			return nil, err
		}
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: settings that cannot be: %v", file, err) // the file is wrong, not the command line
	}
	c, err := cfg.imported(f, filepath.Base(file), env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := occupy(im.Out); err != nil {
		return nil, err
	}
	if err := replaceFile(filepath.Join(im.Out, checkpointFile), c.Write); err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	return &Imported{Dir: im.Out, Model: describe(c.Model), Preset: cfg.Preset, Arrays: len(f.Arrays)}, nil
}

// readWeights reads a file of either format, told apart by its first bytes.
func readWeights(path string) (*weights.File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err) // the path is told
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("is a folder: give a .safetensors or .npz file")
	}
	in := bufio.NewReader(r)
	if start, _ := in.Peek(2); string(start) == "PK" {
		return weights.ReadNPZ(r, info.Size())
	}
	return weights.ReadSafetensors(in)
}

// settings are those of the preset, or else of the file. The error says how the file's model is another one.
func (im Importing) settings(f *weights.File) (Config, error) {
	if im.Preset == "" {
		c, ok, err := settingsOf(f)
		if err == nil && !ok {
			err = errors.New("no settings of a run in the file: give the --preset that its weights are for")
		}
		if err != nil || c.Data != "" {
			return c, err
		}
		if p, err := Preset(c.Preset); err == nil {
			c.Data = p.Data
		}
		return c, nil
	}
	p, err := Preset(im.Preset)
	if err != nil {
		return Config{}, err
	}
	c := p.Config
	if c.Model.Classes == AutoClasses {
		c.Model.Classes = f.Config.Classes
	}
	if c.Model.Channels == AutoDims {
		if f.Config.Channels == 0 {
			return Config{}, fmt.Errorf("preset %s takes vectors of any kind, and the file does not say of which: leave --preset out, or give a file with settings", c.Preset)
		}
		c.Model.Channels, c.Model.Columns = f.Config.Channels, f.Config.Columns
	}
	if f.Config == (flowgpu.Config{}) {
		return c, nil // its arrays will tell
	}
	if diff := differences(f.Config, c.Model); len(diff) > 0 {
		return Config{}, fmt.Errorf("the weights are of another model than preset %s: %s; leave --preset out to use the settings in the file",
			c.Preset, strings.Join(diff, ", "))
	}
	return c, nil
}

// differences names the fields in which two models differ, the seed of their first weights apart.
func differences(have, want flowgpu.Config) (diff []string) {
	fields := func(c flowgpu.Config) map[string]any {
		if m, err := flowgpu.New(&device.Tally{}, c); err == nil { // fills defaults in
			c = m.Config()
			m.Close()
		}
		c.Seed = 0
		text, err := json.Marshal(c)
		all := map[string]any{}
		if err == nil {
			err = json.Unmarshal(text, &all)
		}
		if err != nil {
			panic("train: a Config is no JSON object")
		}
		return all
	}
	a, b := fields(have), fields(want)
	for name, v := range a {
		if w, ok := b[name]; !ok {
			diff = append(diff, fmt.Sprintf("%s %v instead of none", name, v))
		} else if !reflect.DeepEqual(v, w) {
			diff = append(diff, fmt.Sprintf("%s %v instead of %v", name, v, w))
		}
	}
	for name, w := range b {
		if _, ok := a[name]; !ok {
			diff = append(diff, fmt.Sprintf("no %s instead of %v", name, w))
		}
	}
	slices.Sort(diff)
	return diff
}

// imported is the checkpoint of a run before its first step that has the file's weights.
func (c Config) imported(f *weights.File, name string, env Env) (*flowgpu.Checkpoint, error) {
	for _, a := range f.Arrays {
		if i := slices.IndexFunc(a.Data, func(v float32) bool { return !finite(float64(v)) }); i >= 0 {
			return nil, fmt.Errorf("array %s holds %v at index %d: these weights are of no use", a.Name, a.Data[i], i)
		}
	}
	be, err := env.Open(device.Choice{Name: "cpu"}) // nothing is computed
	if err != nil {
		return nil, err
	}
	defer be.Close()
	m, err := flowgpu.New(be, c.Model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := m.SetArrays(f.Arrays); err != nil {
		return nil, fmt.Errorf("the weights do not fit %s: %w", describe(m.Config()), err)
	}
	k, err := m.Checkpoint()
	if err != nil {
		return nil, err
	}
	values, err := k.Section("values")
	if err != nil {
		return nil, err
	}
	k.Add("adam.m", make([]float32, len(values)))
	k.Add("adam.v", make([]float32, len(values)))
	if c.Adam.EMADecay > 0 {
		k.Add("ema", values)
	}
	c.Model = m.Config()
	k.Extra, err = json.Marshal(extra{c, position{Imported: name}})
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return k, nil
}
