package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cuflow/flowgpu"

	"github.com/google/renameio/v2"
)

// position is where a run stands: what is needed, beside weights and optimiser, to go on as if it had never stopped.
// Learning rate and noise are functions of the step, the order of the images is one of seed and epoch.
type position struct {
	Step     int              `json:"step"`            // training steps done
	Reported int              `json:"reported"`        // of them, steps whose line, validation and samples are done too
	Epoch    int              `json:"epoch"`           // of the last batch, from 0
	Batches  int              `json:"batches"`         // taken in that epoch
	Pending  []flowgpu.Record `json:"pending"`         // steps since the last line of the log
	Seconds  float64          `json:"seconds"`         // spent so far
	Final    *Score           `json:"final"`           // of all held-out samples at the end, once it is done
	Best     *best            `json:"best,omitempty"`  // where training stops early: the best validation, whose weights are kept
	Stale    int              `json:"stale,omitempty"` // validations since
	EM       *emState         `json:"em,omitempty"`
	Imported string           `json:"imported"` // name of the file that the run's first weights are from; "": drawn by seed
}

// extra is the trainer's part of a checkpoint's header.
type extra struct {
	Config   Config   `json:"config"`
	Position position `json:"position"`
}

// saved is a checkpoint as read from a run's folder.
type saved struct {
	extra
	dir, path string
	c         *flowgpu.Checkpoint
}

// open reads the checkpoint of the run at path.
func open(path string) (*saved, error) {
	dir, path, err := locate(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &saved{dir: dir, path: path}
	if s.c, err = flowgpu.ReadCheckpoint(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(s.c.Extra) == 0 {
		return nil, fmt.Errorf("%s: a model without a training run: only programs that load models can use it", path)
	}
	d := json.NewDecoder(bytes.NewReader(s.c.Extra))
	d.DisallowUnknownFields()
	if err := d.Decode(&s.extra); err != nil {
		return nil, fmt.Errorf("%s: settings that this program does not know (%w): use the version that wrote them", path, err)
	}
	if err := s.Config.Validate(); err != nil {
		return nil, fmt.Errorf("%s: settings that this program does not know (%w): use the version that wrote them", path, err)
	}
	return s, nil
}

// chosen puts the run's own weights in the place of the last ones: those of the best validation where training stops early,
// else the averaged ones, if there are any.
func (s *saved) chosen() {
	if !s.take(sectionBest, sectionBestFixed) {
		s.take("ema", "fixed")
	}
}

// take puts two sections in the place of the model's, where there are such.
func (s *saved) take(values, fixed string) bool {
	v, err := s.c.Section(values)
	if err != nil {
		return false
	}
	f, err := s.c.Section(fixed)
	if err != nil {
		return false
	}
	for i := range s.c.Sections {
		switch s.c.Sections[i].Name {
		case "values":
			s.c.Sections[i].Data = v
		case "fixed":
			s.c.Sections[i].Data = f
		}
	}
	return true
}

// replaceFile writes a file so that path holds the old one or the whole new one, whatever happens: under a temporary name
// in the same folder, synced, then renamed.
func replaceFile(path string, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithPermissions(0o666))
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if err := write(f); err != nil {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return err
	}
	d, err := os.Open(dir) // the new name is safe once the folder is
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
