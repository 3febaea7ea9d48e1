package callback

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"faas-docker/queue"
)

func TestGuard_LetsCallbacksReachThePublicInternetOnly(t *testing.T) {
	own := netip.MustParseAddrPort("8.8.4.4:8080")
	g := Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/64")}, IsOwn: func(a netip.AddrPort) bool { return a == own || a == netip.MustParseAddrPort("10.1.0.1:8080") }}
	for address, allowed := range map[string]bool{
		"93.184.215.14:80": true, "1.1.1.1:443": true, "8.8.4.4:80": true, "172.15.0.1:80": true, "172.32.0.1:80": true,
		"100.63.0.1:80": true, "100.128.0.1:80": true, "[2606:4700::1111]:443": true, "[2a00:1450::1]:80": true,
		"[64:ff9b::0808:0808]:80": true, "[::ffff:1.1.1.1]:80": true, "[2002:0808:0808::]:80": true,
		// exceptions
		"10.1.2.3:80": true, "[::ffff:10.1.2.3]:80": true, "[fd00:1::7]:80": true,
		// the provider itself
		"8.8.4.4:8080": false, "[::ffff:8.8.4.4]:8080": false, "[64:ff9b::0808:0404]:8080": false, "10.1.0.1:8080": false,
		// loopback and unspecified
		"127.0.0.1:80": false, "127.1.2.3:80": false, "127.255.255.255:80": false, "0.0.0.0:80": false, "0.1.2.3:80": false, "[::1]:80": false, "[::]:80": false,
		"[::ffff:127.0.0.1]:80": false, "[::ffff:0.0.0.0]:80": false, "[::127.0.0.1]:80": false, "[64:ff9b::7f00:1]:80": false, "[2002:7f00:1::]:80": false,
		// private
		"10.0.0.1:80": false, "10.2.0.1:80": false, "172.16.0.1:80": false, "172.17.0.2:8080": false, "172.31.255.255:80": false, "192.168.0.1:80": false,
		"[fc00::1]:80": false, "[fd00:2::1]:80": false, "[::ffff:192.168.0.1]:80": false, "[64:ff9b::a00:1]:80": false, "[2002:c0a8:1::]:80": false, "[64:ff9b:1::1]:80": false,
		// link-local, and where clouds keep what their machines are told
		"169.254.169.254:80": false, "169.254.170.2:80": false, "[fe80::1]:80": false, "[fe80::1%eth0]:80": false, "[::ffff:169.254.169.254]:80": false,
		"[64:ff9b::a9fe:a9fe]:80": false, "[fd00:ec2::254]:80": false, "100.100.100.200:80": false, "192.0.0.192:80": false, "168.63.129.16:80": false,
		// of no use, or shared
		"100.64.0.1:80": false, "100.127.255.255:80": false, "192.0.2.1:80": false, "198.18.0.1:80": false, "198.51.100.7:80": false, "203.0.113.9:80": false,
		"224.0.0.1:80": false, "239.1.1.1:80": false, "240.0.0.1:80": false, "255.255.255.255:80": false, "[ff02::1]:80": false, "[ff0e::1]:80": false,
		"[2001:db8::1]:80": false, "[2001::1]:80": false, "[100::1]:80": false, "[fec0::1]:80": false, "[3fff::1]:80": false,
	} {
		err := g.Check(netip.MustParseAddrPort(address))
		if allowed != (err == nil) || err != nil && !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: got %v, allowed should be %v", address, err, allowed)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for text, fine := range map[string]bool{
		"http://example.com/a?b": true, "https://example.com:8443": true, "HTTP://example.com/": true, "http://[2606:4700::1111]/": true, "http://1.2.3.4/": true,
		"": false, "example.com": false, "/path": false, "//example.com/": false, "ftp://example.com/": false, "file:///etc/passwd": false, "gopher://example.com/": false,
		"unix:///var/run/docker.sock": false, "http://": false, "http:///a": false, "http://:80/": false, "http://user:secret@example.com/": false, "http://exa mple.com/": false,
		"http://example.com:port/": false, "javascript:alert(1)": false, "http://[::1": false, "data:text/plain,a": false,
	} {
		if err := CheckURL(text); fine != (err == nil) || err != nil && !errors.Is(err, ErrURL) {
			t.Errorf("%q: got %v, fine should be %v", text, err, fine)
		}
	}
}

// loopback allows what the servers of these tests listen on.
func loopback() Guard { return Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}} }

func send(t *testing.T, s *Sender, target string) (queue.Outcome, error) {
	t.Helper()
	call := &queue.Call{URL: target, Request: queue.Request{
		Header: http.Header{"X-Call-Id": {"1"}, "Content-Type": {"text/plain"}, "Connection": {"close"}, "Content-Length": {"7"}},
		Body:   queue.Body{Size: 5},
	}}
	return s.Send(t.Context(), call, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("hello")), nil })
}

// wantPost answers 204 to a callback that is whole.
func wantPost(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodPost || string(body) != "hello" || r.ContentLength != 5 || r.Header.Get("X-Call-Id") != "1" || r.Header.Get("Content-Type") != "text/plain" {
		http.Error(w, fmt.Sprintf("%s %q %v", r.Method, body, r.Header), http.StatusTeapot)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func TestSend_TellsHowItWent(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/fine", wantPost)
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code := 0
		fmt.Sscan(r.PathValue("code"), &code)
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Location", "/fine")
		w.WriteHeader(code)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/round", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusTemporaryRedirect)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	s := New(loopback())
	for _, tc := range []struct {
		path  string
		state queue.State // after the first try
		says  string      // is within the error; empty means none
	}{
		{"/fine", queue.Done, ""},
		{"/status/200", queue.Done, ""},
		{"/status/307", queue.Done, ""},
		{"/status/308", queue.Done, ""},
		{"/status/301", queue.Dead, "answered 301"},
		{"/status/302", queue.Dead, "answered 302"},
		{"/status/303", queue.Dead, "answered 303"},
		{"/status/410", queue.Dead, "answered 410"},
		{"/status/400", queue.Ready, "answered 400"},
		{"/status/404", queue.Ready, "answered 404"},
		{"/status/503", queue.Ready, "answered 503"},
		{"/round", queue.Ready, "redirects"},
		{"/file", queue.Dead, "does not begin with http"},
	} {
		o, err := send(t, s, server.URL+tc.path)
		state, _ := Retries().Next(1, o, time.Now(), 0)
		if state != tc.state || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %+v, %v, which is %s, want %s and %q", tc.path, o, err, state, tc.state, tc.says)
		}
	}
}

func TestSend_GoesNowhereElse(t *testing.T) {
	reached := false
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer inner.Close()
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://localhost:"+portOf(inner.URL)+"/", http.StatusTemporaryRedirect)
	}))
	defer outer.Close()
	t.Setenv("HTTP_PROXY", inner.URL)
	t.Setenv("HTTPS_PROXY", inner.URL)
	outerOnly := loopback()
	outerOnly.IsOwn = func(a netip.AddrPort) bool { return fmt.Sprint(a.Port()) == portOf(inner.URL) }
	for name, tc := range map[string]struct {
		guard Guard
		url   string
	}{
		"loopback":              {Guard{}, inner.URL},
		"by a name":             {Guard{}, "http://localhost:" + portOf(inner.URL)},
		"by a redirect":         {outerOnly, outer.URL},
		"IPv6":                  {Guard{}, "http://[::1]:" + portOf(inner.URL)},
		"IPv4 as IPv6":          {Guard{}, "http://[::ffff:127.0.0.1]:" + portOf(inner.URL)},
		"all addresses":         {Guard{}, "http://0.0.0.0:" + portOf(inner.URL)},
		"through a proxy":       {Guard{}, "https://localhost:" + portOf(inner.URL)},
		"without a proper host": {Guard{}, "http:///" + portOf(inner.URL)},
	} {
		o, err := send(t, New(tc.guard), tc.url)
		if !o.IsFinal || !errors.Is(err, ErrForbidden) && !errors.Is(err, ErrURL) || reached {
			t.Errorf("%s: got %+v, %v, reached %v, want it refused for good", name, o, err, reached)
		}
	}
	for _, odd := range []string{"http://2130706433", "http://0x7f000001", "http://0177.0.0.1", "http://127.1"} {
		if o, err := send(t, New(Guard{}), odd+":"+portOf(inner.URL)); err == nil || reached {
			t.Errorf("%s: got %+v, %v, reached %v", odd, o, err, reached)
		}
	}
}

func portOf(address string) string {
	u, _ := url.Parse(address)
	return u.Port()
}
