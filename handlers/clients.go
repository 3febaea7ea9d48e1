package handlers

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	namesAge      = 5 * time.Second // how long it is remembered where a name leads
	lookupTimeout = time.Second     // bounds how long one name is looked up
)

// ClientList are the clients that the configuration names. It is safe for concurrent use.
type ClientList struct {
	prefixes []netip.Prefix
	names    []string
	lookup   func(ctx context.Context, network, name string) ([]netip.Addr, error)

	mu    sync.Mutex // protects found, also while names are looked up
	found map[string]foundNames
}

// foundNames are the addresses of one family that the names lead to.
type foundNames struct {
	addresses []netip.Addr
	asked     time.Time
}

// NewClientList takes networks, addresses and names.
func NewClientList(entries []string) *ClientList {
	l := &ClientList{lookup: net.DefaultResolver.LookupNetIP, found: map[string]foundNames{}}
	for _, entry := range entries {
		if prefix, err := ParseClientPrefix(entry); err == nil {
			l.prefixes = append(l.prefixes, prefix)
			continue
		}
		l.names = append(l.names, entry)
	}
	return l
}

// ParseClientPrefix reads a network, or an address as a network of its own.
func ParseClientPrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	address, err := netip.ParseAddr(text)
	return netip.PrefixFrom(address, address.BitLen()), err
}

// Has reports whether an address is that of a client in the list.
func (l *ClientList) Has(address netip.Addr) bool {
	if slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Contains(address.WithZone("")) }) {
		return true
	}
	return len(l.names) > 0 && slices.Contains(l.addresses(familyOf(address)), address)
}

// familyOf is the lookup's word for the addresses that are like this one. A server of
// names may know one family and leave questions for the other unanswered.
func familyOf(address netip.Addr) string {
	if address.Is4() {
		return "ip4"
	}
	return "ip6"
}

// addresses are where the names lead, looked up at most every few seconds.
func (l *ClientList) addresses(family string) []netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.found[family]
	if time.Since(found.asked) < namesAge {
		return found.addresses
	}
	found.addresses = nil
	for _, name := range l.names {
		found.addresses = append(found.addresses, l.resolve(family, name)...)
	}
	found.asked = time.Now()
	l.found[family] = found
	return found.addresses
}

// resolve looks one name up. One that leads nowhere lets no client in.
func (l *ClientList) resolve(family, name string) []netip.Addr {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addresses, _ := l.lookup(ctx, family, name)
	for i, a := range addresses {
		addresses[i] = a.Unmap()
	}
	return addresses
}
