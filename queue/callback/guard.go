package callback

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// ErrForbidden says that a callback may not go to an address.
var ErrForbidden = errors.New("callbacks must not go there")

// Guard keeps callbacks to the public Internet: whoever can make a call names the URL, and the provider, which
// makes the request, stands where its callers may not. The zero value allows no exception.
type Guard struct {
	// Allowed are exceptions, such as the network of one's own receivers.
	Allowed []netip.Prefix
	// IsOwn reports whether the provider itself listens at an address: no exception allows that. Nil means nowhere.
	IsOwn func(netip.AddrPort) bool
}

// Check says why a connection to an address must not be made; nil when it may. It is asked for each connection,
// when a name has been looked up, so that a name that changes its meaning changes nothing.
func (g Guard) Check(to netip.AddrPort) error {
	address := embedded(to.Addr())
	if g.IsOwn != nil && (g.IsOwn(to) || g.IsOwn(netip.AddrPortFrom(address, to.Port()))) {
		return fmt.Errorf("%w: %s is the provider's own address", ErrForbidden, to)
	}
	within := func(p netip.Prefix) bool { return p.Contains(address) }
	if !slices.ContainsFunc(g.Allowed, within) && (!address.IsGlobalUnicast() || address.IsPrivate() || slices.ContainsFunc(reserved(), within)) {
		return fmt.Errorf("%w: %s is not a public address: callback_allow can allow it", ErrForbidden, address)
	}
	return nil
}

// embedded is the IPv4 address that an IPv6 one stands for, or else the address without its zone.
func embedded(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	b := a.As16()
	at := -1
	switch {
	case prefix("64:ff9b::/96").Contains(a), prefix("::/96").Contains(a): // RFC 6052; RFC 4291, 2.5.5.1
		at = 12
	case prefix("2002::/16").Contains(a): // RFC 3056
		at = 2
	}
	if at < 0 || a.IsUnspecified() || a == netip.IPv6Loopback() {
		return a
	}
	return netip.AddrFrom4([4]byte(b[at : at+4]))
}

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

// reserved are the networks of IANA's registries for special purposes (RFC 6890) that netip does not know, and
// where the clouds keep what their machines are told.
func reserved() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32",
		"64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10",
	} {
		all = append(all, prefix(text))
	}
	return all
}
