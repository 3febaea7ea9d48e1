package servers

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestOwnAddress_IsKnownHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	interfaces := func() []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("2001:db8::5")}
	}
	for _, test := range []struct {
		listener, target string
		own              bool
	}{
		{"127.0.0.1:8080", "http://127.0.0.1:8080", true},
		{"127.0.0.1:8080", "https://127.0.0.1:8080", true},
		{"127.0.0.1:8080", "http://localhost:8080", true},
		{"127.0.0.1:8080", "http://LOCALHOST.:8080", true},
		{"127.0.0.1:8080", "http://any.localhost:8080", true},
		{"127.0.0.1:8080", "http://[::ffff:127.0.0.1]:8080", true},
		{"127.0.0.1:8080", "http://0.0.0.0:8080", true},
		{"127.0.0.1:80", "http://127.0.0.1", true},
		{"127.0.0.1:443", "https://localhost", true},
		{"127.0.0.1:80", "h2c://localhost", true},
		{"127.0.0.1:8080", "h2c://127.0.0.1:8080", true},
		{"127.0.0.1:8080", "http://127.0.0.1:8081", false},
		{"127.0.0.1:8080", "http://127.0.0.1", false},
		{"127.0.0.1:8080", "http://127.0.0.2:8080", false},
		{"127.0.0.1:8080", "http://192.168.1.5:8080", false},
		{"127.0.0.1:8080", "http://[::1]:8080", false},
		{"127.0.0.1:8080", "http://example.org:8080", false},
		{"0.0.0.0:8080", "http://127.9.9.9:8080", true},
		{"0.0.0.0:8080", "http://192.168.1.5:8080", true},
		{"0.0.0.0:8080", "http://192.168.1.6:8080", false},
		{"0.0.0.0:8080", "http://[::1]:8080", false},
		{"[::]:8080", "http://192.168.1.5:8080", true},
		{"[::]:8080", "http://[2001:db8::5]:8080", true},
		{"[::]:8080", "http://[::1]:8080", true},
		{"[::]:8080", "http://[::]:8080", true},
		{"[::]:8080", "http://127.0.0.1:8080", true},
		{"[::1]:8080", "http://[::1]:8080", true},
		{"[::1]:8080", "http://127.0.0.1:8080", false},
		{"192.168.1.5:8080", "http://192.168.1.5:8080", true},
		{"192.168.1.5:8080", "http://0.0.0.0:8080", false},
	} {
		own := OwnAddress{netip.MustParseAddrPort(test.listener), interfaces}
		if err := own.Refuse(parsed(t, test.target)); (err != nil) != test.own {
			t.Errorf("%s, listening on %s: got %v, want it to be own: %t", test.target, test.listener, err, test.own)
		}
	}
}

// A name is looked up when it is called.
func TestOwnAddress_IsNotDialledByAnyName(t *testing.T) {
	t.Parallel()
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	address := server.Listener.Addr()
	for _, own := range []OwnAddress{{Listener: address.(*net.TCPAddr).AddrPort()}, {}} {
		s := New(nil, own, 0, hclog.NewNullLogger())
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		s.To(&url.URL{Scheme: "http", Host: net.JoinHostPort("localhost", strconv.Itoa(address.(*net.TCPAddr).Port))}).ServeHTTP(w, r)
		s.transport.CloseIdleConnections()
		want := http.StatusLoopDetected
		if own.Listener.Port() == 0 {
			want = http.StatusOK
		}
		body, _ := io.ReadAll(w.Body)
		if w.Code != want || asked != (want == http.StatusOK) || want != http.StatusOK && !strings.Contains(string(body), "again and again") {
			t.Errorf("own %v: got %d %q, asked %t", own.Listener, w.Code, body, asked)
		}
	}
	if _, err := (OwnAddress{Listener: address.(*net.TCPAddr).AddrPort()}).dial(t.Context(), "tcp", address.String()); !errors.Is(err, errOwnAddress) {
		t.Errorf("dial: got %v", err)
	}
}

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
