package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A body that cannot be read to its end is the client's fault: it is told so, and no breaker
// counts it against the server.
func TestServers_ABodyThatBreaksOffOpensNoBreaker(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	t.Cleanup(server.Close)
	address := routed(t, nil, `* -> requestSize("1KB") -> consecutiveBreaker(2, "1m") -> "`+server.URL+`"`)
	tests := map[string]struct {
		body string
		want int
	}{
		"no size":                {body: "x\r\n\r\n", want: 400},
		"a negative size":        {body: "-1\r\na\r\n0\r\n\r\n", want: 400},
		"a size that is too big": {body: "ffffffffffffffffff\r\n", want: 400},
		"no line end":            {body: "3\r\nabcX\r\n0\r\n\r\n", want: 400},
		"more than the limit":    {body: "1000\r\n" + strings.Repeat("x", 0x1000) + "\r\n0\r\n\r\n", want: 413},
		"the end is missing":     {body: "3\r\nabc\r\n", want: 400},
		"broken off in a chunk":  {body: "5\r\nab", want: 400},
	}
	for name, test := range tests {
		for range 3 {
			status, answer := sendBroken(t, address, test.body)
			if status != test.want {
				t.Errorf("%s: %d %q, want %d", name, status, answer, test.want)
			}
		}
		if got := postText(t, "http://"+address, "hello"); got != "200 hello" {
			t.Fatalf("behind %s the server is asked no more: %s", name, got)
		}
	}
}

// A server that accepts and stays silent is given up, and a breaker counts it.
func TestServers_ASilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(end) })
	address := routed(t, nil, `* -> consecutiveBreaker(2, "1m") -> "`+server.URL+`"`)
	for _, want := range []string{"504 ", "504 ", "503 "} {
		if got := postText(t, "http://"+address, "hello"); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want a %s", got, want)
		}
	}
}

// sendBroken sends a chunked body and ends its side.
func sendBroken(t *testing.T, address, body string) (status int, text string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(soon))
	_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%s", body)
	_ = conn.(*net.TCPConn).CloseWrite()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	content, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(content)
}

func postText(t *testing.T, url, text string) string {
	t.Helper()
	answer, err := http.Post(url, "text/plain", io.LimitReader(strings.NewReader(text), 1<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(answer.StatusCode, " ", string(content))
}
