package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os/exec"
)

// webpPatches bounds the patches that cwebp is run for, a process each that tries everything.
const webpPatches = 300

// costs prints what a patch takes as a file of its own, container included, in bits per colour value: what a model's
// bits/dim on the same patches are to be compared with.
func costs(p *part, side int) error {
	d := side * side * 3
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	encode := func(i int) ([]byte, error) {
		m, patch := image.NewRGBA(image.Rect(0, 0, side, side)), p.patches[i*d:][:d]
		for j := 0; j < d; j += 3 {
			m.SetRGBA(j/3%side, j/3/side, color.RGBA{patch[j], patch[j+1], patch[j+2], 255})
		}
		var b bytes.Buffer
		err := encoder.Encode(&b, m)
		return b.Bytes(), err
	}
	bytesPNG := 0
	for i := range p.n {
		b, err := encode(i)
		if err != nil {
			return err
		}
		bytesPNG += len(b)
	}
	fmt.Printf("a test patch as PNG: %.3f bits/dim (Go's image/png, best compression, all %d)\n", 8*float64(bytesPNG)/float64(d*p.n), p.n)

	program, err := exec.LookPath("cwebp")
	if err != nil {
		fmt.Println("a test patch as lossless WebP: not measured, there is no cwebp (Debian's package webp)")
		return nil
	}
	step, n, bytesWebP := 1+(p.n-1)/webpPatches, 0, 0
	for i := 0; i < p.n; i += step {
		b, err := encode(i)
		if err != nil {
			return err
		}
		c := exec.Command(program, "-quiet", "-lossless", "-z", "9", "-o", "-", "--", "-")
		c.Stdin = bytes.NewReader(b)
		out, err := c.Output()
		if err != nil {
			return fmt.Errorf("cwebp: %w", err)
		}
		bytesWebP += len(out)
		n++
	}
	fmt.Printf("a test patch as lossless WebP: %.3f bits/dim (cwebp -lossless -z 9, %d of them, evenly spread)\n", 8*float64(bytesWebP)/float64(d*n), n)
	return nil
}
