package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
)

// save puts a checkpoint of this moment in place of the one before.
func (r *run) save() error {
	c, err := r.model.Checkpoint()
	if err != nil {
		return err
	}
	if err := r.stepper.Save(c); err != nil {
		return err
	}
	r.saveBest(c)
	if !r.began.IsZero() {
		r.at.Seconds = r.seconds()
	}
	if c.Extra, err = json.Marshal(extra{r.cfg, r.at}); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if r.log != nil {
		if err := errors.Join(r.log.sync(), r.board.Sync()); err != nil {
			return r.cannotWrite(err)
		}
	}
	if err := replaceFile(filepath.Join(r.dir, checkpointFile), c.Write); err != nil {
		return r.cannotWrite(err)
	}
	r.saved = r.at.Step
	return nil
}

// cannotWrite says what a failed write to the folder means for the run.
func (r *run) cannotWrite(err error) error {
	if r.saved < 0 {
		return fmt.Errorf("the run was not started: %w: choose an --out that can be written", err)
	}
	remedy := "when that is mended"
	if diskFull(err) {
		remedy = "when there is space again"
	}
	return fmt.Errorf("step %d: %w; the checkpoint of step %d is untouched: %s, go on from it with `train resume %s`", r.at.Step, err, r.saved, remedy, r.dir)
}
