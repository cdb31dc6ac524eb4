package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

// A Qt resource file (.rcc) of version 2 or 3 is "qres", the version, and where the tree, the contents and the names
// begin, all big-endian as everything in it. The tree is an array of nodes of 22 bytes:
//
//	0   where the name is: its length in characters (16 bits), a hash (32 bits), UTF-16
//	4   flags: 1 compressed by zlib, 2 a folder, 4 compressed by Zstandard
//	6   of a folder: the number of children (32 bits) and the first child's node (32 bits)
//	10  of a file: where the content is: its length (32 bits), the bytes
//	14  when it was last changed
//
// The format is that of rcc, Qt's resource compiler (qtbase/src/tools/rcc/rcc.cpp).
const (
	nodeSize   = 22
	compressed = 1 | 4
	isFolder   = 2
)

// resources calls f with the path and content of every uncompressed file of an .rcc file.
func resources(b []byte, f func(path string, content []byte) error) (err error) {
	defer func() {
		if recover() != nil { // an offset beyond the end
			err = errors.New("a damaged Qt resource file")
		}
	}()
	if string(b[:4]) != "qres" {
		return errors.New("not a Qt resource file")
	}
	if v := number(b, 4); v != 2 && v != 3 {
		return fmt.Errorf("a Qt resource file of version %d, not 2 or 3", v)
	}
	tree, contents, names := b[number(b, 8):], b[number(b, 12):], b[number(b, 16):]
	var walk func(node int, path string, depth int) error
	walk = func(node int, path string, depth int) error {
		n := tree[node*nodeSize:][:nodeSize]
		if node > 0 { // the root has no name
			path += "/" + name(names[number(n, 0):])
		}
		flags := binary.BigEndian.Uint16(n[4:])
		switch {
		case depth > 32:
			return errors.New("a damaged Qt resource file: its folders have no end")
		case flags&isFolder != 0:
			for i := range number(n, 6) {
				if err := walk(number(n, 10)+i, path, depth+1); err != nil {
					return err
				}
			}
			return nil
		case flags&compressed != 0:
			return nil
		}
		content := contents[number(n, 10):]
		return f(path, content[4:][:number(content, 0)])
	}
	return walk(0, "", 0)
}

func number(b []byte, at int) int { return int(binary.BigEndian.Uint32(b[at:])) }

func name(b []byte) string {
	text := make([]uint16, binary.BigEndian.Uint16(b))
	for i := range text {
		text[i] = binary.BigEndian.Uint16(b[6+2*i:])
	}
	return string(utf16.Decode(text))
}
