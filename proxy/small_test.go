package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"faas-docker/function"
	"faas-docker/wire/wiretest"
)

// pieceFunction answers "ok", and tells in which pieces it got each request.
func pieceFunction(t *testing.T) (address string, pieces <-chan string) {
	got := make(chan string, 100)
	return rawFunction(t, func(conn net.Conn) {
		buffer := make([]byte, 64<<10)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			piece := string(buffer[:n])
			got <- piece
			if strings.HasSuffix(piece, "done") {
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
	}), got
}

// TestSmallBody_GoesAlongWithTheHead when it has come with that, and else behind it: then the
// function gets the head at once.
func TestSmallBody_GoesAlongWithTheHead(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	address, pieces := pieceFunction(t)
	prove(t, h, deploy(t, h, "f", address))
	conn, err := net.Dial("tcp", serveFront(t, h))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, sent := range [][]string{{post(4) + "done"}, {post(9) + "text-done"}, {post(4), "done"}, {post(9) + "text-", "done"}, {post(4) + "done"}} {
		for i, piece := range sent {
			if _, err := io.WriteString(conn, piece); err != nil {
				t.Fatal(err)
			}
			got := <-pieces
			if isFirst := strings.HasPrefix(got, "POST / HTTP/1.1\r\n"); isFirst != (i == 0) {
				t.Errorf("of %q the function got as part %d %q", sent, i, got)
			}
			if want := piece[strings.LastIndex(piece, "\n")+1:]; len(sent) == 1 && !strings.HasSuffix(got, "\r\n\r\n"+want) {
				t.Errorf("of %q the function got in one piece %q", sent, got)
			}
			for len(sent) > 1 && i == 0 && strings.Contains(piece, "text-") && !strings.HasSuffix(got, "text-") {
				got = <-pieces
			}
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("%q: %v", sent, err)
		}
		if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK || string(body) != "ok" {
			t.Errorf("%q: %s %q", sent, answer.Status, body)
		}
	}
}

func post(length int) string {
	return fmt.Sprintf("POST /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length)
}

// TestSmallBody_IsSentWholeToTheReplicaThatCanBeReached after others that cannot.
func TestSmallBody_IsSentWholeToTheReplicaThatCanBeReached(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	echo := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	deploy(t, h, "f", wiretest.Vacant(t, "127.0.0.1").String(), wiretest.Vacant(t, "127.0.0.1").String(), echo)
	base := "http://" + serveFront(t, h) + "/function/f"
	for i := range 4 {
		want := fmt.Sprint("body of call ", i)
		if answer, got := fetch(t, "POST", base, strings.NewReader(want)); answer.StatusCode != 200 || got != want {
			t.Errorf("call %d: %s %q, want 200 and %q", i, answer.Status, got, want)
		}
	}
}

// TestSmallBody_IsNeverSentTwice: not to a function that ends without an answer, though it
// would be at hand.
func TestSmallBody_IsNeverSentTwice(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	address, seen := dyingFunction(t, 1)
	deploy(t, h, "f", address)
	answer, _ := fetch(t, "POST", "http://"+serveFront(t, h)+"/function/f", strings.NewReader("x"))
	if answer.StatusCode != http.StatusBadGateway || seen.Load() != 1 {
		t.Errorf("status %d after %d requests, want 502 after one", answer.StatusCode, seen.Load())
	}
}

// TestSmallBody_IsHeldToTheLimit of the function.
func TestSmallBody_IsHeldToTheLimit(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	deploy(t, h, "f", serve(t, okFunction()))
	h.Policy = func(function.Name) function.CallPolicy { return function.CallPolicy{MaxRequestBody: 4} }
	base := "http://" + serveFront(t, h) + "/function/f"
	for body, want := range map[string]int{"four": 200, "fives": 413} {
		if answer, _ := fetch(t, "POST", base, strings.NewReader(body)); answer.StatusCode != want {
			t.Errorf("%q: %s, want %d", body, answer.Status, want)
		}
	}
}

// TestSmallBody_WithATrailerFollowsTheHead: a hook may announce one, which only a body in chunks
// can have.
func TestSmallBody_WithATrailerFollowsTheHead(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	h.Intercept = func(_ http.ResponseWriter, r *http.Request) error {
		r.Trailer = http.Header{"X-Sum": {"7"}}
		return nil
	}
	deploy(t, h, "f", serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(body), r.Trailer.Get("X-Sum"), err)
	})))
	if answer, got := fetch(t, "POST", "http://"+serveFront(t, h)+"/function/f", strings.NewReader("hello")); got != "hello7<nil>" {
		t.Errorf("%s %q, want the body, the trailer and no error", answer.Status, got)
	}
}
