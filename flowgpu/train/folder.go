package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// What a run's folder holds.
const (
	checkpointFile = "checkpoint.cuflow"
	logFile        = "log.jsonl"
	samplesFolder  = "samples"     // grids drawn on the way, always of the same noise
	samplesFile    = "samples.png" // the grid of the trained model
	rowsFile       = "samples.csv" // of vectors, what the trained model draws
	curvesFile     = "curves.png"  // bits/dim or nats by step
)

// vacant says whether a new run may go into a folder: one that holds a run already is left alone.
func vacant(dir string) error {
	for _, name := range []string{checkpointFile, logFile} {
		_, err := os.Lstat(filepath.Join(dir, name))
		switch {
		case err == nil && name == checkpointFile:
			return fmt.Errorf("%s holds a run already: go on with `train resume %s`, look at it with `train eval %s`, or give another --out", dir, dir, dir)
		case err == nil:
			return fmt.Errorf("%s holds the log of a run that has no checkpoint: give another --out, or delete %s", dir, filepath.Join(dir, name))
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("--out: %w", err)
		}
	}
	return nil
}

// occupy makes the folder for a new run.
func occupy(dir string) error {
	if err := vacant(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// locate finds the run that a path means: its folder, or the checkpoint in it.
func locate(path string) (dir, checkpoint string, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("%s: no such folder; give the folder of a run (its --out), or its %s", path, checkpointFile)
	case err != nil:
		return "", "", err
	case !info.IsDir():
		return filepath.Dir(path), path, nil
	}
	checkpoint = filepath.Join(path, checkpointFile)
	if _, err := os.Stat(checkpoint); errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("%s: no %s in this folder; give the folder of a run (its --out)", path, checkpointFile)
	}
	return path, checkpoint, nil
}
