package handlers

import (
	"iter"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"faas-docker/function"
	"faas-docker/grammar"
)

// Standing classifies the peer of a connection.
type Standing int

// The standings of peers. The zero value is the one that opens nothing.
const (
	// Stranger is any other machine, container or namespace.
	Stranger Standing = iota
	// Undecided is any other peer while the engine has not said which networks there are.
	Undecided
	// Function lives in the function network.
	Function
	// Allowed is a client that the configuration names.
	Allowed
	// Local was started on this machine.
	Local
)

// Interface is a network interface of this machine and its addresses.
type Interface struct {
	Name      string
	Addresses []netip.Addr
}

// Peers decides the standing of peers, from memory. Its fields must not change after
// the first Standing; its methods are safe for concurrent use. The zero value knows
// loopback only.
type Peers struct {
	// Interfaces lists the interfaces of this machine, or of this container; nil knows none.
	Interfaces func() []Interface
	// Allowed reports whether the configuration names a client; nil names none.
	Allowed func(netip.Addr) bool

	neighbours atomic.Pointer[function.Neighbours]
}

// Learn keeps what the engine says of the networks. Nil forgets it: all peers but this
// machine are Undecided then.
func (p *Peers) Learn(n *function.Neighbours) { p.neighbours.Store(n) }

// Standing judges the sender of a request by the two addresses of its connection, and by
// nothing that the request says. A peer without an IP address came over a Unix
// socket, so it is on this machine.
func (p *Peers) Standing(r *http.Request) Standing {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return Local
	}
	address := unmap(peer.Addr())
	if address.IsLoopback() || address == localAddress(r) || p.isOwn(address) {
		return Local
	}
	known := p.neighbours.Load()
	switch {
	case known == nil:
		return Undecided
	case slices.Contains(known.Gateways, address) && !known.Shared:
		return Local
	case p.isFunction(known, address) && slices.Contains(known.Gateways, address):
		return Stranger // it may be a function, or any client out there
	case p.isFunction(known, address):
		return Function
	case p.Allowed != nil && p.Allowed(address):
		return Allowed
	}
	return Stranger
}

// IsFunction reports whether a request comes from a function, if that is known: see Undecided.
func (p *Peers) IsFunction(r *http.Request) (yes, known bool) {
	standing := p.Standing(r)
	return standing == Function, standing != Undecided
}

// PassedOnFor judges those for whom a request says that proxies have passed it on: Function if one
// of them may be a function, Undecided while that cannot be told, and otherwise Local. That a
// request says nothing proves nothing.
func (p *Peers) PassedOnFor(r *http.Request) Standing {
	known := p.neighbours.Load()
	for hop := range hops(r.Header) {
		if known == nil {
			return Undecided
		}
		if p.mayBeFunction(known, hop) {
			return Function
		}
	}
	return Local
}

// mayBeFunction judges an address that a proxy has told, of a link-local one without its link.
func (p *Peers) mayBeFunction(known *function.Neighbours, address netip.Addr) bool {
	if address.Is6() && address.IsLinkLocalUnicast() {
		return true
	}
	isGateway := !known.Shared && slices.Contains(known.Gateways, address)
	return p.isFunction(known, address) && !p.isOwn(address) && !isGateway
}

// hops are the addresses in the fields that proxies tell their clients by, without names.
func hops(header http.Header) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, key := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded"} {
			for text := range strings.FieldsFuncSeq(strings.Join(header[key], ","), func(c rune) bool { return c == ',' || c == ';' }) {
				if address, ok := hopAddress(text); ok && !yield(address) {
					return
				}
			}
		}
	}
}

// hopAddress reads 10.0.0.7, 10.0.0.7:80, [fd00::7]:80 and for="[fd00::7]".
func hopAddress(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if name, value, found := strings.Cut(text, "="); found {
		if !strings.EqualFold(strings.TrimSpace(name), "for") {
			return netip.Addr{}, false
		}
		text = strings.TrimSpace(value)
	}
	address, ok := grammar.HopAddress(text)
	return unmap(address), ok
}

// isOwn reports whether an address is this machine's, a link-local one on its own link: no other
// machine can complete a handshake with it.
func (p *Peers) isOwn(address netip.Addr) bool {
	for _, i := range p.interfaces() {
		for _, own := range i.Addresses {
			if own = unmap(own); own.IsLinkLocalUnicast() && own.Is6() {
				own = own.WithZone(i.Name)
			}
			if own == address {
				return true
			}
		}
	}
	return false
}

// isFunction finds addresses of the function network by its prefixes, and link-local ones by the
// interface that the network is behind.
func (p *Peers) isFunction(known *function.Neighbours, address netip.Addr) bool {
	inside := func(a netip.Addr) bool {
		return slices.ContainsFunc(known.Functions, func(f netip.Prefix) bool { return f.Contains(unmap(a)) })
	}
	if address.Zone() == "" {
		return inside(address)
	}
	return slices.ContainsFunc(p.interfaces(), func(i Interface) bool {
		return i.Name == address.Zone() && slices.ContainsFunc(i.Addresses, inside)
	})
}

func (p *Peers) interfaces() []Interface {
	if p.Interfaces == nil {
		return nil
	}
	return p.Interfaces()
}

// localAddress is where the connection came in; invalid when that is unknown.
func localAddress(r *http.Request) netip.Addr {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return unmap(at.AddrPort().Addr())
}

// unmap makes an IPv4 address of one that was written as IPv6.
func unmap(address netip.Addr) netip.Addr {
	if address.Is4In6() {
		return address.WithZone("").Unmap()
	}
	return address
}
