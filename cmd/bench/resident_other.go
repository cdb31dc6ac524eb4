//go:build !linux

package main

// peakResident is the most memory of the machine that the program has held: it is not known here.
func peakResident() int64 { return 0 }

func resetResident() bool { return false }
