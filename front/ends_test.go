package front

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What front takes for the end of a request, and net/http does not, is never waited for: each of
// these connections ends by itself, answered or not, and none is served as more than it is.
func TestRequest_ThatNetHTTPDoesNotFindTheEndOfIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	chunked := func(body string) string {
		return "POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body
	}
	for name, raw := range map[string]string{
		"half a request line":                  "G /\n\nZ",
		"half a request line, and no more":     "G /\n\n",
		"a short line of HTTP/0.9":             "GET /\r\n\r\n",
		"a CR for the last LF":                 chunked("0\r\n\rX"),
		"a CR within the trailers":             chunked("0\r\nA\r\r\n"),
		"a CR behind a trailer":                chunked("0\r\nA: b\r\r\nX"),
		"an LF behind data":                    chunked("5\r\nhello\n0\r\n\r\nX"),
		"an LF for a CR":                       chunked("5\r\nhello\r\n0\n\r\nX"),
		"a CR behind a size":                   chunked("5\r\rhello\r\n0\r\n\r\nX"),
		"a size of sixteen digits":             chunked("0000000000000005\r\nhello\r\n0\r\n\r\nX"),
		"a size of seventeen digits":           chunked("00000000000000005\r\nhello\r\n0\r\n\r\nX"),
		"an LF within an extension":            chunked("5;a\nhello\r\n0\r\n\r\nX"),
		"no size":                              chunked("\r\n0\r\n\r\nX"),
		"a body that does not come":            "POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
		"a body that does not come, long page": "POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
		"chunks that do not come":              chunked(""),
		"half a chunk":                         chunked("5\r\nhel"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, address := startLane(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/long" {
					fmt.Fprint(w, strings.Repeat("x", 1<<16))
					return
				}
				http.NotFound(w, r)
			})
			c := dial(t, address)
			_ = c.SetDeadline(time.Now().Add(lingerTime + 10*time.Second))
			c.say("%s", raw)
			said, err := io.ReadAll(c)
			if err != nil {
				t.Fatalf("after %q: %v", said, err)
			}
			if count := strings.Count(string(said), "HTTP/1.1 "); count > 1 {
				t.Errorf("%d answers: %q", count, said)
			}
		})
	}
}

// The refused byte of a body in chunks changes nothing: what follows it is refused, too.
func TestChunks_GoOnRefusing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"0\r\n\rX", "0\r\nA\r\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\rX0\r\n\r\n", "5\rX\nhello", "5\r\nhello\r\n0\rX\r\n\r\n",
	} {
		var f chunks
		rest := []byte(body)
		n := f.follow(rest)
		before := f
		if again := f.follow(rest[n:]); again != 0 || f != before || f.over {
			t.Errorf("%q: %d bytes, then %d more of %q, over %t", body, n, again, rest[n:], f.over)
		}
	}
}

// Old clients send a line end behind a body, and others one before a request (RFC 9112, 2.2).
func TestRequest_MayFollowABlankLine(t *testing.T) {
	t.Parallel()
	_, address := startLane(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	})
	for name, blank := range map[string]string{"CRLF": "\r\n", "LF": "\n", "two": "\r\n\r\n"} {
		c := dial(t, address)
		for range 2 {
			c.say("POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na%s", blank)
			if answer, body := c.answer("POST"); answer.StatusCode != 200 || body != "/other a" || answer.Close {
				t.Errorf("%s: %s %q", name, answer.Status, body)
			}
			c.say("POST /lane/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb")
			if answer, body := c.answer("POST"); answer.StatusCode != 200 || body != "b" {
				t.Errorf("%s, for the lane: %s %q", name, answer.Status, body)
			}
		}
	}
	c := dial(t, address)
	c.say("\r\n\r\n\r\n\r\n")
	if said := c.rest(); !strings.HasPrefix(said, "HTTP/1.1 400 ") {
		t.Errorf("blank lines without end: got %q", said)
	}
}

// A head that is as long as front looks at is net/http's to refuse, however it goes on.
func TestRequest_WithALongHeadIsNotServedUnjudged(t *testing.T) {
	t.Parallel()
	served := make(chan string, 10)
	s, address := startLane(t, func(_ http.ResponseWriter, r *http.Request) { served <- r.URL.Path })
	for length := s.longestHead() - 20; length <= s.longestHead()+20; length += 4 {
		c := dial(t, address)
		c.say("GET /before HTTP/1.1\r\nHost: x\r\n\r\n")
		c.answer("GET")
		<-served
		head := "POST /long HTTP/1.1\r\nHost: x\r\nX-Long: "
		c.say("%s", head+strings.Repeat("x", length-len(head)))
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, _ = c.Peek(1) // front has given it up by then, or waits
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(c.TCPConn, "\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
		c.rest()
		select {
		case path := <-served:
			t.Errorf("%d bytes: served %s", length, path)
		default:
		}
	}
}

// A target without a path that rules could look at is refused: what stands in it would be sent on
// as a path all the same.
func TestRequest_WithATargetThatHasNoPath(t *testing.T) {
	t.Parallel()
	_, address := startLane(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	for _, target := range []string{
		"x:admin/users?u=://h", "http:http://h/admin/users", "http:admin://h", "http:/admin://h", "https:/admin?://h",
		"ftp://h/admin", "x://h/admin", "http:///admin", "http:admin", "admin", "admin://", "://h/admin", "x:admin",
	} {
		c := dial(t, address)
		c.say("GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", target)
		if answer, body := c.answer("GET"); answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s %q", target, answer.Status, body)
		}
		if status := askHTTP2(t, address, []string{":method", "GET", ":scheme", "http", ":authority", "h", ":path", target}, nil); status == "200" {
			t.Errorf("%s is served in HTTP/2", target)
		}
	}
	for _, target := range []string{"/admin", "http://h/admin", "HTTP://h/admin", "https://h:80/admin"} {
		c := dial(t, address)
		c.say("GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", target)
		if answer, body := c.answer("GET"); answer.StatusCode != http.StatusOK || body != "/admin" {
			t.Errorf("%s: %s %q", target, answer.Status, body)
		}
	}
}

// An interim answer bounds nothing: the handler reads on behind it.
func TestRequest_ABodyMayComeLongAfterAnInterimAnswer(t *testing.T) {
	t.Parallel()
	_, address := startLane(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(body), err)
	})
	c := dial(t, address)
	_ = c.SetDeadline(time.Now().Add(lingerTime + 10*time.Second))
	c.say("POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
	if answer, _ := c.answer("POST"); answer.StatusCode != http.StatusEarlyHints {
		t.Fatal(answer.Status)
	}
	time.Sleep(lingerTime + time.Second) // what is tested is that this may take a while
	c.say("llo")
	if answer, body := c.answer("POST"); answer.StatusCode != http.StatusOK || body != "hello<nil>" {
		t.Errorf("%s %q", answer.Status, body)
	}
}
