//go:build !linux || (386 && !race)

package wire

import "syscall"

// maxShort is zero where connections are left to package net.
const maxShort = 0

func read(uintptr, []byte) (int, syscall.Errno) { return 0, syscall.ENOSYS }

func write(uintptr, []byte) (int, syscall.Errno) { return 0, syscall.ENOSYS }
