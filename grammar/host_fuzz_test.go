package grammar

import (
	"net/netip"
	"net/url"
	"testing"
)

// FuzzIsHost: what is a host here, net/url reads as the same host, and as nothing else.
func FuzzIsHost(f *testing.F) {
	for _, host := range []string{"x", "x:80", "[::1]:80", "[::1", "a:b", "[::1]evil.example", "u@x", "x/y", "x%41", "[fe80::1%25eth0]", "x:", "\u212a", "127.0.0.1:99999", "x?y", "x#y"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !IsHost(host) {
			return
		}
		u, err := url.Parse("http://" + host + "/")
		if err != nil {
			t.Fatalf("%q: %v", host, err)
		}
		if u.Host != host || u.User != nil || u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("%q is read as %#v", host, u)
		}
		if host[0] == '[' {
			if _, err := netip.ParseAddr(u.Hostname()); err != nil {
				t.Errorf("%q: %v", host, err)
			}
		}
	})
}
