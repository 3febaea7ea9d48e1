package servers

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"faas-docker/grammar"
)

// dialTimeout bounds a connection to a server, as net/http's own transport does.
const dialTimeout = 30 * time.Second

var errOwnAddress = errors.New("it is the provider's own address")

// OwnAddress is where the provider listens. The zero value is nowhere.
type OwnAddress struct {
	// Listener is its address, which may be unspecified.
	Listener netip.AddrPort
	// Interfaces lists the addresses of this machine, for a listener on all of them.
	Interfaces func() []netip.Addr
}

// contains reports whether a connection to an address, to loopback where that is none, comes in here.
func (o OwnAddress) contains(target netip.AddrPort) bool {
	own, address := o.Listener.Addr().Unmap(), target.Addr().Unmap().WithZone("")
	switch {
	case target.Port() != o.Listener.Port() || o.Listener.Port() == 0:
		return false
	case !own.IsUnspecified():
		return address == own || address.IsUnspecified() && own.IsLoopback()
	case own.Is4() && address.Is6() && !address.IsUnspecified():
		return false
	case address.IsLoopback() || address.IsUnspecified():
		return true
	}
	return slices.ContainsFunc(o.Interfaces(), func(a netip.Addr) bool { return a.Unmap() == address })
}

// Refuse is why a rule may not use a URL; nil where it may, and for names: each call looks them up.
func (o OwnAddress) Refuse(u *url.URL) error {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		port = map[string]uint64{"http": 80, "h2c": 80, "https": 443}[u.Scheme]
	}
	name := strings.TrimSuffix(grammar.Lower(u.Hostname()), ".")
	var addresses []netip.Addr
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		addresses = append(addresses, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
	} else if address, err := netip.ParseAddr(name); err == nil {
		addresses = append(addresses, address)
	}
	isOwn := func(a netip.Addr) bool { return o.contains(netip.AddrPortFrom(a, uint16(port))) }
	if slices.ContainsFunc(addresses, isOwn) {
		return errOwnAddress
	}
	return nil
}

// dial connects to servers, but for the provider itself, whatever name leads to it.
func (o OwnAddress) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var met atomic.Bool // of several addresses the error of the first is told
	dialer := net.Dialer{Timeout: dialTimeout, Control: func(_, to string, _ syscall.RawConn) error {
		if target, err := netip.ParseAddrPort(to); err == nil && o.contains(target) {
			met.Store(true)
			return errOwnAddress
		}
		return nil
	}}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil && met.Load() {
		err = errors.Join(errOwnAddress, err)
	}
	return conn, err
}
