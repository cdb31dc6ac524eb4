// Command photos cuts small patches out of the photographs that Debian's package gcompris-qt-data has in its Qt resource
// files: a data set of natural colour images. scripts/data runs it.
//
//	go run ./flowgpu/data/internal/photos -rcc FOLDER -side 32 -out FOLDER
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cuflow/flowgpu/data/internal/raster"
	"cuflow/flowgpu/internal/npy"
)

func main() {
	from := flag.String("rcc", "", "folder of the .rcc files")
	side := flag.Int("side", 32, "height and width of a patch")
	to := flag.String("out", "", "folder to write train.npy, test.npy and photos.txt into")
	flag.Parse()
	if *from == "" || *to == "" || *side < 1 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*from, *to, *side); err != nil {
		fmt.Fprintln(os.Stderr, "photos:", err)
		os.Exit(1)
	}
}

// part is one side of the split.
type part struct {
	name    string
	patches []byte // [N][side][side][3]
	n       int
}

func run(from, to string, side int) error {
	photos, err := photographs(from)
	if err != nil {
		return err
	}
	if len(photos) == 0 {
		return fmt.Errorf("%s: no photographs in the resource files", from)
	}
	train, test := &part{name: "train"}, &part{name: "test"}
	var list strings.Builder
	for i, photo := range photos {
		p := train
		if i%10 == 9 { // whole photographs, so that no patch to test with is beside one that was trained with
			p = test
		}
		n := 0
		for _, patch := range patches(halve(photo.image), side) {
			if flat(patch) {
				continue
			}
			p.patches = append(p.patches, patch...)
			n++
		}
		p.n += n
		fmt.Fprintf(&list, "%s\t%d\t%s\n", p.name, n, photo.path)
	}
	for _, p := range []*part{train, test} {
		if err := p.write(to, side); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(to, "photos.txt"), []byte(list.String()), 0o644); err != nil {
		return err
	}
	fmt.Printf("%d photographs, split by photograph: %d patches of %dx%dx3 to train with, %d to test with\n", len(photos), train.n, side, side, test.n)
	return costs(test, side)
}

func (p *part) write(folder string, side int) error {
	f, err := os.Create(filepath.Join(folder, p.name+".npy"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := npy.Write(f, []int{p.n, side, side, 3}, p.patches); err != nil {
		return err
	}
	return f.Close()
}

// halve makes every square of four pixels their mean, rounded, which weakens the traces of lossy compression. An odd row
// or column at the end is left out.
func halve(m raster.Image) raster.Image {
	out := raster.Image{C: m.C, H: m.H / 2, W: m.W / 2, Levels: m.Levels}
	for c := range m.C {
		for y := range out.H {
			top := m.Pix[(c*m.H+2*y)*m.W:][:2*m.W]
			for x := range out.W {
				out.Pix = append(out.Pix, (top[2*x]+top[2*x+1]+top[m.W+2*x]+top[m.W+2*x+1]+2)/4)
			}
		}
	}
	return out
}

// patches cuts a picture into squares, [side][side][3], beginning at its top left corner.
func patches(m raster.Image, side int) (all [][]byte) {
	for top := 0; top+side <= m.H; top += side {
		for left := 0; left+side <= m.W; left += side {
			patch := make([]byte, 0, side*side*m.C)
			for y := top; y < top+side; y++ {
				for x := left; x < left+side; x++ {
					for c := range m.C {
						patch = append(patch, byte(m.Pix[(c*m.H+y)*m.W+x]))
					}
				}
			}
			all = append(all, patch)
		}
	}
	return all
}

// flat tells whether there is next to nothing to see: the variance within the channels, their mean, is below 4 squared.
func flat(patch []byte) bool {
	const limit = 4
	n, variance := len(patch)/3, 0 // times n squared, summed over the channels
	for c := range 3 {
		sum, squares := 0, 0
		for i := c; i < len(patch); i += 3 {
			v := int(patch[i])
			sum += v
			squares += v * v
		}
		variance += n*squares - sum*sum
	}
	return variance < 3*n*n*limit*limit
}
