package train

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Line is one line of log.jsonl: the mean over the training steps since the line before, and on some lines a validation.
type Line struct {
	Step            int      `json:"step"`
	Epoch           int      `json:"epoch"`                  // of the step, from 1
	Loss            float64  `json:"loss"`                   // nats per sample
	BitsPerDim      float64  `json:"bits_per_dim,omitempty"` // of images
	LR              float64  `json:"lr,omitempty"`           // of the step; EM has none
	GradNorm        float64  `json:"grad_norm,omitempty"`    // of bits/dim, of vectors of nats, before clipping
	Drift           *float64 `json:"drift,omitempty"`        // memory mode reversible: greatest error of a recovered batch
	ImagesPerSecond float64  `json:"images_per_second"`      // or vectors
	Seconds         float64  `json:"seconds"`                // since the start of the run, pauses left out
	*SolveLine               // of continuous flows
	*Validation
}

// Validation is what the averaged weights make of held-out images.
type Validation struct {
	BitsPerDim float64 `json:"val_bits_per_dim,omitempty"` // of images
	Nats       float64 `json:"val_nats,omitempty"`         // of vectors
	Stderr     float64 `json:"val_stderr"`                 // of the one that is given
	N          int     `json:"val_n"`
}

// journal appends lines to a file.
type journal struct{ f *os.File }

// openJournal opens the log for appending. What a run wrote after step last, its checkpoint's, is cut off: that part of the
// run happens again. So is a last line that a crash cut short.
func openJournal(path string, last int) (*journal, error) {
	keep, err := lengthUpTo(path, last)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(keep); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := f.Seek(keep, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return &journal{f}, nil
}

// lengthUpTo is the length of the whole lines at the file's start that are not of steps after last.
func lengthUpTo(path string, last int) (keep int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for r := bufio.NewReader(f); ; {
		text, err := r.ReadBytes('\n')
		if err == io.EOF {
			return keep, nil
		}
		if err != nil {
			return 0, err
		}
		var l Line
		if json.Unmarshal(text, &l) != nil || l.Step > last {
			return keep, nil
		}
		keep += int64(len(text))
	}
}

func (j *journal) write(l Line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("log line: %w", err)
	}
	_, err = j.f.Write(append(text, '\n'))
	return err
}

// sync makes the log as durable as the checkpoint that follows.
func (j *journal) sync() error { return j.f.Sync() }

func (j *journal) close() error { return j.f.Close() }
