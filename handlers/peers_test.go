package handlers

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"

	"faas-docker/function"
)

// testPeers is a machine with a function network behind the bridge br-fn.
func testPeers(t *testing.T, neighbours *function.Neighbours) *Peers {
	t.Helper()
	peers := &Peers{
		Interfaces: func() []Interface {
			return []Interface{
				{"lo", addresses("127.0.0.1", "::1")},
				{"eth0", addresses("192.168.1.5", "192.168.1.6", "2001:db8::5", "fe80::5")},
				{"br-fn", addresses("172.18.0.1", "fd00:18::1", "fe80::1")},
				{"br-other", addresses("172.19.0.1", "fe80::1")},
			}
		},
		Allowed: func(a netip.Addr) bool {
			return a == netip.MustParseAddr("192.168.1.9") || netip.MustParsePrefix("172.18.0.0/15").Contains(a)
		},
	}
	peers.Learn(neighbours)
	return peers
}

func addresses(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func functionNetwork() *function.Neighbours {
	return &function.Neighbours{
		Functions: []netip.Prefix{netip.MustParsePrefix("172.18.0.0/16"), netip.MustParsePrefix("fd00:18::/64")},
	}
}

// from is a request that came over a connection between two addresses.
func from(t *testing.T, peer, local string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/system/functions", nil)
	r.RemoteAddr, r.Host = peer, "localhost:8080"
	if local != "" {
		at := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, at))
	}
	return r
}

func TestPeers_AreJudgedByTheirConnection(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, peer, local string
		// known is the standing with the networks known, before without.
		known, before Standing
	}{
		{"loopback", "127.0.0.1:5000", "127.0.0.1:8080", Local, Local},
		{"other loopback address", "127.9.8.7:5000", "127.0.0.1:8080", Local, Local},
		{"loopback of IPv6", "[::1]:5000", "[::1]:8080", Local, Local},
		{"loopback as IPv6", "[::ffff:127.0.0.1]:5000", "[::ffff:127.0.0.1]:8080", Local, Local},
		{"Unix socket", "@", "", Local, Local},
		{"own address, to itself", "192.168.1.5:5000", "192.168.1.5:8080", Local, Local},
		{"own address, to another", "192.168.1.5:5000", "192.168.1.6:8080", Local, Local},
		{"own address of a moment ago", "10.9.9.9:5000", "10.9.9.9:8080", Local, Local},
		{"own address of IPv6", "[2001:db8::5]:5000", "[2001:db8::5]:8080", Local, Local},
		{"own link-local address", "[fe80::5%eth0]:5000", "[fe80::5%eth0]:8080", Local, Local},
		{"function network's gateway on the machine", "172.18.0.1:5000", "172.18.0.1:8080", Local, Local},
		{"the same of IPv6", "[fd00:18::1]:5000", "[fd00:18::1]:8080", Local, Local},
		{"the same, link-local", "[fe80::1%br-fn]:5000", "[fe80::1%br-fn]:8080", Local, Local},

		{"function", "172.18.0.7:5000", "172.18.0.1:8080", Function, Undecided},
		{"function at another address of the machine", "172.18.0.7:5000", "192.168.1.5:8080", Function, Undecided},
		{"function of IPv6", "[fd00:18::7]:5000", "[fd00:18::1]:8080", Function, Undecided},
		{"function as IPv6", "[::ffff:172.18.0.7]:5000", "[::ffff:172.18.0.1]:8080", Function, Undecided},
		{"function, last address", "172.18.255.254:5000", "172.18.0.1:8080", Function, Undecided},
		{"function, link-local", "[fe80::42:acff:fe12:7%br-fn]:5000", "[fe80::1%br-fn]:8080", Function, Undecided},
		{"neighbour's link-local address that is ours elsewhere", "[fe80::5%br-fn]:5000", "[fe80::1%br-fn]:8080", Function, Undecided},
		{"link-local without a link", "[fe80::5]:5000", "[fe80::1%br-fn]:8080", Stranger, Undecided},

		{"allowed client", "192.168.1.9:5000", "192.168.1.5:8080", Allowed, Undecided},
		{"allowed network of containers", "172.19.0.7:5000", "172.19.0.1:8080", Allowed, Undecided},
		{"other network", "172.20.0.7:5000", "172.20.0.1:8080", Stranger, Undecided},
		{"other network, link-local", "[fe80::42%br-other]:5000", "[fe80::1%br-other]:8080", Stranger, Undecided},
		{"other machine", "192.168.1.8:5000", "192.168.1.5:8080", Stranger, Undecided},
		{"other machine of IPv6", "[2001:db8::8]:5000", "[2001:db8::5]:8080", Stranger, Undecided},
		{"other machine as IPv6", "[::ffff:192.168.1.8]:5000", "[::ffff:192.168.1.5]:8080", Stranger, Undecided},
		{"unspecified", "0.0.0.0:5000", "192.168.1.5:8080", Stranger, Undecided},
		{"anywhere, local address unknown", "203.0.113.7:5000", "", Stranger, Undecided},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := from(t, test.peer, test.local)
			if got := testPeers(t, functionNetwork()).Standing(r); got != test.known {
				t.Errorf("with the networks known: got %d, want %d", got, test.known)
			}
			if got := testPeers(t, nil).Standing(r); got != test.before {
				t.Errorf("before: got %d, want %d", got, test.before)
			}
		})
	}
}

func TestPeers_FollowTheFunctionNetwork(t *testing.T) {
	t.Parallel()
	peers := testPeers(t, nil)
	old, anew := from(t, "172.18.0.7:5000", "172.18.0.1:8080"), from(t, "10.77.0.7:5000", "10.77.0.1:8080")
	for _, step := range []struct {
		name       string
		neighbours *function.Neighbours
		old, anew  Standing
	}{
		{"before", nil, Undecided, Undecided},
		{"known", functionNetwork(), Function, Stranger},
		{"gone", nil, Undecided, Undecided},
		{"made anew", &function.Neighbours{Functions: []netip.Prefix{netip.MustParsePrefix("10.77.0.0/16")}}, Allowed, Function},
	} {
		peers.Learn(step.neighbours)
		if got, new := peers.Standing(old), peers.Standing(anew); got != step.old || new != step.anew {
			t.Errorf("%s: got %d and %d, want %d and %d", step.name, got, new, step.old, step.anew)
		}
	}
}

// In a container the machine calls from the gateways of the container's networks. So does
// whoever comes by a port that is published to others, which does not make them functions.
func TestPeers_InAContainerGatewaysAreTheMachineOrAnybody(t *testing.T) {
	t.Parallel()
	inContainer := func(shared bool) *Peers {
		peers := &Peers{
			Interfaces: func() []Interface {
				return []Interface{
					{"lo", addresses("127.0.0.1", "::1")},
					{"eth0", addresses("172.20.0.2", "fd00:20::2", "fe80::20:2")},
					{"eth1", addresses("172.18.0.2", "fd00:18::2", "fe80::18:2")},
				}
			},
			Allowed: func(a netip.Addr) bool {
				return slices.Contains(addresses("172.18.0.1", "172.18.0.9", "172.21.0.1"), a)
			},
		}
		peers.Learn(&function.Neighbours{
			Functions: functionNetwork().Functions, Shared: shared,
			Gateways: addresses("172.20.0.1", "fd00:20::1", "172.18.0.1", "fd00:18::1", "172.21.0.1"),
		})
		return peers
	}
	published, open := inContainer(false), inContainer(true)
	for _, test := range []struct {
		peer            string
		published, open Standing
	}{
		{"172.20.0.1:5000", Local, Stranger},
		{"[fd00:20::1]:5000", Local, Stranger},
		{"[::ffff:172.20.0.1]:5000", Local, Stranger},
		{"172.21.0.1:5000", Local, Allowed},
		{"172.18.0.1:5000", Local, Stranger},
		{"172.18.0.1:1", Local, Stranger},
		{"[::ffff:172.18.0.1]:5000", Local, Stranger},
		{"[fd00:18::1]:5000", Local, Stranger},
		{"[fd00:18:0:0:0:0:0:1]:5000", Local, Stranger},
		{"172.18.0.2:5000", Local, Local},
		{"127.0.0.1:5000", Local, Local},
		{"[::1]:5000", Local, Local},
		{"172.20.0.3:5000", Stranger, Stranger},
		{"172.18.0.3:5000", Function, Function},
		{"172.18.0.9:5000", Function, Function},
		{"172.18.0.10:5000", Function, Function},
		{"172.18.1.1:5000", Function, Function},
		{"[fd00:18::10]:5000", Function, Function},
		{"[fe80::1%eth1]:5000", Function, Function},
	} {
		r := from(t, test.peer, "172.20.0.2:8080")
		if got, gotOpen := published.Standing(r), open.Standing(r); got != test.published || gotOpen != test.open {
			t.Errorf("%s: got %d, and %d with an open port, want %d and %d", test.peer, got, gotOpen, test.published, test.open)
		}
	}
}

func TestPeers_SeeWhomAProxyHasPassedOn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key, value string
		want       bool
	}{
		{"X-Forwarded-For", "172.18.0.7", true},
		{"X-Forwarded-For", "192.0.2.1, 172.18.0.7", true},
		{"X-Forwarded-For", "172.18.0.7, 192.0.2.1", true},
		{"X-Forwarded-For", "172.18.0.7:5000", true},
		{"X-Forwarded-For", "[fd00:18::7]:5000", true},
		{"X-Forwarded-For", "[fd00:18::7]", true},
		{"X-Forwarded-For", "::ffff:172.18.0.7", true},
		{"X-Forwarded-For", "\"172.18.0.7\"", true},
		{"X-Forwarded-For", "fe80::42:acff:fe12:7", true},
		{"X-Forwarded-For", "fe80::42:acff:fe12:7%br-fn", true},
		{"X-Forwarded-For", "fe80::42:acff:fe12:7%3", true},
		{"X-Forwarded-For", "[fe80::42:acff:fe12:7]:5000", true},
		{"X-Real-Ip", "172.18.0.7", true},
		{"X-Real-Ip", "fd00:18::7", true},
		{"X-Real-Ip", "fe80::42:acff:fe12:7", true},
		{"Forwarded", "for=172.18.0.7", true},
		{"Forwarded", "For=\"[fd00:18::7]:5000\";proto=http;by=192.0.2.1", true},
		{"Forwarded", "for=192.0.2.1, for=\"172.18.0.7\"", true},
		{"Forwarded", "proto=http; for = 172.18.0.7", true},

		{"X-Forwarded-For", "192.0.2.1", false},
		{"X-Forwarded-For", "172.18.0.1", false},
		{"X-Forwarded-For", "127.0.0.1", false},
		{"X-Forwarded-For", "::1", false},
		{"X-Forwarded-For", "unknown, _hidden, ,", false},
		{"X-Real-Ip", "192.168.1.5", false},
		{"Forwarded", "for=192.0.2.1;by=172.18.0.7", false},
		{"Forwarded", "host=\"172.18.0.7\"", false},
		{"X-Client-Ip", "172.18.0.7", false},
	} {
		r := from(t, "127.0.0.1:5000", "127.0.0.1:8080")
		r.Header.Set(test.key, test.value)
		if got := testPeers(t, functionNetwork()).PassedOnFor(r); (got == Function) != test.want {
			t.Errorf("%s: %s: got %v", test.key, test.value, got)
		}
		if got := testPeers(t, nil).PassedOnFor(r); test.want && got != Undecided {
			t.Errorf("%s: %s: before the networks are known: got %v", test.key, test.value, got)
		}
	}
}
