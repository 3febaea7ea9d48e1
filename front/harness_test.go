package front

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// fullServer is a server of net/http with the settings of the program's.
func fullServer(t testing.TB, handler http.HandlerFunc) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{Handler: handler, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, ErrorLog: log.New(testWriter{t}, "", 0)}
}

// likeOurs is a server of net/http alone that holds requests to this package's rules, as far
// as a handler can.
func likeOurs(t testing.TB, handler http.HandlerFunc) string {
	var s Server
	full := fullServer(t, s.watchOver(handler).ServeHTTP)
	return serve(t, full.Serve, full.Close)
}

type testWriter struct{ testing.TB }

func (w testWriter) Write(line []byte) (int, error) {
	w.Logf("%s", line)
	return len(line), nil
}

// start serves a handler and returns the server and its address.
func start(t testing.TB, handler http.HandlerFunc, change ...func(*http.Server)) (*Server, string) {
	t.Helper()
	full := fullServer(t, handler)
	for _, f := range change {
		f(full)
	}
	s := &Server{HTTP: full}
	return s, serve(t, s.Serve, s.Close)
}

func serve(t testing.TB, run func(net.Listener) error, stop func() error) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = run(listener) }()
	t.Cleanup(func() { _ = stop(); <-ended })
	return listener.Addr().String()
}

// client is a raw connection to a server.
type client struct {
	*net.TCPConn
	*bufio.Reader
	t testing.TB
}

func dial(t testing.TB, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return &client{TCPConn: conn.(*net.TCPConn), Reader: bufio.NewReader(conn), t: t}
}

func (c *client) Read(into []byte) (int, error) { return c.Reader.Read(into) }

func (c *client) WriteTo(w io.Writer) (int64, error) { return c.Reader.WriteTo(w) }

func (c *client) say(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.TCPConn, format, args...); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one answer; its body, too.
func (c *client) answer(method string) (*http.Response, string) {
	c.t.Helper()
	answer, err := http.ReadResponse(c.Reader, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read answer: %v", err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatalf("read body: %v after %q", err, body)
	}
	return answer, string(body)
}

// rest is what comes until the connection ends.
func (c *client) rest() string {
	c.t.Helper()
	text, err := io.ReadAll(c.Reader)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		c.t.Fatalf("the connection stays open after %q", text)
	}
	return string(text)
}

func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(10 * time.Second):
		t.Fatalf("timed out: %s", what)
		panic("unreachable")
	}
}

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// normal is what a connection said, but for what may differ between two servers that
// say the same: the date, the order of the fields, and where chunks end.
func normal(raw, method string) string {
	var text strings.Builder
	for reader := bufio.NewReader(strings.NewReader(raw)); ; {
		answer := nextAnswer(reader, method)
		text.WriteString(answer.text)
		if answer.code == 0 {
			return text.String()
		}
	}
}

// said is one answer; its code is zero when no other can follow.
type said struct {
	text   string
	code   int
	closes bool
}

func (s said) String() string { return fmt.Sprintf("%d, closes=%t: %.500s", s.code, s.closes, s.text) }

// refused stands for an answer that refuses a request and ends the connection: the words of
// that are a server's own.
const refused = "refused"

func nextAnswer(reader *bufio.Reader, method string) said {
	answer, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		rest, _ := io.ReadAll(reader)
		return said{text: fmt.Sprintf("%v %q", err, rest)}
	}
	if answer.StatusCode >= 400 && answer.Close && strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
		return said{text: refused}
	}
	answer.Header.Del("Date")
	answer.Header.Del("Connection")
	body, err := io.ReadAll(answer.Body)
	text := fmt.Sprintln(answer.Proto, answer.Status, answer.Header, answer.ContentLength, answer.TransferEncoding, string(body), err, answer.Trailer)
	return said{text, answer.StatusCode, answer.Close}
}
