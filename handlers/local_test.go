package handlers

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func functionNetwork() ([]netip.Prefix, []netip.Addr) {
	return []netip.Prefix{netip.MustParsePrefix("172.18.0.0/16"), netip.MustParsePrefix("fd00:18::/64")},
		[]netip.Addr{netip.MustParseAddr("172.18.0.1"), netip.MustParseAddr("fd00:18::1")}
}

func TestLocalGuard_LetsInOnlyThisMachine(t *testing.T) {
	t.Parallel()
	const (
		hosts     = "not a name of this machine's loopback"
		pages     = "a web page of another site"
		functions = "functions may not control the provider"
	)
	post := http.MethodPost
	for _, test := range []struct {
		name   string
		method string // GET when empty
		host   string // localhost:8080 when empty
		peer   string // 127.0.0.1:5000 when empty
		header map[string]string
		want   string // part of the refusal; empty means let in
	}{
		{name: "curl"},
		{name: "localhost without port", host: "localhost"},
		{name: "upper case", host: "LocalHost:8080"},
		{name: "absolute name", host: "localhost.:8080"},
		{name: "name under localhost", host: "figlet.localhost:8080"},
		{name: "address", host: "127.0.0.1:8080"},
		{name: "other loopback address", host: "127.8.9.1"},
		{name: "IPv6", host: "[::1]:8080", peer: "[::1]:5000"},
		{name: "IPv6 without port", host: "[::1]"},
		{name: "IPv4 in IPv6", host: "[::ffff:127.0.0.1]:8080"},
		{name: "allowed name", host: "Provider:8080"},
		{name: "allowed address", host: "192.168.1.5:8080"},
		{name: "allowed IPv6 address", host: "[fd00::5]:8080"},

		{name: "rebound name", host: "evil.example:8080", want: hosts},
		{name: "name that begins like ours", host: "localhost.evil.example", want: hosts},
		{name: "name that ends like ours", host: "evillocalhost", want: hosts},
		{name: "address as a name's beginning", host: "127.0.0.1.evil.example", want: hosts},
		{name: "address of the LAN", host: "192.168.1.6:8080", want: hosts},
		{name: "unspecified address", host: "0.0.0.0:8080", want: hosts},
		{name: "allowed name's child", host: "x.provider", want: hosts},
		{name: "no host", host: "none", want: hosts},
		{name: "user as host", host: "localhost@evil.example", want: hosts},

		{name: "own page", method: post, header: map[string]string{"Sec-Fetch-Site": "same-origin"}},
		{name: "typed by the user", method: post, header: map[string]string{"Sec-Fetch-Site": "none"}},
		{name: "other site's form", method: post, header: map[string]string{"Sec-Fetch-Site": "cross-site"}, want: pages},
		{name: "other port's page", method: post, header: map[string]string{"Sec-Fetch-Site": "same-site"}, want: pages},
		{name: "old browser, other site", method: http.MethodDelete, header: map[string]string{"Origin": "https://evil.example"}, want: pages},
		{name: "old browser, own page", method: post, header: map[string]string{"Origin": "http://localhost:8080"}},
		{name: "opaque origin", method: http.MethodPut, header: map[string]string{"Origin": "null"}, want: pages},

		{name: "function", peer: "172.18.0.7:5000", want: functions},
		{name: "function, any method", method: post, peer: "172.18.255.254:5000", want: functions},
		{name: "function, IPv6", peer: "[fd00:18::7]:5000", want: functions},
		{name: "function, IPv4 in IPv6", peer: "[::ffff:172.18.0.7]:5000", want: functions},
		{name: "network's gateway", peer: "172.18.0.1:5000"},
		{name: "network's IPv6 gateway", peer: "[fd00:18::1]:5000"},
		{name: "other network", peer: "172.19.0.7:5000"},
		{name: "Unix socket", peer: "@"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reached := false
			guard := LocalGuard{AllowedHosts: []string{"", " provider", "192.168.1.5:80", "[fd00::5]"}, Peers: functionNetwork}
			guarded := guard.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			w, r := newExchange(t, or(test.method, http.MethodGet), "/system/functions")
			r.Host, r.RemoteAddr = or(test.host, "localhost:8080"), or(test.peer, "127.0.0.1:5000")
			if test.host == "none" {
				r.Host = ""
			}
			for key, value := range test.header {
				r.Header.Set(key, value)
			}
			guarded.ServeHTTP(w, r)
			if reached != (test.want == "") {
				t.Fatalf("got %d %q, want refusal %q", w.Code, w.Body, test.want)
			}
			if test.want != "" && (w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), test.want) || !strings.Contains(w.Body.String(), "basic_auth")) {
				t.Errorf("got %d %q, want 403 %q that tells of basic_auth", w.Code, w.Body, test.want)
			}
		})
	}
}

func TestLocalGuard_ZeroValueKnowsOnlyLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]int{"localhost:8080": 404, "provider:8080": 403} {
		w, r := newExchange(t, http.MethodGet, "/")
		r.Host, r.RemoteAddr = host, "172.18.0.7:5000"
		LocalGuard{}.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("got %d for %s, want %d", w.Code, host, want)
		}
	}
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
