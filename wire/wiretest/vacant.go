// Package wiretest lends tests addresses that stay theirs.
package wiretest

import (
	"net/netip"
	"syscall"
	"testing"
)

// Vacant returns an address of a host, in IPv4, on which nothing listens: connecting is refused. Until the
// test ends nobody else is given its port, and the test itself, or a program that it starts, may listen
// there, as often as it likes. A port that was only looked for is another test's a moment later.
func Vacant(t testing.TB, host string) netip.AddrPort {
	t.Helper()
	address, err := reserve(netip.MustParseAddr(host), t.Cleanup)
	if err != nil {
		t.Fatalf("reserve a port: %v", err)
	}
	return address
}

// reserve binds a socket that neither listens nor connects.
func reserve(host netip.Addr, cleanup func(func())) (netip.AddrPort, error) {
	syscall.ForkLock.RLock()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return netip.AddrPort{}, err
	}
	cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return netip.AddrPort{}, err
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: host.As4()}); err != nil {
		return netip.AddrPort{}, err
	}
	bound, err := syscall.Getsockname(socket)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(host, uint16(bound.(*syscall.SockaddrInet4).Port)), nil
}
