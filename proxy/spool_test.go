package proxy

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
)

// A call whose body finds no room is carried, once.
func TestSpool_WithoutRoomACallIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		max      int64
		size     int
		code     int
		wantSeen int64
	}{
		"room":              {0, 2 << 20, 200, 2},
		"none at all":       {-1, 2 << 20, 503, 1},
		"none, short body":  {-1, 10, 503, 1},
		"none, no body":     {-1, 0, 200, 2},
		"too little":        {1 << 20, 2 << 20, 503, 1},
		"just enough":       {2 << 20, 2 << 20, 200, 2},
		"enough for memory": {1 << 20, 1 << 20, 200, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen atomic.Int64
			h, base := figlet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n, _ := io.Copy(io.Discard, r.Body)
				if n != int64(row.size) {
					t.Errorf("got %d bytes, want %d", n, row.size)
				}
				if seen.Add(1) == 1 {
					w.WriteHeader(503)
				}
			}))
			withPolicies(t, h, "retry: on=503 backoff=1ms")
			h.MaxSpool = row.max
			answer, _ := fetch(t, "PUT", base, bytes.NewReader(make([]byte, row.size)))
			if answer.StatusCode != row.code || seen.Load() != row.wantSeen {
				t.Errorf("answered %d after %d requests, want %d after %d", answer.StatusCode, seen.Load(), row.code, row.wantSeen)
			}
		})
	}
}
