package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is a client that speaks HTTP/2 frame by frame: no library corrects it.
type frames struct {
	*http2.Framer
	t      *testing.T
	conn   net.Conn
	block  bytes.Buffer
	coder  *hpack.Encoder
	stream uint32
}

func dialFrames(t *testing.T, address string) *frames {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return newFrames(t, conn)
}

// newFrames begins to speak HTTP/2. It may be called by any goroutine.
func newFrames(t *testing.T, conn net.Conn) *frames {
	t.Helper()
	fmt.Fprint(conn, http2.ClientPreface)
	f := &frames{Framer: http2.NewFramer(conn, conn), t: t, conn: conn, stream: 1}
	f.coder = hpack.NewEncoder(&f.block)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := f.WriteSettings(); err != nil {
		t.Errorf("greet: %v", err)
	}
	return f
}

// request encodes a header block; names and values alternate.
func (f *frames) request(pairs ...string) []byte {
	f.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		f.coder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return bytes.Clone(f.block.Bytes())
}

// send opens a stream with a request, and ends it with the data unless that is nil.
func (f *frames) send(data []byte, pairs ...string) uint32 {
	f.t.Helper()
	id := f.begin(data == nil, pairs...)
	if data != nil {
		if err := f.WriteData(id, true, data); err != nil {
			f.t.Errorf("send a body: %v", err)
		}
	}
	return id
}

// open opens a stream with a request whose body is to follow.
func (f *frames) open(pairs ...string) uint32 { return f.begin(false, pairs...) }

func (f *frames) begin(whole bool, pairs ...string) uint32 {
	f.t.Helper()
	id := f.stream
	f.stream += 2
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.request(pairs...), EndStream: whole, EndHeaders: true}); err != nil {
		f.t.Errorf("send a head: %v", err)
	}
	return id
}

// end waits for the next stream that ends, or the connection, which has no number.
func (f *frames) end() (id uint32, how string) {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return 0, "connection: " + err.Error()
		}
		switch frame := frame.(type) {
		case *http2.RSTStreamFrame:
			return frame.StreamID, "reset: " + frame.ErrCode.String()
		case *http2.GoAwayFrame:
			return 0, "gone: " + frame.ErrCode.String()
		case *http2.DataFrame:
			if frame.StreamEnded() {
				return frame.StreamID, "end"
			}
		}
	}
}

// result is the status of the answer on a stream, or how the stream or the
// connection was ended instead.
func (f *frames) result(id uint32) string {
	f.t.Helper()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return "connection: " + err.Error()
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			if frame.StreamID == id {
				return frame.PseudoValue("status")
			}
		case *http2.RSTStreamFrame:
			if frame.StreamID == id {
				return "reset: " + frame.ErrCode.String()
			}
		case *http2.GoAwayFrame:
			return "gone: " + frame.ErrCode.String()
		}
	}
}

// A field or a target that HTTP/2 can carry must not end a line in HTTP/1, or begin
// another message there.
func TestDowngrade_NothingIsSmuggled(t *testing.T) {
	t.Parallel()
	const line = "GET /smuggled HTTP/1.1"
	with := func(pairs ...string) []string {
		return append([]string{":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/function/f"}, pairs...)
	}
	target := func(path, authority, method string) []string {
		return []string{":method", method, ":scheme", "http", ":authority", authority, ":path", path}
	}
	for name, tc := range map[string]struct {
		pairs []string
		data  string
	}{
		"CRLF in a value":                 {pairs: with("x-a", "1\r\nX-Smuggled: 1\r\n\r\n"+line)},
		"LF in a value":                   {pairs: with("x-a", "1\nx-smuggled: 1")},
		"CR in a value":                   {pairs: with("x-a", "1\rx-smuggled: 1")},
		"NUL in a value":                  {pairs: with("x-a", "1\x00smuggled")},
		"CRLF in a name":                  {pairs: with("x-a: 1\r\nx-smuggled", "1")},
		"colon in a name":                 {pairs: with("x-smuggled: 1", "1")},
		"space in a name":                 {pairs: with("x smuggled", "1")},
		"upper case in a name":            {pairs: with("X-Smuggled", "1")},
		"empty name":                      {pairs: with("", "smuggled")},
		"transfer-encoding":               {pairs: with("transfer-encoding", "chunked"), data: "0\r\n\r\n" + line},
		"connection-specific field":       {pairs: with("connection", "smuggled")},
		"pseudo-header after a field":     {pairs: append(with("x-a", "1"), ":path", "/smuggled")},
		"pseudo-header twice":             {pairs: with(":path", "/smuggled")},
		"unknown pseudo-header":           {pairs: with(":smuggled", "1")},
		"path with spaces":                {pairs: target("/function/f HTTP/1.1\r\nX-Smuggled: 1", "x", "GET")},
		"path with a space":               {pairs: target("/function/f/a /smuggled", "x", "GET")},
		"path with CRLF":                  {pairs: target("/function/f/a\r\n"+line, "x", "GET")},
		"path with a control character":   {pairs: target("/function/f/\x01smuggled", "x", "GET")},
		"authority with CRLF":             {pairs: target("/function/f", "x\r\nX-Smuggled: 1", "GET")},
		"authority with a space":          {pairs: target("/function/f", "x smuggled", "GET")},
		"method with CRLF":                {pairs: target("/function/f", "x", "GET /smuggled HTTP/1.1\r\nX: ")},
		"method with a space":             {pairs: target("/function/f", "x", "GET /smuggled")},
		"two lengths that differ":         {pairs: with("content-length", "2", "content-length", "30"), data: "ok"},
		"length that is no number":        {pairs: with("content-length", "0x1e"), data: line},
		"length with CRLF":                {pairs: with("content-length", "0\r\n\r\n"+line), data: "ok"},
		"TE other than trailers":          {pairs: with("te", "smuggled")},
		"host that is not the authority":  {pairs: with("host", "smuggled\r\nX: 1")},
		"upgrade":                         {pairs: with("upgrade", "smuggled")},
		"proxy-connection":                {pairs: with("proxy-connection", "smuggled")},
		"bare CR before a header's colon": {pairs: with("x-a\r", "smuggled")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			address := serveBoth(t, s.handler)
			f := dialFrames(t, address)
			var data []byte
			if tc.data != "" {
				data = []byte(tc.data)
			}
			id := f.send(data, tc.pairs...)
			answered := make(chan string, 1)
			go func() { answered <- f.result(id) }()
			select {
			case got := <-answered:
				if strings.HasPrefix(got, "2") {
					t.Errorf("answered %s", got)
				}
				select {
				case function := <-s.arrived:
					s.hasNot(function.rest(), "smuggled")
				default:
				}
			case function := <-s.arrived:
				// It went on; then nothing of it may show.
				s.hasNot(sentHead(function), "smuggled")
				io.WriteString(function.Conn, "HTTP/1.1 204 No Content\r\n\r\n")
				<-answered
			}
		})
	}
}

func TestDowngrade_LengthThatDoesNotFitTheData(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ length, data string }{
		"shorter": {"2", "ok" + getF},
		"longer":  {"200", "ok"},
	} {
		s := newStage(t)
		f := dialFrames(t, serveBoth(t, s.handler))
		id := f.send([]byte(tc.data), ":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/function/f", "content-length", tc.length)
		answered := make(chan string, 1)
		go func() { answered <- f.result(id) }()
		var sent string
		select {
		case function := <-s.arrived:
			sent = sentHead(function) + function.rest()
		case got := <-answered:
			answered <- got
		}
		if got := <-answered; strings.HasPrefix(got, "2") {
			t.Errorf("%s: answered %s", name, got)
		}
		if strings.Count(sent, "HTTP/1.1\r\n") > 1 {
			t.Errorf("%s: the function was sent %q", name, sent)
		}
	}
}

func TestDowngrade_CookiesAreJoinedAndSetCookiesStayApart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	f := dialFrames(t, serveBoth(t, s.handler))
	id := f.send(nil, ":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/function/f",
		"cookie", "a=1", "cookie", "b=2", "x-a", "1", "x-a", "2", "cookie", "c=3")
	function := s.function()
	head := function.head()
	s.has(head, "Cookie: a=1; b=2; c=3\r\n", "X-A: 1\r\nX-A: 2\r\n")
	function.say("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n")
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if headers, ok := frame.(*http2.MetaHeadersFrame); ok && headers.StreamID == id {
			var cookies []string
			for _, field := range headers.Fields {
				if field.Name == "set-cookie" {
					cookies = append(cookies, field.Value)
				}
			}
			if strings.Join(cookies, "|") != "a=1|b=2" {
				t.Errorf("the client got %q", cookies)
			}
			return
		}
	}
}

// sentHead is the head that a function was sent, or what came before the connection
// ended.
func sentHead(function *peerConn) (head string) {
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := function.ReadString('\n')
		head += line
		if err != nil {
			return head
		}
	}
	return head
}
