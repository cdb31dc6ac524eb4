// Command compare draws the curves of several runs into one picture. See scripts/curves.
package main

import (
	"flag"
	"fmt"
	"log"
	"path/filepath"
	"strings"

	"cuflow/flowgpu/train/curves"

	"gonum.org/v1/plot/vg"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("curves: ")
	out := flag.String("out", "", "picture to write")
	title := flag.String("title", "", "title of the picture")
	flag.Parse()
	if *out == "" || flag.NArg() == 0 {
		log.Fatal("usage: -out PICTURE [-title TITLE] [NAME=]RUN...")
	}
	if err := draw(*out, *title, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func draw(out, title string, runs []string) error {
	var all []curves.Series
	for _, run := range runs {
		name, dir, named := strings.Cut(run, "=")
		if !named {
			name, dir = filepath.Base(run), run
		}
		train, val, err := curves.ReadLog(filepath.Join(dir, "log.jsonl"))
		if err != nil {
			return err
		}
		if len(runs) > 1 {
			train.Name, val.Name = fmt.Sprintf("%s, %s", name, train.Name), fmt.Sprintf("%s, %s", name, val.Name)
		}
		all = append(all, train, val)
	}
	for _, s := range all {
		if s.Unit != all[0].Unit {
			return fmt.Errorf("%s are %s, but %s are %s: images and vectors do not compare", all[0].Name, all[0].Unit, s.Name, s.Unit)
		}
	}
	p, err := curves.Plot(title, "training steps", all[0].Unit, all)
	if err != nil {
		return err
	}
	return curves.WritePNG(out, p, 8*vg.Inch, 4.5*vg.Inch)
}
