package function

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestIsExhausted_OwnErrorsOnly(t *testing.T) {
	dial := func(err error) error {
		return fmt.Errorf("connect: %w", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)})
	}
	for _, row := range []struct {
		err  error
		want bool
	}{
		{dial(syscall.EMFILE), true},
		{dial(syscall.ENFILE), true},
		{dial(syscall.ENOMEM), true},
		{dial(syscall.ENOBUFS), true},
		{dial(syscall.EADDRNOTAVAIL), true},
		{syscall.EMFILE, true},
		{&os.PathError{Op: "open", Path: "x", Err: syscall.ENFILE}, true},
		{errors.Join(io.EOF, dial(syscall.EMFILE)), true},
		{dial(syscall.ECONNREFUSED), false},
		{dial(syscall.ECONNRESET), false},
		{dial(syscall.EHOSTUNREACH), false},
		{dial(syscall.ENETUNREACH), false},
		{dial(syscall.ETIMEDOUT), false},
		{context.DeadlineExceeded, false},
		{io.EOF, false},
		{nil, false},
	} {
		if got := IsExhausted(row.err); got != row.want {
			t.Errorf("%v: %t, want %t", row.err, got, row.want)
		}
	}
}
