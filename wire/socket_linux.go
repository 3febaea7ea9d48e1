//go:build linux && !race

package wire

import (
	"syscall"
	"unsafe"
)

// maxShort is the longest piece, in bytes, that is moved without telling the
// scheduler: that takes some µs.
const maxShort = 32 << 10

// read and write must only be given sockets that do not block.

func read(fd uintptr, into []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(into))), uintptr(len(into)))
	return int(n), errno
}

func write(fd uintptr, piece []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(piece))), uintptr(len(piece)))
	return int(n), errno
}
