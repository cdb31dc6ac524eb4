package data

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// listing is what a folder of pictures has in it, by the names alone.
type listing struct {
	pictures []entry  // by path
	classes  []string // sorted; empty without labels
}

// entry is a picture and where it belongs.
type entry struct {
	picture
	held bool
}

// list walks a folder.
func list(root string, o OpenOptions) (l listing, err error) {
	paths, err := walk(root, o)
	if err != nil {
		return listing{}, err
	}
	held, rest, err := ownSplit(root, o)
	if err != nil {
		return listing{}, err
	}
	var classes, outside []string
	class := func(p string) string { // the first folder on the way, below that of a split
		if held != "" {
			_, p, _ = strings.Cut(p, "/")
		}
		name, _, deeper := strings.Cut(p, "/")
		if !deeper {
			return ""
		}
		return name
	}
	for _, p := range paths {
		e := entry{picture: picture{path: p}}
		switch top, _, _ := strings.Cut(p, "/"); {
		case held == "":
			e.held = o.heldOut(p)
		case top == held || top == "train":
			e.held = top == held
		default:
			outside = append(outside, p)
			continue
		}
		if o.Labels {
			c := class(p)
			if c == "" {
				return listing{}, fmt.Errorf("data %q: %s is in no sub-folder, so it has no class: move it into that of its class, or do without labels", root, p)
			}
			classes = append(classes, c)
		}
		l.pictures = append(l.pictures, e)
	}
	if held != "" {
		o.report("%s: train and %s are the split%s", root, held, rest)
	}
	if len(outside) > 0 {
		o.report("%s: not read, being outside of the split: %s", root, some(outside))
	}
	if len(l.pictures) == 0 {
		return listing{}, fmt.Errorf("data %q: no pictures (%s), no train-images-idx3-ubyte or other idx file, no CIFAR and no .npy files in this folder; %s, then give data/mnist or data/fashion",
			root, strings.Join(extensions(), " "), fetchHint)
	}
	if o.Labels {
		l.classes = slices.Compact(slices.Sorted(slices.Values(classes)))
		for i, c := range classes {
			at, _ := slices.BinarySearch(l.classes, c)
			l.pictures[i].label = int32(at)
		}
		o.report("%s: %d classes: %s", root, len(l.classes), some(l.classes))
	}
	return l, nil
}

func extensions() []string {
	return []string{".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
}

// walk gives the sorted paths of all files that are pictures by name. Hidden files and folders are passed over; what else
// is not read is reported.
func walk(root string, o OpenOptions) (paths []string, err error) {
	var others []string
	tree := os.DirFS(root)
	err = fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p != "." && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		info, err := fs.Stat(tree, p) // of what a link leads to; a link to nothing is a bad file for the reader to find
		regular := err != nil || info.Mode().IsRegular()
		if regular && slices.Contains(extensions(), strings.ToLower(path.Ext(p))) {
			paths = append(paths, p)
		} else {
			others = append(others, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("data %q: %w", root, err)
	}
	slices.Sort(paths)
	if len(others) > 0 {
		o.report("%s: not read, being no pictures by name or no files: %s", root, some(others))
	}
	return paths, nil
}

// ownSplit finds the folder of held-out pictures beside one named train; "" where there are not both. rest names what
// else might have been one.
func ownSplit(root string, o OpenOptions) (held, rest string, err error) {
	isFolder := func(name string) bool {
		info, err := os.Stat(filepath.Join(root, name))
		return err == nil && info.IsDir()
	}
	if !isFolder("train") {
		return "", "", nil
	}
	for _, name := range []string{"test", "val", "valid"} {
		switch {
		case !isFolder(name):
		case held == "":
			held = name
		default:
			rest += ", and " + name + " is not read"
		}
	}
	return held, rest, nil
}

// some writes the first few of many names.
func some(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
