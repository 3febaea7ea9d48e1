//go:build linux && race

package wire

import "syscall"

// maxShort is what it is without the race detector.
const maxShort = 32 << 10

// The race detector sees that a write happens before the read of what it wrote only
// when the calls are package syscall's.

func read(fd uintptr, into []byte) (int, syscall.Errno) { return counted(syscall.Read(int(fd), into)) }

func write(fd uintptr, piece []byte) (int, syscall.Errno) {
	return counted(syscall.Write(int(fd), piece))
}

func counted(n int, err error) (int, syscall.Errno) {
	errno, _ := err.(syscall.Errno)
	return n, errno
}
