// Command tables turns tables as other programs keep them into files that training reads: scripts/data runs it.
//
//	tables -in FILE -out FILE sachs      Sachs.rda of R's package gss: .csv, 7,466 x 11
//	tables -in FILE -out FILE diamonds   Rdata.rdb (with its .rdx) of R's package ggplot2: .csv, 53,940 x 7
//	tables -in FILE -out FILE letters    letter-recognition.data of OpenCV's samples: .csv, 20,000 x 16
//	tables -in FILE -out FILE tycho2     deepstars.dat of KStars: .npz, about 2.4 million x 6
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	in := flag.String("in", "", "the file as its package has it")
	out := flag.String("out", "", "the file to write")
	flag.Parse()
	convert := map[string]func(in, out string) error{"sachs": sachs, "diamonds": diamonds, "letters": letters, "tycho2": tycho2}[flag.Arg(0)]
	if convert == nil || *in == "" || *out == "" {
		fmt.Fprintln(os.Stderr, "usage: tables -in FILE -out FILE sachs|diamonds|letters|tycho2")
		os.Exit(2)
	}
	if err := convert(*in, *out); err != nil {
		fmt.Fprintf(os.Stderr, "tables: %s: %v\n", *in, err)
		os.Exit(1)
	}
}
