package function

import (
	"errors"
	"syscall"
)

// IsExhausted reports whether an error only says that this program, or its machine, has no
// descriptors, ports or memory left for another connection or file: it says nothing of what
// was to be reached.
func IsExhausted(err error) bool {
	for _, ours := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}
