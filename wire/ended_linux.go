package wire

import (
	"encoding/binary"
	"syscall"
)

// The states of a connection whose other side has not ended it (tcp_states.h).
const (
	established = 1
	finWait1    = 4
	finWait2    = 5
)

// hasEnded asks for the state of a connection, which is the first byte of what the kernel tells of it.
func hasEnded(fd uintptr) bool {
	word, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
	if err != nil {
		return false
	}
	var info [4]byte
	binary.NativeEndian.PutUint32(info[:], uint32(word))
	switch info[0] {
	case established, finWait1, finWait2:
		return false
	}
	return true
}
