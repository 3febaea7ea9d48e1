package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"faas-docker/function"
)

// badTrailers are fields that must not follow a body.
func badTrailers() []string {
	return []string{
		"Content-Length : 500", "Content-Length: 500", "content-length\t: 500", "Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Trailer: X-Sum",
		"Connection: close", "Te: trailers", "Upgrade: h2c", "X-Sum : 7", ": 7", "X-Sum", "X-S\u00fcm: 7", "X-Sum: a\x00b", "X-Sum: a\x01b", "X Sum: 7",
	}
}

// headTrailers are fields that are read in heads only: whoever expects them there must not
// find them behind a body.
func headTrailers() []string {
	return []string{
		"Host: evil", "Authorization: Basic eA==", "Cookie: a=b", "Set-Cookie: a=b", "X-Forwarded-For: 6.6.6.6", "X_Forwarded_For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Call-Id: 1", "X-Real-Ip: 6.6.6.6",
		"Content-Type: a/b", "Content-Encoding: gzip", "Content-Range: bytes 0-1/2", "Cache-Control: no-store", "Expect: 100-continue", "Location: /evil", "Content_Length: 500", "If-Match: 1",
	}
}

// Trailers of requests are read as strictly as heads, whoever reads them.
func TestTrailers_OfRequests(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(testing.TB, http.Handler) string{"front": serveFront, "net/http": serveFull} {
		for _, trailer := range append(badTrailers(), headTrailers()...) {
			t.Run(fmt.Sprintf("%s, %q", name, trailer), func(t *testing.T) {
				t.Parallel()
				s := newStageWith(t, serve)
				s.client.say("POST /function/f HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
				f := s.function()
				f.head()
				s.client.say("0\r\n%s\r\n\r\n", trailer)
				s.has(s.client.head(), "HTTP/1.1 400 ", "Connection: close\r\n")
				if sent := f.rest(); strings.Contains(sent, "\r\n0\r\n") || strings.Contains(sent, strings.SplitN(trailer, ":", 2)[0]+":") && trailer != ": 7" {
					t.Errorf("the function was sent %q", sent)
				}
				s.hasNot(s.client.rest(), "HTTP/1.1")
			})
		}
	}
}

// What breaks the rules breaks the answer off; what belongs into a head is left out.
func TestTrailers_OfAnswers(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(testing.TB, http.Handler) string{"front": serveFront, "net/http": serveFull} {
		for _, announced := range []bool{false, true} {
			ask := func(t *testing.T, trailer string) *stage {
				s := newStageWith(t, serve)
				s.client.say("GET /function/f HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				f := s.function()
				f.head()
				list := ""
				if announced {
					list = "Trailer: X-Sum, " + strings.TrimSpace(strings.SplitN(trailer, ":", 2)[0]) + "\r\n"
				}
				f.say("HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n%s\r\n\r\n", list, trailer)
				return s
			}
			for _, trailer := range badTrailers() {
				if announced && (strings.HasPrefix(trailer, ":") || strings.ContainsAny(trailer, " \x00") && strings.HasPrefix(trailer, "X")) {
					continue
				}
				t.Run(fmt.Sprintf("%s, %t, %q", name, announced, trailer), func(t *testing.T) {
					t.Parallel()
					s := ask(t, trailer)
					if got := s.client.rest(); strings.Contains(got, " 200 ") && strings.Contains(got, "\r\n0\r\n") {
						t.Errorf("the client got %q", got)
					}
				})
			}
			for _, trailer := range headTrailers() {
				t.Run(fmt.Sprintf("%s, %t, %q", name, announced, trailer), func(t *testing.T) {
					t.Parallel()
					s := ask(t, trailer)
					head := s.client.head()
					want := "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"
					if got := s.client.bytes(len(want)); got != want {
						t.Errorf("the client got %q, %q", head, got)
					}
				})
			}
		}
	}
}

// A function that speaks HTTP/2 is no other.
func TestTrailers_OfHTTP2Answers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.handler.Policy = speaks(function.ProtocolH2C)
	deploy(t, s.handler, "g", serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "hi")
		w.Header().Set("X-Sum", "7")
		w.Header().Set(http.TrailerPrefix+"Set-Cookie", "a=b")
		w.Header().Set(http.TrailerPrefix+"X-Forwarded-For", "6.6.6.6")
		w.Header().Set(http.TrailerPrefix+"Location", "/evil")
	})))
	s.client.say("GET /function/g HTTP/1.1\r\nHost: x\r\n\r\n")
	s.client.head()
	want := "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"
	if got := s.client.bytes(len(want)); got != want {
		t.Errorf("got %q", got)
	}
}

// A hook's fields are not the client's to remove, in servers that know nothing of that.
func TestIntercept_ItsFieldsSurviveConnection(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(testing.TB, http.Handler) string{"front": serveFront, "net/http": serveFull} {
		s := newStageWith(t, serve)
		s.handler.Intercept = func(_ http.ResponseWriter, r *http.Request) error {
			r.Header.Set("X-Tenant", "acme")
			return nil
		}
		s.client.say("GET /function/f HTTP/1.1\r\nHost: x\r\nConnection: X-Tenant, X-Other\r\nX-Tenant: evil\r\nX-Other: 1\r\n\r\n")
		f := s.function()
		head := f.head()
		s.has(head, "X-Tenant: acme\r\n")
		s.hasNot(head, "evil", "X-Other")
		f.say("HTTP/1.1 204 No Content\r\n\r\n")
		if got := s.client.head(); !strings.Contains(got, " 204 ") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A hook that makes a field of what was encoded is as careful as it can be: none at all.
func TestIntercept_ItsFieldsAreOneLine(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{function.ProtocolHTTP1, function.ProtocolH2C} {
		for _, field := range [][2]string{{"X-A", "a\r\nX-B: 1"}, {"X-A", "\x00"}, {"X-A", "\x7f"}, {"X A", "1"}, {"X-A:", "1"}, {"X-A", "a\nb"}} {
			s := newStage(t)
			deploy(t, s.handler, "g", serveBoth(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("called with %q", r.Header) })))
			s.handler.Policy = speaks(protocol)
			s.handler.Intercept = func(_ http.ResponseWriter, r *http.Request) error {
				r.Header[field[0]] = []string{field[1]}
				return nil
			}
			s.client.say("GET /function/g HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if got := s.client.head(); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
				t.Errorf("%s, %q: %q", protocol, field, got)
			}
		}
	}
}
