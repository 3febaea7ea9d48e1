package grammar

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Letters that Unicode folds to ASCII ones.
const kelvin, longS, dotlessI = "\u212a", "\u017f", "\u0131"

func TestEqualFold_ComparesASCIIOnly(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want bool
	}{
		{"chunked", "CHUNKED", true}, {"chunked", "chun" + kelvin + "ed", false}, {"close", "clo" + longS + "e", false},
		{"keep-alive", "Keep-Alive", true}, {"keep-alive", kelvin + "eep-alive", false}, {"websocket", "web" + longS + "ocket", false},
		{"@", "`", false}, {"[", "{", false}, {"é", "É", false}, {"", "", true}, {"a", "", false}, {"i", dotlessI, false},
		{"100-continue", "100-CONTINUE", true}, {"trailers", "trailer" + longS, false}, {"\xff", "\xff", true},
	} {
		if got := EqualFold(row.a, row.b); got != row.want {
			t.Errorf("EqualFold(%q, %q) is %t", row.a, row.b, got)
		}
	}
	if got := Lower("AbZ@[" + kelvin + "\xff"); got != "abz@["+kelvin+"\xff" {
		t.Errorf("Lower: %q", got)
	}
	if got := Upper("aBz`{" + longS + "\xff"); got != "ABZ`{"+longS+"\xff" {
		t.Errorf("Upper: %q", got)
	}
	if HasToken([]string{"a, clo" + longS + "e"}, "close") || !HasToken([]string{"a", " b ,,Close\t"}, "close") {
		t.Error("HasToken")
	}
}

func TestIsHost(t *testing.T) {
	for _, host := range []string{
		"x", "example.org", "EXAMPLE.org.", "fn_1.ns.localhost", "127.0.0.1", "127.0.0.1:8080", "x:0", "x:65535", "x:", "a~b",
		"[::1]", "[::1]:80", "[2001:db8::1]:8080", "[::ffff:127.0.0.1]", "[::1]:", "xn--bcher-kva.example", "0x7f.1",
	} {
		if !IsHost(host) {
			t.Errorf("%q is refused", host)
		}
	}
	for _, host := range []string{
		"", "[::1", "a:b", "[::1]evil.example", "[::1]:80evil", "::1", "[]", "[:80", "]", "x]", "[x]", "[127.0.0.1]", "[::1%25eth0]", "[::1%eth0]",
		"[[::1]]", "[::1]]", "[::1][::1]", "x:80:80", "x:-1", "x:+80", "x:65536", "x:99999999999999999999", "x: 80", ":80", "u@x", "u:p@x", "x/y", "x?y", "x#y", `x\y`, "x,y",
		"x y", " x", "x\t", "x\x00", "x\n", "x%41", "%5b::1%5d", "b\u00fccher.example", "lo" + "cal" + "ho" + longS + "t", kelvin, "x;y", "x=y", "'x'", `"x"`, "<x>", "{x}", "x|y", "^x", "http://x", "*",
		"[v1.a]", "[fe80::1%1]:80", "x:８０",
	} {
		if IsHost(host) {
			t.Errorf("%q is accepted", host)
		}
	}
}

func TestUpgrade_IsForOneProtocolThatIsNoHTTP(t *testing.T) {
	header := func(upgrades ...string) http.Header {
		return http.Header{"Connection": {"Upgrade"}, "Upgrade": upgrades}
	}
	for _, protocol := range []string{"websocket", "WebSocket", "tcp", "connect-udp", "foo/1.2", "raw", "mqtt"} {
		if got := Upgrade(header(protocol)); got != protocol {
			t.Errorf("%q became %q", protocol, got)
		}
	}
	for _, protocols := range [][]string{
		{"h2c"}, {"H2C"}, {"h2"}, {"h2c-14"}, {"h3"}, {"HTTP/2.0"}, {"http/2"}, {"HTTP/1.1"}, {"HTTP/3"}, {"TLS/1.0"}, {"tls"}, {"SSL/3"}, {"SPDY/3.1"}, {"https"},
		{"websocket, h2c"}, {"h2c, websocket"}, {"websocket", "h2c"}, {"websocket,"}, {",h2c"}, {"websocket h2c"}, {""}, {"websocket;h2c"}, {"web/socket/1"}, {"/1"}, {"websocket/"}, {"websocket\x00"}, {"h2c\t"},
	} {
		if got := Upgrade(header(protocols...)); got != "" {
			t.Errorf("%q became %q", protocols, got)
		}
	}
	if got := Upgrade(http.Header{"Upgrade": {"websocket"}}); got != "" {
		t.Errorf("without Connection: %q", got)
	}
	if got := Upgrade(http.Header{"Connection": {"up" + "grade" + longS}, "Upgrade": {"websocket"}}); got != "" {
		t.Errorf("with another Connection: %q", got)
	}
}

func TestStripConnection(t *testing.T) {
	for name, row := range map[string]struct{ header, want http.Header }{
		"nothing":            {http.Header{"X-A": {"1"}}, http.Header{"X-A": {"1"}}},
		"what is listed":     {http.Header{"Connection": {"X-A, x-b", "X-C"}, "X-A": {"1"}, "X-B": {"2"}, "X-C": {"3"}, "X-D": {"4"}}, http.Header{"X-D": {"4"}}},
		"options remain":     {http.Header{"Connection": {"Close, X-A"}, "X-A": {"1"}}, http.Header{"Connection": {"close"}}},
		"empty words":        {http.Header{"Connection": {" , ,X-A,"}, "X-A": {"1"}}, http.Header{}},
		"credentials":        {http.Header{"Connection": {"Authorization, Cookie"}, "Authorization": {"1"}, "Cookie": {"2"}}, http.Header{}},
		"what is for all":    {http.Header{"Connection": {"X-Forwarded-For, Te, Via, Expect"}, "X-Forwarded-For": {"1"}, "Te": {"trailers"}, "Via": {"v"}, "Expect": {"100-continue"}}, http.Header{"X-Forwarded-For": {"1"}, "Te": {"trailers"}, "Via": {"v"}, "Expect": {"100-continue"}}},
		"the length":         {http.Header{"Connection": {"Content-Length"}, "Content-Length": {"5"}}, http.Header{"Content-Length": {"5"}}},
		"an upgrade":         {http.Header{"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}}, http.Header{"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}}},
		"an upgrade, listed": {http.Header{"Connection": {"Upgrade, X-A"}, "Upgrade": {"websocket"}, "X-A": {"1"}}, http.Header{"Connection": {"upgrade"}, "Upgrade": {"websocket"}}},
		"h2c":                {http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}, "Http2-Settings": {"AAMA"}}, http.Header{}},
		"h2c and more":       {http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket, h2c"}}, http.Header{}},
		"only settings":      {http.Header{"Http2-Settings": {"AAMA"}}, http.Header{}},
		"upgrade, not asked": {http.Header{"Upgrade": {"websocket"}}, http.Header{}},
	} {
		want := row.header.Clone()
		stripped := IsStripped(row.header)
		StripConnection(row.header)
		if !maps.EqualFunc(row.header, row.want, slices.Equal) {
			t.Errorf("%s: got %q, want %q", name, row.header, row.want)
		}
		if same := maps.EqualFunc(want, row.want, slices.Equal); stripped != same {
			t.Errorf("%s: stripped is %t", name, stripped)
		}
		if !IsStripped(row.header) {
			t.Errorf("%s: is not stripped for good", name)
		}
	}
}

func TestMayTrail(t *testing.T) {
	for _, key := range []string{"X-Sum", "Grpc-Status", "Grpc-Message", "Server-Timing", "Content-Md5", "Digest", "X-Amz-Checksum-Crc32", "Etag", "Authentication-Info"} {
		if !MayTrail(key) {
			t.Errorf("%s is refused", key)
		}
	}
	for _, key := range []string{
		"Content-Length", "Content-Length ", "Content_Length", "Transfer-Encoding", "Transfer-Encoding\t", "Trailer", "Host", "Connection", "Te", "Upgrade", "Keep-Alive",
		"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Www-Authenticate", "X-Forwarded-For", "X_forwarded_for", "X_Forwarded_For", "Forwarded", "X-Real-Ip", "X-Call-Id",
		"Content-Type", "Content-Encoding", "Content-Range", "Cache-Control", "Expect", "Range", "If-Match", "Max-Forwards", "Location", "Vary", "", " ", "X A", "X:A", "X-\u212a", "X-A\x00",
	} {
		if MayTrail(key) {
			t.Errorf("%q is accepted", key)
		}
	}
	if BadTrailer(http.Header{"X-Sum": {"7"}, "X-None": nil}) != "" || BadTrailer(http.Header{"X-Sum": {"7\x01"}}) != "X-Sum" {
		t.Error("BadTrailer")
	}
}

func TestAnnounceTrailers(t *testing.T) {
	header := http.Header{"Trailer": {"X-Sum, X-Set", "Content-Length, x-more"}, "X-Set": {"1"}}
	AnnounceTrailers(header)
	if got := strings.Join(header["Trailer"], "|"); got != "X-Sum, x-more" {
		t.Errorf("got %q", got)
	}
	header = http.Header{"Trailer": {"Set-Cookie"}}
	AnnounceTrailers(header)
	if len(header) != 0 {
		t.Errorf("got %q", header)
	}
}

func TestUnsendable(t *testing.T) {
	for _, value := range []string{"", "a b", "a\tb", "b\u00fc", "\xff"} {
		if key := Unsendable(http.Header{"X-A": {value}}); key != "" {
			t.Errorf("%q cannot be sent", value)
		}
	}
	for _, value := range []string{"\r", "\n", "a\r\nX-B: 1", "\x00", "\x01", "\x0b", "\x0c", "\x1b", "\x7f", "\x08", "\x1f", "a\n b"} {
		if key := Unsendable(http.Header{"X-A": {"fine", value}}); key != "X-A" {
			t.Errorf("%q can be sent", value)
		}
	}
	for _, key := range []string{"X A", "X:", "X\n", "X-\u212a"} {
		if Unsendable(http.Header{key: {"1"}}) != key {
			t.Errorf("%q can be sent", key)
		}
	}
}
