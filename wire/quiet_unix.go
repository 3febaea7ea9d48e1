//go:build unix && (!linux || 386 || race)

package wire

import "syscall"

// isQuiet looks into a socket's buffer without taking anything: it is quiet when
// it is open and empty.
func isQuiet(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == syscall.EAGAIN
}
