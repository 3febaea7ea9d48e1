package handlers

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

func TestClientList_KnowsNetworksAddressesAndNames(t *testing.T) {
	t.Parallel()
	l := NewClientList([]string{"10.0.0.0/8", "192.0.2.7", "fd00::/64", "gateway", "nowhere"})
	asked := 0
	l.lookup = func(_ context.Context, family, name string) ([]netip.Addr, error) {
		asked++
		if name == "gateway" && family == "ip4" {
			return []netip.Addr{netip.MustParseAddr("::ffff:172.20.0.3")}, nil
		}
		return nil, errors.New("no such host")
	}
	for address, want := range map[string]bool{
		"10.1.2.3": true, "192.0.2.7": true, "192.0.2.8": false, "fd00::7": true, "fd01::7": false,
		"172.20.0.3": true, "172.20.0.4": false, "fe80::3%eth0": false,
	} {
		if got := l.Has(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %t, want %t", address, got, want)
		}
	}
	if asked != 4 { // two names, two families
		t.Errorf("names were looked up %d times, want once each", asked)
	}
}
