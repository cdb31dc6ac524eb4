//go:build !linux

package cpufallback

import "errors"

const mapped = false // all memory is Go's

func mapMemory(int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapMemory([]byte) {}
