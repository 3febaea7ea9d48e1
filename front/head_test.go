package front

import (
	"bufio"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// FuzzParseHead: what is plain to us is the same request to net/http.
func FuzzParseHead(f *testing.F) {
	for _, ask := range asks() {
		f.Add([]byte(ask))
	}
	for _, ask := range []string{
		"GET //a/../b?c=%zz;d#e HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
		"GET /? HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /a#b HTTP/1.1\r\nHost: x\r\nContent-Length: 00\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX : a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTrailer:\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(ask))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		// As good as new, after another request.
		var x exchange
		if _, what := x.head.parse([]byte("POST /?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nA: 1\r\nA: 2\r\nB: 3\r\n\r\n")); what != plain {
			t.Fatal("the request before is not plain")
		}
		x.begin(&conn{server: &Server{}, reader: bufio.NewReader(strings.NewReader(""))})
		x.reset()
		end, what := x.head.parse(raw)
		if what != plain {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(raw[:end]))))
		if err != nil {
			t.Fatalf("%q is plain to us; net/http: %v", raw[:end], err)
		}
		ours := x.begin(&conn{server: &Server{}, reader: bufio.NewReader(strings.NewReader(""))})
		for _, pair := range [][2]any{
			{ours.Method, theirs.Method}, {ours.RequestURI, theirs.RequestURI}, {ours.URL, theirs.URL},
			{ours.Host, theirs.Host}, {ours.Proto, theirs.Proto}, {ours.Header, theirs.Header},
			{ours.ContentLength, theirs.ContentLength}, {ours.TransferEncoding, theirs.TransferEncoding},
			{ours.Trailer, theirs.Trailer}, {ours.Close, theirs.Close},
		} {
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Fatalf("%q: ours %#v, theirs %#v", raw[:end], pair[0], pair[1])
			}
		}
	})
}

func TestParseHead_Judges(t *testing.T) {
	t.Parallel()
	with := func(fields string) string { return "POST / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" }
	for _, row := range []struct {
		name, raw string
		want      verdict
	}{
		{"plain", with(""), plain},
		{"length", with("Content-Length: 5\r\n"), plain},
		{"chunks", with("Transfer-Encoding: chunked\r\n"), plain},
		{"pragma", with("Pragma: no-cache\r\n"), plain},
		{"expect", with("Expect: 100-Continue\r\n"), plain},
		{"connection", with("Connection: keep-alive, X-A\r\n"), plain},
		{"both", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), contradictory},
		{"both, one of them odd", with("Content-Length: five\r\nTransfer-Encoding: x\r\n"), contradictory},
		{"preface", "PRI * HTTP/2.0\r\n\r\n", http2},
		{"upgrade", with("Connection: upgrade\r\nUpgrade: websocket\r\n"), unusual},
		{"other expectation", with("Expect: much\r\n"), unusual},
		{"trailer without chunks", with("Trailer: X-A\r\n"), unusual},
		{"trailer that frames", with("Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n"), unusual},
		{"odd coding", with("Transfer-Encoding: gzip\r\n"), unusual},
		{"two lengths", with("Content-Length: 5\r\nContent-Length: 5\r\n"), unusual},
		{"length with a sign", with("Content-Length: +5\r\n"), unusual},
		{"length beyond reason", with("Content-Length: 9223372036854775808\r\n"), unusual},
		{"no host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", unusual},
		{"user in the host", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", unusual},
		{"connect", "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", unusual},
		{"old", "GET / HTTP/1.0\r\nHost: x\r\n\r\n", unusual},
		{"folded", with("X-A: 1\r\n 2\r\n"), unusual},
		{"bare LF before the end of a line", with("X-A: 1\n"), unusual},
		{"bare LF that ends the head", with("X-A: 1\n\r\nX-B: 2\r\n"), unusual},
		{"bare LF", "GET / HTTP/1.1\nHost: x\r\n\r\n", unusual},
	} {
		if _, got := new(head).parse([]byte(row.raw)); got != row.want {
			t.Errorf("%s: verdict %d, want %d", row.name, got, row.want)
		}
	}
}
