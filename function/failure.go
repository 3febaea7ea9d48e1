package function

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The kinds of failure that callers tell apart with errors.Is.
var (
	// ErrNotFound: the function, replica, secret, namespace or image does not exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict: it exists already, or its state does not allow the act.
	ErrConflict = errors.New("conflict")
	// ErrInvalid: the caller asked for something that can never work as written.
	ErrInvalid = errors.New("invalid")
	// ErrNoReplica: no replica could be made ready to take the call.
	ErrNoReplica = errors.New("no replica")
	// ErrUnavailable: the engine, a registry or the store cannot be reached now.
	ErrUnavailable = errors.New("unavailable")
)

// Failure is an error whose text was written for the person who called, and may be sent to
// them. An error that is not a Failure is for the log.
type Failure struct {
	// Kind is one of the sentinels above.
	Kind error
	// Text says what is wrong and, where possible, what to do about it.
	Text string
	// Cause is what lay beneath; nil for nothing. Its text is not part of Error.
	Cause error
	// RetryAfter is how long the caller should wait; zero means unknown.
	RetryAfter time.Duration
}

// Error returns the Text.
func (f *Failure) Error() string { return f.Text }

// Unwrap yields the Kind and the Cause to errors.Is and errors.As.
func (f *Failure) Unwrap() []error {
	if f.Cause == nil {
		return []error{f.Kind}
	}
	return []error{f.Kind, f.Cause}
}

// Invalid is the ErrInvalid for one field of a request, with what is wrong and what is allowed.
func Invalid(field, format string, args ...any) error {
	return &Failure{Kind: ErrInvalid, Text: Clip(field + ": " + fmt.Sprintf(format, args...))}
}

// NotFound is an ErrNotFound with a text for the caller.
func NotFound(format string, args ...any) error {
	return &Failure{Kind: ErrNotFound, Text: Clip(fmt.Sprintf(format, args...))}
}

// Conflict is an ErrConflict with a text for the caller.
func Conflict(format string, args ...any) error {
	return &Failure{Kind: ErrConflict, Text: Clip(fmt.Sprintf(format, args...))}
}

// Unavailable is an ErrUnavailable with a text for the caller.
func Unavailable(cause error, format string, args ...any) error {
	return &Failure{Kind: ErrUnavailable, Cause: cause, Text: Clip(fmt.Sprintf(format, args...))}
}

// MissingSecret is the ErrInvalid for a deployment whose secret at an index does not exist.
func MissingSecret(index int, secret, namespace string) error {
	return Invalid(fmt.Sprintf("secrets[%d]", index), "secret %q does not exist in namespace %q: create it first", secret, namespace)
}

// UnknownFunction is the ErrNotFound for a function that is not deployed.
func UnknownFunction(n Name) error {
	return NotFound("function %q is not deployed in namespace %q", n.Name, n.Namespace)
}

// maxText bounds texts that are sent back or logged, in bytes: any name, and the last lines of a
// replica that has died, are shorter.
const maxText = 4 << 10

// Clip returns a text that is too long without its middle: it begins with what is wrong, and ends
// with what to do about it.
func Clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	const half = maxText/2 - len("…")
	return strings.ToValidUTF8(text[:half], "") + "…" + strings.ToValidUTF8(text[len(text)-half:], "")
}

// IsExhausted reports whether an error only says that this program, or its machine, has no
// descriptors, ports or memory left: it says nothing of what was to be reached.
func IsExhausted(err error) bool {
	ours := []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL}
	return slices.ContainsFunc(ours, func(errno syscall.Errno) bool { return errors.Is(err, errno) })
}
