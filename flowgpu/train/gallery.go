package train

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"cuflow/flowgpu/data"
)

// Picking says how images for a model are found.
type Picking struct {
	Fit   string // how pictures of another size are made to fit: "crop", "resize", "pad"; "": as the run's data was
	Class int    // of pictures, for a class-conditional model; AllClasses: of no known class

	Context string // of vectors, for a conditional model: NAME=VALUE,...; "": each has its own, in columns of the table
}

// gallery is images of a model's shape, each with a name. The noise of image i is that of first+i.
type gallery struct {
	data.Source
	name  func(i int) string
	first int
}

// find gives the images that an argument of a command means, all of the model's shape:
//
//	test, train       what the run held out or trained with; test:7 is its image 7, from 0. Of vectors val, too
//	file or folder    pictures, by their paths
//	any other data    what data.OpenWith takes: both parts, as NAME train:0 ... NAME test:0 ...
//	vectors           what data.OpenRows takes, as NAME:0 ...
//
// A folder in which there is a picture counts as pictures. A folder named test or train is ./test or ./train.
func (s *saved) find(arg string, p Picking, use Use, env Env) ([]gallery, error) {
	if part, index, one := strings.Cut(arg, ":"); part == "test" || part == "train" || part == "val" && s.Config.vectors() {
		return s.part(part, index, one, use, env)
	}
	if s.Config.vectors() {
		o := s.Config.vectorOptions(env.note)
		if p.Context != "" {
			o.Context, o.Given = nil, nil
		}
		rows, err := data.OpenRows(arg, o)
		if err != nil {
			return nil, err
		}
		return []gallery{numbered(rows, arg)}, nil
	}
	paths, err := pictureFiles(arg)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		c := s.Config
		c.Data, c.Fit = arg, cmp.Or(p.Fit, c.Fit)
		train, test, err := c.openData(env.note)
		if err != nil {
			return nil, err
		}
		return []gallery{numbered(train, train.Info().Name), numbered(test, test.Info().Name)}, nil
	}
	set, err := s.open(paths, p)
	if err != nil {
		return nil, err
	}
	return []gallery{{Source: set, name: func(i int) string { return paths[i] }}}, nil
}

// part is what the run held out or trained with, or one image of it.
func (s *saved) part(part, index string, one bool, use Use, env Env) ([]gallery, error) {
	parts, err := s.sources(use, env)
	if err != nil {
		return nil, moved(err)
	}
	set := map[string]data.Source{"train": parts.train, "val": parts.val, "test": parts.test}[part]
	if !one {
		return []gallery{numbered(set, part)}, nil
	}
	i, err := strconv.Atoi(index)
	if n := set.Info().N; err != nil || i < 0 || i >= n {
		return nil, usagef("%s:%s: the %ss are %s:0 to %s:%d", part, index, s.Config.unit().thing, part, part, n-1)
	}
	return []gallery{{only{set, i}, func(int) string { return part + ":" + index }, i}}, nil
}

func numbered(set data.Source, name string) gallery {
	return gallery{Source: set, name: func(i int) string { return fmt.Sprintf("%s:%d", name, i) }}
}

// pictureFiles are the pictures that a path means; none where it is data of another kind.
func pictureFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && path == "digits":
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no such file or folder; give pictures, a data set, or test or train for images of the run's data", path)
	case err != nil:
		return nil, err
	case info.IsDir():
		return data.ListPictures(path)
	case strings.HasSuffix(path, ".npy") || strings.HasSuffix(path, ".npz"):
		return nil, nil
	}
	return []string{path}, nil
}

// open makes pictures what the model takes.
func (s *saved) open(paths []string, p Picking) (data.Source, error) {
	m := s.Config.Model
	as := data.Info{Name: "pictures", C: m.Channels, H: m.Height, W: m.Width, Levels: m.Intensities}
	set, err := data.OpenFiles(paths, as, cmp.Or(p.Fit, s.Config.Fit))
	switch {
	case err != nil:
		return nil, err
	case m.Classes == 0:
		return set, nil
	case p.Class == AllClasses:
		return nil, usagef("%s: the model is class-conditional, and a picture has no label: give --class", paths[0])
	}
	return ofClass{set, int32(p.Class), m.Classes}, nil
}

// only is one image of a source.
type only struct {
	data.Source
	i int
}

func (o only) Info() data.Info {
	info := o.Source.Info()
	info.N = 1
	return info
}

func (o only) Label(int) int32 { return o.Source.Label(o.i) }

func (o only) Given(dst []float32, _, i, n int) { o.Source.Given(dst, o.i, i, n) }

func (o only) Load(dst []float32, _, i, n int) error { return o.Source.Load(dst, o.i, i, n) }

func (o only) Fill(dst []float32, _, n int) error { return o.Source.Fill(dst, o.i, n) }

// ofClass is images that are said to be of a class.
type ofClass struct {
	data.Source
	class   int32
	classes int
}

func (o ofClass) Info() data.Info {
	info := o.Source.Info()
	info.Classes = o.classes
	return info
}

func (o ofClass) Label(int) int32 { return o.class }
