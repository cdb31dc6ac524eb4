package data

import (
	"cmp"
	"fmt"
	"path/filepath"

	"cuflow/flowgpu/data/internal/raster"
)

// scan looks at the files of a folder before any is trained with.
type scan struct {
	root    string
	o       OpenOptions
	total   int
	entries []entry         // those that can be used
	heads   []raster.Header // what each says of itself
}

// run reads all headers, decides how the pictures are made to fit, and leaves out (or fails on) those that cannot be.
func (s *scan) run(pictures []entry) (fit raster.Fit, err error) {
	s.total, s.entries, s.heads = len(pictures), pictures, make([]raster.Header, len(pictures))
	err = s.try(func(i int) (err error) {
		s.heads[i], err = raster.ReadHeader(s.path(i))
		return err
	})
	if err == nil {
		fit, err = s.plan()
	}
	if err == nil {
		err = s.try(func(i int) error { return fit.Check(s.heads[i].H, s.heads[i].W) })
	}
	if err == nil && s.o.skips() {
		err = s.try(func(i int) error {
			_, err := decode(s.path(i), fit)
			return err
		})
	}
	if err != nil {
		return raster.Fit{}, err
	}
	if out := s.total - len(s.entries); out > 0 {
		s.o.report("%s: %d of %d pictures left out", s.root, out, s.total)
	}
	s.reportAlpha(fit.C)
	return fit, nil
}

// path of picture i.
func (s *scan) path(i int) string {
	return filepath.Join(s.root, filepath.FromSlash(s.entries[i].path))
}

// try tries every picture that is left. One that fails is an error, or is left out and named.
func (s *scan) try(f func(i int) error) error {
	bad := make([]error, len(s.entries))
	err := parallel(s.o.workers(), len(s.entries), func(i int) error {
		bad[i] = f(i)
		if bad[i] != nil && !s.o.skips() {
			return badFile(s.path(i), bad[i])
		}
		return nil
	})
	if err != nil {
		return err
	}
	kept := 0
	for i, e := range s.entries {
		if bad[i] != nil {
			s.o.report("left out: %s: %v", s.path(i), bad[i])
			continue
		}
		s.entries[kept], s.heads[kept] = e, s.heads[i]
		kept++
	}
	s.entries, s.heads = s.entries[:kept], s.heads[:kept]
	if kept == 0 {
		return fmt.Errorf("data %q: none of the %d pictures can be used", s.root, s.total)
	}
	return nil
}

// plan decides on channels, size and depth, given the headers of all pictures.
func (s *scan) plan() (fit raster.Fit, err error) {
	fit = raster.Fit{C: cmp.Or(s.o.Channels, s.channels()), How: s.o.Fit, Bits: s.o.Bits}
	if fit.H, fit.W, err = s.size(); err != nil {
		return raster.Fit{}, err
	}
	fit.From, err = s.levels()
	return fit, err
}

// channels is 1 where all pictures are grey and else 3.
func (s *scan) channels() int {
	for _, h := range s.heads {
		if !h.Grey {
			return 3
		}
	}
	return 1
}

// size is that of the options, completed from the pictures.
func (s *scan) size() (h, w int, err error) {
	first := s.heads[0]
	h, w = first.H, first.W
	for i, x := range s.heads {
		switch s.o.Fit {
		case raster.Pad:
			h, w = max(h, x.H), max(w, x.W)
		case raster.Crop:
			h, w = min(h, x.H), min(w, x.W)
		default:
			if (x.H != h || x.W != w) && (s.o.Fit == raster.Refuse || s.o.Height == 0 || s.o.Width == 0) {
				return 0, 0, fmt.Errorf("%s is of %dx%d pixels (height, width), but %s of %dx%d: give a height and a width, and one of crop, resize and pad",
					s.path(0), h, w, s.path(i), x.H, x.W)
			}
		}
	}
	wantH, wantW := cmp.Or(s.o.Height, h), cmp.Or(s.o.Width, w)
	if s.o.Fit == raster.Refuse && (wantH != h || wantW != w) {
		return 0, 0, fmt.Errorf("data %q: the pictures are of %dx%d pixels (height, width), not %dx%d: choose crop, resize or pad", s.root, h, w, wantH, wantW)
	}
	return wantH, wantW, nil
}

// levels is how many each picture has at least, before its depth is reduced: as many as all have, or 256 where they
// differ. Pictures of 8 and of 16 bits go together only if both are reduced, each from its own depth.
func (s *scan) levels() (int, error) {
	low, high := 0, 0 // the pictures of fewest and of most levels
	for i, h := range s.heads {
		if h.Levels < s.heads[low].Levels {
			low = i
		}
		if h.Levels > s.heads[high].Levels {
			high = i
		}
	}
	from := s.heads[low].Levels
	if from != s.heads[high].Levels {
		from = max(from, 256)
	}
	depth, _ := raster.Depth(from)
	if s.o.Bits > depth {
		return 0, fmt.Errorf("%s has %d bits: it cannot be reduced to %d", s.path(low), depth, s.o.Bits)
	}
	if s.o.Bits == 0 && from < s.heads[high].Levels {
		return 0, fmt.Errorf("%s has 16 bits, but %s %d: reduce all pictures to at most %d", s.path(high), s.path(low), depth, depth)
	}
	return from, nil
}

// reportAlpha says so where alpha is given up.
func (s *scan) reportAlpha(channels int) {
	n, first := 0, 0
	for i, h := range s.heads {
		if h.Alpha {
			if n == 0 {
				first = i
			}
			n++
		}
	}
	if n > 0 && channels != 4 {
		s.o.report("%s: %d pictures have an alpha channel, first %s: they are laid over black; 4 channels keep it", s.root, n, s.entries[first].path)
	}
}

// badFile names a picture that cannot be used.
func badFile(path string, err error) error {
	return fmt.Errorf("%s: %w; repair or remove it, or skip bad files", path, err)
}
