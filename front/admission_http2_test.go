package front

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	wire2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// askHTTP2 sends one request frame by frame, with trailers unless these are nil, and
// returns the status of the answer, or how the stream ended instead.
func askHTTP2(t *testing.T, address string, head, trailers []string) string {
	t.Helper()
	c := dial(t, address)
	c.say("%s", wire2.ClientPreface)
	framer := wire2.NewFramer(c.TCPConn, c.Reader)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	coder := hpack.NewEncoder(&block)
	send := func(pairs []string, last bool) {
		block.Reset()
		for i := 0; i < len(pairs); i += 2 {
			_ = coder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
		}
		if err := framer.WriteHeaders(wire2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: last, EndHeaders: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	send(head, trailers == nil)
	if trailers != nil {
		send(trailers, true)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return err.Error()
		}
		switch f := frame.(type) {
		case *wire2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *wire2.RSTStreamFrame:
			return "reset"
		case *wire2.GoAwayFrame:
			return "gone"
		}
	}
}

func TestDoor_HTTP2(t *testing.T) {
	t.Parallel()
	s := &Server{Underscores: RefuseUnderscores, HTTP: fullServer(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if len(r.Trailer) > 0 && r.Trailer.Get("X-Sum") != "7" {
			t.Errorf("the handler saw %q", r.Trailer)
		}
	})}
	address := serve(t, s.Serve, s.Close)
	head := func(authority string, more ...string) []string {
		return append([]string{":method", "POST", ":scheme", "http", ":path", "/", ":authority", authority}, more...)
	}
	for name, row := range map[string]struct {
		head, trailers []string
		want           []string
	}{
		"proper":                            {head("x:80"), nil, []string{"200"}},
		"an IPv6 address":                   {head("[::1]:80"), nil, []string{"200"}},
		"the same host":                     {head("x", "host", "X"), nil, []string{"200"}},
		"trailers":                          {head("x", "trailer", "x-sum"), []string{"x-sum", "7"}, []string{"200"}},
		"half an address":                   {head("[::1"), nil, []string{"400", "reset"}},
		"a name for a port":                 {head("a:b"), nil, []string{"400"}},
		"an address and a name":             {head("[::1]evil.example"), nil, []string{"400", "reset"}},
		"a user":                            {head("u@x"), nil, []string{"400", "reset"}},
		"a path":                            {head("x/y"), nil, []string{"400", "reset"}},
		"an encoded name":                   {head("%78"), nil, []string{"400"}},
		"no host":                           {head(""), nil, []string{"400", "reset"}},
		"another host":                      {head("x", "host", "y"), nil, []string{"400", "reset"}},
		"a bad host":                        {head("", "host", "[::1"), nil, []string{"400", "reset"}},
		"an underscore":                     {head("x", "x_user", "root"), nil, []string{"400"}},
		"a trailer's underscore":            {head("x"), []string{"x_sum", "7"}, []string{"200"}},
		"a trailer's underscore, announced": {head("x", "trailer", "x_sum"), []string{"x_sum", "7"}, []string{"400"}},
		"a length behind the body":          {head("x"), []string{"content-length", "500"}, []string{"200"}},
		"a name with a blank":               {head("x"), []string{"content-length ", "500"}, []string{"400", "reset", "gone"}},
		"credentials":                       {head("x"), []string{"authorization", "Basic eA=="}, []string{"200"}},
		"credentials, announced":            {head("x", "trailer", "authorization"), []string{"authorization", "Basic eA=="}, []string{"400", "reset"}},
		"cookies":                           {head("x"), []string{"cookie", "a=b"}, []string{"200"}},
		"cookies, announced":                {head("x", "trailer", "cookie"), []string{"cookie", "a=b"}, []string{"400", "reset"}},
		"a forged address":                  {head("x"), []string{"x-forwarded-for", "6.6.6.6"}, []string{"200"}},
		"a forged address, announced":       {head("x", "trailer", "x-forwarded-for"), []string{"x-forwarded-for", "6.6.6.6"}, []string{"400", "reset"}},
		"length and chunks":                 {head("x", "content-length", "4", "transfer-encoding", "chunked"), []string{}, []string{"400", "reset"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := askHTTP2(t, address, row.head, row.trailers)
			for _, want := range row.want {
				if got == want {
					return
				}
			}
			t.Errorf("got %q, want one of %q", got, row.want)
		})
	}
}
