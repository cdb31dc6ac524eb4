package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"cuflow/flowgpu/data/internal/raster"
)

// photograph is a picture and its path in the resources.
type photograph struct {
	path  string
	image raster.Image
}

// photographs reads those of the six resource files that have any, sorted by path.
func photographs(folder string) (all []photograph, err error) {
	for _, activity := range []string{"erase", "explore_monuments", "explore_world_animals", "explore_farm_animals", "explore_world_music", "details"} {
		file := filepath.Join(folder, activity+".rcc")
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		err = resources(b, func(name string, content []byte) error {
			if path.Ext(name) != ".webp" {
				return nil
			}
			c, _, err := image.DecodeConfig(bytes.NewReader(content))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if !isPhotograph(activity, path.Base(name), c.Width*c.Height) {
				return nil
			}
			m, err := raster.Read(bytes.NewReader(content))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if m, err = (raster.Fit{C: 3, H: m.H, W: m.W}).Apply(m); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			all = append(all, photograph{name, m})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	slices.SortFunc(all, func(a, b photograph) int { return cmp.Compare(a.path, b.path) })
	return all, nil
}

// isPhotograph leaves out buttons, cut-outs and, among the backgrounds of the activity "details", van Gogh's paintings.
func isPhotograph(activity, file string, pixels int) bool {
	if activity != "details" {
		return pixels >= 250_000
	}
	painting := slices.ContainsFunc([]string{"Gogh", "VincentVanGogh", "Van_Gogh", "Eglise_dAuvers", "PortraitOfPereTanguy"},
		func(start string) bool { return strings.HasPrefix(file, start) })
	return pixels >= 150_000 && strings.HasSuffix(file, "_background.webp") && !painting
}
