package data

import (
	"errors"
	"fmt"
	"runtime"

	"cuflow/flowgpu/data/internal/raster"
)

// OpenOptions say how a data set is read. The zero value takes it as it is and refuses what is not clear.
type OpenOptions struct {
	// Height and Width of a sample. 0 is as the data has it; of pictures that differ, the smallest for "crop" and the
	// largest for "pad".
	Height, Width int
	// Fit is how a picture of another size is made to fit: "crop" cuts out the middle, "resize" scales its short side to
	// fit and then cuts out the middle, "pad" puts it in the middle of zeros, and "" refuses. What is modelled is the
	// result, and its likelihood is exact; Set.Pad says how that of padded images bounds that of the images.
	Fit string
	// Channels of a sample: 1 grey (Rec. 601 luma), 3 RGB, 4 RGBA, 0 as the data has it. Picture files then give grey if
	// all are grey and else RGB, a palette's colours included; RGBA only if asked for. Alpha that is not kept is laid over
	// black, with a line to Report.
	Channels int
	// Bits reduces the depth exactly, to v >> (depth-Bits). 0 keeps it.
	Bits int

	// Validation is the share of samples held out where the data has no split of its own; 0 is a tenth. Seed and the
	// file's path within the folder decide (of an array, the number of the sample), so that more files do not move others.
	Validation float64
	Seed       uint64

	// Labels takes the sub-folders of a folder of pictures as classes. Other formats have labels or not.
	Labels bool
	// Layout of arrays: "nhw", "nhwc" or "nchw" where the shape leaves it open; "" takes the one that it can only be.
	Layout string

	// BadFiles is what to do with a picture that cannot be read: "fail" (or "") or "skip". To skip is to read every file
	// once before the start, so that the number of samples is known; each is named to Report, which is then needed.
	BadFiles string
	// Report is told what the caller should know about the data, line by line.
	Report func(string)
	// Workers is how many files are read at once: 0 is as many as there are processors.
	Workers int
}

// check tells whether the options make sense by themselves.
func (o OpenOptions) check() error {
	switch {
	case o.Height < 0 || o.Width < 0 || o.Height > maxSide || o.Width > maxSide:
		return fmt.Errorf("images of %dx%d (height, width): each must be 1 to %d, or 0 for that of the data", o.Height, o.Width, maxSide)
	case o.Fit != raster.Refuse && o.Fit != raster.Crop && o.Fit != raster.Resize && o.Fit != raster.Pad:
		return fmt.Errorf("fit %q: must be crop, resize, pad or nothing", o.Fit)
	case o.Channels != 0 && o.Channels != 1 && o.Channels != 3 && o.Channels != 4:
		return fmt.Errorf("%d channels: must be 1 (grey), 3 (RGB), 4 (RGBA), or 0 for those of the data", o.Channels)
	case o.Bits < 0 || o.Bits > 16:
		return fmt.Errorf("%d bits: must be 1 to 16, or 0 for those of the data", o.Bits)
	case !(o.Validation >= 0 && o.Validation < 1):
		return fmt.Errorf("a held-out share of %v: must be at least 0 and less than 1", o.Validation)
	case o.Layout != "" && o.Layout != "nhw" && o.Layout != "nhwc" && o.Layout != "nchw":
		return fmt.Errorf("layout %q: must be nhw, nhwc, nchw or nothing", o.Layout)
	case o.BadFiles != "" && o.BadFiles != "fail" && o.BadFiles != "skip":
		return fmt.Errorf("bad files %q: must be fail or skip", o.BadFiles)
	case o.BadFiles == "skip" && o.Report == nil:
		return errors.New("bad files are to be skipped, but Report, which is to be told their names, is nil")
	case o.Workers < 0:
		return fmt.Errorf("%d workers: must be at least 1, or 0 for one a processor", o.Workers)
	}
	return nil
}

func (o OpenOptions) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

func (o OpenOptions) skips() bool { return o.BadFiles == "skip" }

func (o OpenOptions) report(format string, args ...any) {
	if o.Report != nil {
		o.Report(fmt.Sprintf(format, args...))
	}
}
