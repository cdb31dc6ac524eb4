//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestInterrupt sends a running training what Ctrl-C and a shutdown send, and goes on with it.
func TestInterrupt(t *testing.T) {
	program := binary(t)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			c := exec.Command(program, small("--out", dir, "--steps", "1000000", "--log-every", "1")...)
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			c.Stderr = &stderr
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			var last string
			sent := false
			for s := bufio.NewScanner(out); s.Scan(); {
				last = s.Text()
				if !sent && strings.HasPrefix(last, "step ") {
					sent = true
					if err := c.Process.Signal(sig); err != nil {
						t.Fatal(err)
					}
				}
			}
			err = c.Wait()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != interrupted || stderr.Len() > 0 {
				t.Errorf("ended with %v, %q", err, stderr.String())
			}
			contains(t, last, "interrupted after step", "train resume "+dir)
			contains(t, must(t, "inspect", dir), "of 1000000")
			must(t, "eval", dir)
		})
	}
}

// TestFullDisk limits how long a file may grow: like a full disk it fails the write of the next checkpoint half way.
func TestFullDisk(t *testing.T) {
	program := binary(t)
	dir := filepath.Join(t.TempDir(), "run")
	must(t, small("--out", dir)...)
	path := filepath.Join(dir, "checkpoint.cuflow")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(before) < 8<<10 {
		t.Fatalf("the checkpoint has %d bytes: the limit below would let it pass", len(before))
	}
	shell := exec.Command("sh", "-c", `ulimit -f 4 && exec "$@"`, "sh", program, "resume", dir, "--steps", "40") // 4 blocks, of 512 or 1024 bytes
	var stderr bytes.Buffer
	shell.Stderr = &stderr
	err = shell.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != failed {
		t.Errorf("ended with %v", err)
	}
	if strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("more than a line: %s", stderr.String())
	}
	contains(t, stderr.String(), "checkpoint of step 12 is untouched", "space", "train resume "+dir)
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the checkpoint has changed; %v", err)
	}
	contains(t, must(t, "resume", dir, "--steps", "40"), "after 40 steps")
}
