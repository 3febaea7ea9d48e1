package proxy

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// dyingFunction ends so many connections without an answer before it gives one. It
// counts the requests it has seen.
func dyingFunction(t *testing.T, deaths int64) (address string, seen *atomic.Int64) {
	seen = new(atomic.Int64)
	return rawFunction(t, func(conn net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		request.Body.Close()
		if seen.Add(1) > deaths {
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		}
	}), seen
}

func TestReplay_OnlyWhatMayBeRepeated(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, method, body string
		header             http.Header
		deaths             int64
		wantCode           int
		wantSeen           int64
	}{
		{"one death", http.MethodGet, "", nil, 1, 200, 2},
		{"two deaths", http.MethodHead, "", nil, 2, 200, 3},
		{"a request that kills", http.MethodGet, "", nil, 100, 502, 3},
		{"POST", http.MethodPost, "", nil, 1, 502, 1},
		{"POST with a key", http.MethodPost, "", http.Header{"Idempotency-Key": {"k"}}, 1, 200, 2},
		{"body", http.MethodPut, "x", nil, 1, 502, 1},
		{"DELETE", http.MethodDelete, "", nil, 1, 502, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			address, seen := dyingFunction(t, row.deaths)
			h := newHandler(t)
			deploy(t, h, "f", address)
			r, err := http.NewRequestWithContext(t.Context(), row.method, "http://"+serve(t, h)+"/function/f", strings.NewReader(row.body))
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(r.Header, row.header)
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != row.wantCode || seen.Load() != row.wantSeen {
				t.Errorf("status %d after %d requests, want %d after %d", answer.StatusCode, seen.Load(), row.wantCode, row.wantSeen)
			}
		})
	}
}
