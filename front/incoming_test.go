package front

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
)

// The end of a body in chunks is found wherever its bytes are parted, and nothing behind it.
func TestChunks_EndWithTheBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"0\r\n\r\n",
		"5\r\nhello\r\n0\r\n\r\n",
		"5;a=b;c=\"d\"\r\nhello\r\n00\r\nX-Sum: 7\r\n\r\n",
		"A \t\r\n0123456789\r\n0;x\r\nX-Sum: 7\r\nX-B:\r\n\r\n",
		"1\r\n\r\r\n2\r\n\r\n\r\n0\r\n\r\n",
	} {
		for piece := 1; piece <= len(body)+3; piece++ {
			var f chunks
			sent, got := body+"GET / HTTP/1.1\r\n\r\n", 0
			for !f.over {
				next := sent[got:min(len(sent), got+piece)]
				n := f.follow([]byte(next))
				if n == 0 {
					t.Fatalf("%q in pieces of %d: refused at %q", body, piece, next)
				}
				got += n
			}
			if got != len(body) {
				t.Errorf("%q in pieces of %d: %d bytes, want %d", body, piece, got, len(body))
			}
		}
	}
}

// What is malformed here is refused, and what net/http refuses is never taken for whole.
func TestChunks_AreNotForgiving(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"\r\n", "x\r\n", "-1\r\n", "0x5\r\n", "5\nhello\r\n", "5;a\nhello\r\n", "5\r\nhelloo\r\n", "5\r\nhello\n", "5\r\nhello\r0",
		"5\r\r\n", "0\r\nX-Sum: 7\n\r\n", "0\r\n\n", "1234567890123456\r\n", ";\r\n", " 5\r\n",
	} {
		var f chunks
		if n := f.follow([]byte(body + "\r\n\r\n")); f.over || n == len(body)+4 {
			t.Errorf("%q is taken for a body of %d bytes", body, n)
		}
	}
}

// FuzzChunks: what net/http decodes ends where we say, and what it does not decode never ends here.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5;x\r\nhello\r\n0\r\n\r\nrest"))
	f.Add([]byte("1\r\na\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var ours chunks
		n := ours.follow(raw)
		if !ours.over {
			return
		}
		text := strings.NewReader(string(raw[:n]))
		reader := bufio.NewReader(text)
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(reader)); err != nil {
			t.Fatalf("%q ends after %d bytes; net/http: %v", raw, n, err)
		}
		trailer, _ := io.ReadAll(reader)
		if !strings.HasSuffix("\r\n"+string(trailer), "\r\n\r\n") {
			t.Errorf("%q: behind the last chunk is %q", raw, trailer)
		}
	})
}

// fakeLane carries the requests for /lane, and answers with their bodies.
type fakeLane struct{}

func (fakeLane) Carry(call *Call) Verdict {
	line, _, _ := strings.Cut(string(call.Head), "\r\n")
	if !strings.Contains(line, " /lane") {
		return Declined
	}
	var length int
	_, _ = fmt.Sscanf(line, "POST /lane/%d", &length)
	body, whole := call.Body(length)
	if !whole {
		return Declined
	}
	if err := call.Write(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body)), body); err != nil || call.IsLast() {
		return CarriedLast
	}
	return Carried
}

func startLane(t *testing.T, handler http.HandlerFunc) (*Server, string) {
	s := &Server{HTTP: fullServer(t, handler), Lane: fakeLane{}}
	return s, serve(t, s.Serve, s.Close)
}

// One connection carries requests of both lanes, in any order and however they are parted.
func TestLane_SharesTheConnectionWithNetHTTP(t *testing.T) {
	t.Parallel()
	_, address := startLane(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, r.URL.Path, " ", len(body), " ", err)
	})
	c := dial(t, address)
	asks, wants := "", []string{}
	for _, size := range []int{0, 5, 9 << 10, 60 << 10} {
		body := strings.Repeat("x", size)
		asks += fmt.Sprintf("POST /lane/%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, size, body)
		asks += fmt.Sprintf("POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, body)
		asks += fmt.Sprintf("POST /other HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\nx%s\r\n0\r\n\r\n", size+1, body)
		wants = append(wants, body, fmt.Sprintf("/other %d <nil>", size), fmt.Sprintf("/other %d <nil>", size+1))
	}
	go func() {
		for rest := asks; rest != ""; {
			piece := rest[:min(len(rest), 777)]
			_, _ = io.WriteString(c.TCPConn, piece)
			rest = rest[len(piece):]
		}
	}()
	for i, want := range wants {
		if answer, body := c.answer("POST"); body != want || answer.Close {
			t.Fatalf("answer %d: %.100q, close %t, want %.100q", i, body, answer.Close, want)
		}
	}
}

// A body that does not come at once is net/http's, with what has come of it.
func TestLane_LeavesWhatTakesTime(t *testing.T) {
	t.Parallel()
	_, address := startLane(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusAccepted)
		_ = http.NewResponseController(w).Flush()
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(body), err)
	})
	c := dial(t, address)
	c.say("POST /lane/5 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
	if _, err := c.Peek(1); err != nil {
		t.Fatal(err)
	}
	c.say("llo")
	if answer, body := c.answer("POST"); answer.StatusCode != http.StatusAccepted || body != "hello<nil>" {
		t.Errorf("%s %q", answer.Status, body)
	}
}

// A shutdown closes what is idle, whoever served it last, and lets calls of the lane end.
func TestLane_Shutdown(t *testing.T) {
	t.Parallel()
	s, address := startLane(t, func(http.ResponseWriter, *http.Request) {})
	idle := []*client{dial(t, address), dial(t, address)}
	for i, ask := range []string{"POST /lane/0 HTTP/1.1\r\nHost: x\r\n\r\n", get} {
		idle[i].say("%s", ask)
		idle[i].answer("POST")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range idle {
		if rest := c.rest(); rest != "" {
			t.Errorf("got %q", rest)
		}
	}
}
