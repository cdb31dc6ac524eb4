package main

import (
	"fmt"
	"strconv"
	"strings"

	"cuflow/flowgpu/train"
)

// optimizerFlag is the name of Adam or Adamax.
type optimizerFlag struct{ max *bool }

func (o optimizerFlag) Type() string { return "string" }

func (o optimizerFlag) String() string {
	if o.max != nil && *o.max {
		return "adamax"
	}
	return "adam"
}

func (o optimizerFlag) Set(s string) error {
	if s != "adam" && s != "adamax" {
		return fmt.Errorf("use adam or adamax")
	}
	*o.max = s == "adamax"
	return nil
}

// graphFlag is on, or off where no step is to be recorded.
type graphFlag struct{ off *bool }

func (g graphFlag) Type() string { return "string" }

func (g graphFlag) String() string {
	if g.off != nil && *g.off {
		return "off"
	}
	return "on"
}

func (g graphFlag) Set(s string) error {
	if s != "on" && s != "off" {
		return fmt.Errorf("use on or off")
	}
	*g.off = s == "off"
	return nil
}

// sizeFlag is the images' height and width: 32, or 48x64.
type sizeFlag struct{ c *train.Config }

func (f sizeFlag) Type() string { return "pixels" }

func (f sizeFlag) String() string {
	if f.c == nil {
		return ""
	}
	h, w := strconv.Itoa(f.c.Model.Height), strconv.Itoa(f.c.Model.Width)
	if h == w {
		return h
	}
	return h + "x" + w
}

func (f sizeFlag) Set(s string) error {
	high, wide, both := strings.Cut(s, "x")
	if !both {
		wide = high
	}
	h, errH := strconv.Atoi(high)
	w, errW := strconv.Atoi(wide)
	if errH != nil || errW != nil || h < 1 || w < 1 {
		return fmt.Errorf("use a positive number of pixels, or height x width such as 48x64")
	}
	f.c.Model.Height, f.c.Model.Width = h, w
	return nil
}

// padFlag is the size that images are padded to. It keeps what it was given: a later flag may change the settings again.
type padFlag struct {
	c     *train.Config
	given *string
}

func newPadFlag(c *train.Config) padFlag {
	f := padFlag{c, new(string)}
	if c.Fit == "pad" {
		*f.given = sizeFlag{c}.String()
	}
	return f
}

func (f padFlag) Type() string { return "pixels" }

func (f padFlag) String() string {
	if f.given == nil {
		return ""
	}
	return *f.given
}

func (f padFlag) Set(s string) error {
	if err := (sizeFlag{f.c}).Set(s); err != nil {
		return err
	}
	f.c.Fit, *f.given = "pad", s
	return nil
}

// channelsFlag makes images and model agree on channels.
type channelsFlag struct{ c *train.Config }

func (f channelsFlag) Type() string { return "int" }

func (f channelsFlag) String() string {
	if f.c == nil {
		return "0"
	}
	return strconv.Itoa(f.c.Channels)
}

func (f channelsFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("use 1 (grey), 3 (RGB) or 4 (RGBA)")
	}
	f.c.Channels, f.c.Model.Channels = n, n
	return nil
}

// bitsFlag makes images and model agree on the intensities.
type bitsFlag struct{ c *train.Config }

func (f bitsFlag) Type() string { return "int" }

func (f bitsFlag) String() string {
	if f.c == nil {
		return "0"
	}
	return strconv.Itoa(f.c.Bits)
}

func (f bitsFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 16 {
		return fmt.Errorf("use a whole number from 1 to 16")
	}
	f.c.Bits, f.c.Model.Intensities = n, 1<<n
	return nil
}

// classesFlag is a number of classes or "auto".
type classesFlag struct{ n *int }

func (f classesFlag) Type() string { return "int" }

func (f classesFlag) String() string {
	switch {
	case f.n == nil:
		return "0"
	case *f.n == train.AutoClasses:
		return "auto"
	}
	return strconv.Itoa(*f.n)
}

func (f classesFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if s == "auto" {
		n, err = train.AutoClasses, nil
	}
	if err != nil || n < train.AutoClasses {
		return fmt.Errorf("use a whole number, or auto")
	}
	*f.n = n
	return nil
}
