package main

import (
	"bytes"
	"os"
	"testing"
)

// TestOpsAreUpToDate: what is checked in is what the generator writes now.
func TestOpsAreUpToDate(t *testing.T) {
	want, err := Generate("../../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../ops.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("ops.go is not what device.Backend asks for: run `go generate ./device/meter`")
	}
}

func TestGenerateNeedsABackend(t *testing.T) {
	if _, err := Generate("."); err == nil {
		t.Error("a folder without an interface Backend is taken")
	}
}
