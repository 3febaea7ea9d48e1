//go:build unix && (!linux || 386 || race)

package wire

import "syscall"

// peek looks into a socket's buffer without taking anything: something has arrived, or more may
// come, or, with neither, the connection has ended.
func peek(fd uintptr) (arrived, waits bool) {
	var one [1]byte
	n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n > 0 && err == nil, err == syscall.EAGAIN || err == syscall.EINTR
}
