package curves

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Series is one curve.
type Series struct {
	Name   string
	Steps  []float64
	Values []float64
	Dashed bool   // drawn in the colour of the solid curve before it: validation beside training
	Unit   string // of the values: what a log says them to be in
}

// ReadLog reads a run's log.jsonl: bits/dim in training, and, dashed, those of held-out images, of which there may be none. Of
// vectors, which have no bits/dim, they are nats.
func ReadLog(path string) (train, val Series, err error) {
	f, err := os.Open(path)
	if err != nil {
		return train, val, err
	}
	defer f.Close()
	train, val = Series{Name: "training", Unit: "bits/dim"}, Series{Name: "validation", Dashed: true, Unit: "bits/dim"}
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		text, err := r.ReadBytes('\n')
		if err == io.EOF && len(text) == 0 {
			return train, val, nil
		}
		if err != nil && err != io.EOF {
			return Series{}, Series{}, err
		}
		if err := readLine(text, &train, &val); err != nil {
			return Series{}, Series{}, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
	}
}

func readLine(text []byte, train, val *Series) error {
	var l struct {
		Step  *float64 `json:"step"`
		Train *float64 `json:"bits_per_dim"`
		Val   *float64 `json:"val_bits_per_dim"`
		Loss  *float64 `json:"loss"`
		Nats  *float64 `json:"val_nats"`
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	if l.Train == nil {
		l.Train, l.Val = l.Loss, l.Nats
		train.Unit, val.Unit = "nats", "nats"
	}
	if l.Step == nil || l.Train == nil {
		return errors.New("no step, or neither bits_per_dim nor loss")
	}
	train.add(*l.Step, *l.Train)
	if l.Val != nil {
		val.add(*l.Step, *l.Val)
	}
	return nil
}

func (s *Series) add(step, value float64) {
	s.Steps, s.Values = append(s.Steps, step), append(s.Values, value)
}

// Len is the number of points.
func (s Series) Len() int { return len(s.Steps) }
