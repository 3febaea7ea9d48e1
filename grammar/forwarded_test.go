package grammar

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestProxies_AreBelievedAndNobodyElse(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, test := range []struct {
		peer, forwarded, want string
	}{
		{"192.0.2.1:80", "", "192.0.2.1"},
		{"192.0.2.1:80", "6.6.6.6", "192.0.2.1"},
		{"[::ffff:192.0.2.1]:80", "6.6.6.6", "192.0.2.1"},
		{"10.0.0.1:80", "", "10.0.0.1"},
		{"10.0.0.1:80", "192.0.2.7", "192.0.2.7"},
		{"10.0.0.1:80", "6.6.6.6, 192.0.2.7", "192.0.2.7"},
		{"10.0.0.1:80", "192.0.2.7, 10.2.3.4,10.5.6.7", "192.0.2.7"},
		{"10.0.0.1:80", "nonsense, 10.2.3.4", "invalid IP"},
		{"10.0.0.1:80", "unknown", "invalid IP"},
		{"10.0.0.1:80", "203.0.113.9:51234", "203.0.113.9"},
		{"10.0.0.1:80", "203.0.113.9:51234, 10.2.3.4:80", "203.0.113.9"},
		{"10.0.0.1:80", "[2001:db8::1]:443", "2001:db8::1"},
		{"10.0.0.1:80", "[2001:db8::1]", "2001:db8::1"},
		{"10.0.0.1:80", "10.9.9.9", "10.9.9.9"},
		{"[fd00::1]:80", "2001:db8::1", "2001:db8::1"},
		{"@", "192.0.2.7", "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.peer
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if got := Proxies(trusted).Client(r).String(); got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}
