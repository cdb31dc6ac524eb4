// Command gen writes the ops of package meter: a method for each op of device.Backend.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "gen: give the folder of package device")
		os.Exit(2)
	}
	text, err := Generate(os.Args[1])
	if err == nil {
		err = os.WriteFile(filepath.Join(os.Args[1], "meter", "ops.go"), text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
