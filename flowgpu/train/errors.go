package train

import (
	"errors"
	"fmt"
	"syscall"
)

// UsageError is a mistake in what was asked for, as against a run that failed.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }

func usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// ErrInterrupted says that a run was asked to stop, and that its checkpoint is written.
var ErrInterrupted = errors.New("interrupted")

// unreadable is an image that could not be read: the run that wants it is as sound as before.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

// diskFull says whether an error means that the file system, or what this user may have of it, is used up.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
