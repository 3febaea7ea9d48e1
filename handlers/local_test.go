package handlers

import (
	"net/http"
	"strings"
	"testing"
)

func TestLocalGuard_LetsInOnlyThisMachine(t *testing.T) {
	t.Parallel()
	const (
		hosts     = "not a name of this machine's loopback"
		functions = "functions may not control the provider"
		strangers = "not known to be this machine"
		malformed = "is malformed"
		looped    = "a route may not lead to the system API"
	)
	for _, test := range []struct {
		name   string
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
		{name: "user as host", host: "localhost@evil.example", want: malformed},
		{name: "open bracket", host: "[::1", want: malformed},
		{name: "name behind an address", host: "[::1]evil.example", want: malformed},
		{name: "no port", host: "localhost:b", want: malformed},
		{name: "two hosts", host: "localhost,evil.example", want: malformed},

		{name: "function", peer: "172.18.0.7:5000", want: functions},
		{name: "other machine", peer: "192.168.1.8:5000", want: strangers},
		{name: "other network", peer: "172.20.0.7:5000", want: strangers},
		{name: "own address", peer: "192.168.1.5:5000"},
		{name: "allowed client", peer: "192.168.1.9:5000"},
		{name: "allowed client under another name", peer: "192.168.1.9:5000", host: "evil.example", want: hosts},

		{name: "function, by a proxy", header: map[string]string{"X-Forwarded-For": "172.18.0.7"}, want: functions},
		{name: "function, by a gateway", header: map[string]string{"X-Forwarded-For": "172.18.0.7:4711"}, want: functions},
		{name: "function, by two proxies", header: map[string]string{"X-Forwarded-For": "172.18.0.7, 192.168.1.9"}, want: functions},
		{name: "function of IPv6, by a proxy", header: map[string]string{"X-Forwarded-For": "fd00:18::7"}, want: functions},
		{name: "function of IPv6, by a gateway", header: map[string]string{"X-Forwarded-For": "[fd00:18::7]:4711"}, want: functions},
		{name: "function, by an allowed client", peer: "192.168.1.9:5000", header: map[string]string{"X-Forwarded-For": "::ffff:172.18.0.7"}, want: functions},
		{name: "this machine, by a proxy", header: map[string]string{"X-Forwarded-For": "172.18.0.1"}},
		{name: "other machine, by a proxy that asks for credentials", header: map[string]string{"X-Forwarded-For": "192.0.2.7"}},
		{name: "nonsense, by a proxy", header: map[string]string{"X-Forwarded-For": "unknown, , _hidden"}},

		{name: "by a route of ours", header: map[string]string{"Via": "1.1 faas-docker"}, want: looped},
		{name: "by a route and others", header: map[string]string{"Via": "1.0 fred, 1.1 faas-docker, 1.1 p.example"}, want: looped},
		{name: "by another proxy", header: map[string]string{"Via": "1.1 p.example"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reached := false
			guard := LocalGuard{AllowedHosts: []string{"", " provider", "192.168.1.5:80", "[fd00::5]"}, Peers: testPeers(t, functionNetwork())}
			guarded := guard.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			w, r := newExchange(t, http.MethodGet, "/system/functions")
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
			status := http.StatusForbidden
			if test.want == malformed {
				status = http.StatusBadRequest
			}
			if test.want != "" && (w.Code != status || !strings.Contains(w.Body.String(), test.want)) {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, status, test.want)
			}
			if w.Code == http.StatusForbidden && !strings.Contains(w.Body.String(), "basic_auth") {
				t.Errorf("got %q, which does not tell of basic_auth", w.Body)
			}
		})
	}
}

func TestLocalGuard_ServesOnlyThisMachineWhileTheNetworksAreUnknown(t *testing.T) {
	t.Parallel()
	guard := LocalGuard{Peers: testPeers(t, nil)}.Wrap(http.NotFoundHandler())
	for peer, want := range map[string]int{
		"127.0.0.1:5000": 404, "192.168.1.5:5000": 404, "172.18.0.1:5000": 404,
		"172.18.0.7:5000": 503, "[fd00:18::7]:5000": 503, "[fe80::7%br-fn]:5000": 503, "192.168.1.9:5000": 503, "[::ffff:172.18.0.7]:5000": 503,
	} {
		w, r := newExchange(t, http.MethodGet, "/")
		r.Host, r.RemoteAddr = "localhost", peer
		guard.ServeHTTP(w, r)
		if w.Code != want || (want == 503) != (w.Header().Get("Retry-After") == "1") {
			t.Errorf("%s: got %d %v %q, want %d", peer, w.Code, w.Header(), w.Body, want)
		}
	}
}

func TestLocalGuard_ZeroValueKnowsOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		host, peer string
		want       int
	}{
		{"localhost:8080", "127.0.0.1:5000", 404},
		{"provider:8080", "127.0.0.1:5000", 403},
		{"localhost:8080", "172.18.0.7:5000", 503},
	} {
		w, r := newExchange(t, http.MethodGet, "/")
		r.Host, r.RemoteAddr = test.host, test.peer
		LocalGuard{}.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%+v: got %d", test, w.Code)
		}
	}
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
