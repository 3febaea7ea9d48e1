//go:build linux && !386 && !race

package wire

import (
	"syscall"
	"unsafe"
)

// maxShort is the longest piece, in bytes, that is moved without telling the
// scheduler: that takes some µs.
const maxShort = 32 << 10

// read and write never block. They are the socket's own calls, which know nothing of
// files and cost less for it.

func read(fd uintptr, into []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(into))), uintptr(len(into)), syscall.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func write(fd uintptr, piece []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(piece))), uintptr(len(piece)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

// peek looks into a socket's buffer without taking anything: something has arrived, or more may
// come, or, with neither, the connection has ended.
func peek(fd uintptr) (arrived, waits bool) {
	var one [1]byte
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd,
		uintptr(unsafe.Pointer(&one)), uintptr(len(one)), syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return errno == 0 && n > 0, errno == syscall.EAGAIN || errno == syscall.EINTR
}
