package proxy

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"faas-docker/proxy/upstream"
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

// TestReplay_NothingThatWasAtWork calls functions that end connections at many moments, and
// counts how often they see the request.
func TestReplay_NothingThatWasAtWork(t *testing.T) {
	t.Parallel()
	const late, soon = 3 * upstream.WorkTime, time.Duration(0)
	key := http.Header{"Idempotency-Key": {"k"}}
	for _, row := range []struct {
		name, method string
		header       http.Header
		// kept has the request come on a connection that was used before.
		kept bool
		// interim is sent before the connection ends, after a time, perhaps with a reset.
		interim  string
		after    time.Duration
		reset    bool
		wantSeen int64
	}{
		{name: "GET, late", method: "GET", after: late, wantSeen: 1},
		{name: "HEAD, late", method: "HEAD", after: late, wantSeen: 1},
		{name: "OPTIONS, late", method: "OPTIONS", after: late, wantSeen: 1},
		{name: "POST with a key, late", method: "POST", header: key, after: late, wantSeen: 1},
		{name: "GET, late, by a reset", method: "GET", after: late, reset: true, wantSeen: 1},
		{name: "GET, late, kept connection", method: "GET", kept: true, after: late, wantSeen: 1},
		{name: "GET, late, kept connection, by a reset", method: "GET", kept: true, after: late, reset: true, wantSeen: 1},
		{name: "GET, after a second", method: "GET", after: time.Second, wantSeen: 1},
		{name: "GET, after an interim answer", method: "GET", interim: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", wantSeen: 1},
		{name: "GET, after 100", method: "GET", interim: "HTTP/1.1 100 Continue\r\n\r\n", wantSeen: 1},
		{name: "GET, after an interim answer on a kept connection", method: "GET", kept: true, interim: "HTTP/1.1 102 Processing\r\n\r\n", wantSeen: 1},
		{name: "GET, after half a head", method: "GET", interim: "HTTP/1.1 20", wantSeen: 1},
		{name: "GET, at once", method: "GET", after: soon, wantSeen: 2},
		{name: "GET, at once, by a reset", method: "GET", after: soon, reset: true, wantSeen: 2},
		{name: "GET, at once, kept connection", method: "GET", kept: true, after: soon, wantSeen: 2},
		{name: "POST, at once, kept connection", method: "POST", kept: true, after: soon, wantSeen: 1},
		{name: "POST, at once, kept connection, by a reset", method: "POST", kept: true, after: soon, reset: true, wantSeen: 1},
		{name: "PUT, late", method: "PUT", after: late, wantSeen: 1},
		{name: "PATCH, at once", method: "PATCH", after: soon, wantSeen: 1},
		{name: "DELETE, late", method: "DELETE", after: late, wantSeen: 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var seen atomic.Int64
			address := rawFunction(t, func(conn net.Conn) {
				reader := bufio.NewReader(conn)
				for {
					request, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					if request.URL.Path == "/warm" || seen.Add(1) > 1 {
						fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
						continue
					}
					fmt.Fprint(conn, row.interim)
					time.Sleep(row.after)
					if row.reset {
						conn.(*net.TCPConn).SetLinger(0)
					}
					return
				}
			})
			h := newHandler(t)
			deploy(t, h, "f", address)
			base := "http://" + serve(t, h) + "/function/f"
			if row.kept {
				fetch(t, "GET", base+"/warm", nil)
			}
			r := request(t, row.method, base, nil)
			maps.Copy(r.Header, row.header)
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			wantCode := map[bool]int{true: 200, false: 502}[row.wantSeen > 1]
			if answer.StatusCode != wantCode || seen.Load() != row.wantSeen {
				t.Errorf("status %d after %d requests, want %d after %d", answer.StatusCode, seen.Load(), wantCode, row.wantSeen)
			}
			if strings.Contains(string(text), "crashed") {
				t.Errorf("says %q of a function that lives", text)
			}
		})
	}
}

// A function that ends each connection on which it is asked so is asked three times, by either lane,
// however many connections to it are kept.
func TestReplay_KeptConnectionsAddNoTries(t *testing.T) {
	t.Parallel()
	for _, kept := range []int{0, 1, 10} {
		for lane, header := range map[string]http.Header{"short": {}, "other": {"Pragma": {"no-cache"}}} {
			t.Run(fmt.Sprintf("%d kept, the %s lane", kept, lane), func(t *testing.T) {
				t.Parallel()
				var seen atomic.Int64
				var together sync.WaitGroup
				together.Add(kept)
				address := rawFunction(t, func(conn net.Conn) {
					reader := bufio.NewReader(conn)
					for {
						request, err := http.ReadRequest(reader)
						if err != nil {
							return
						}
						if request.URL.Path == "/end" {
							seen.Add(1)
							return
						}
						together.Done()
						together.Wait() // so that each has a connection of its own
						fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				})
				h := newHandler(t)
				deploy(t, h, "f", address)
				base := "http://" + serveLanes(t, h) + "/function/f"
				var warm sync.WaitGroup
				for range kept {
					warm.Go(func() { fetch(t, "GET", base+"/keep", nil) })
				}
				warm.Wait()
				r := request(t, "GET", base+"/end", nil)
				maps.Copy(r.Header, header)
				answer, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				if answer.StatusCode != http.StatusBadGateway || seen.Load() != 1+maxReplays {
					t.Errorf("status %d after %d requests, want 502 after %d", answer.StatusCode, seen.Load(), 1+maxReplays)
				}
			})
		}
	}
}

// TestReplay_NoStreamThatWasAtWork is the same in HTTP/2.
func TestReplay_NoStreamThatWasAtWork(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		end      func(f *frames, id uint32)
		wantSeen int64
	}{
		{"reset at once", func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeInternal) }, 1},
		{"reset late", func(f *frames, id uint32) {
			time.Sleep(3 * upstream.WorkTime)
			f.WriteRSTStream(id, http2.ErrCodeInternal)
		}, 1},
		{"cancelled", func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeCancel) }, 1},
		{"connection ends late", func(f *frames, id uint32) { time.Sleep(3 * upstream.WorkTime); f.conn.Close() }, 1},
		{"connection ends after an interim answer", func(f *frames, id uint32) { f.head(id, false, ":status", "103"); f.conn.Close() }, 1},
		{"refused", func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeRefusedStream) }, 2},
		{"goes away before it", func(f *frames, id uint32) { f.WriteGoAway(0, http2.ErrCodeNo, nil) }, 2},
		{"connection ends at once", func(f *frames, id uint32) { f.conn.Close() }, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var seen atomic.Int64
			_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
				for {
					id := f.call()
					if id == 0 {
						return
					}
					if seen.Add(1) > 1 {
						f.answerOK(id)
						continue
					}
					row.end(f, id)
				}
			}))
			answer, text := fetch(t, "GET", base, nil)
			wantCode := map[bool]int{true: 200, false: 502}[row.wantSeen > 1]
			if answer.StatusCode != wantCode || seen.Load() != row.wantSeen || strings.Contains(text, "crashed") {
				t.Errorf("status %d, %q, after %d requests, want %d after %d", answer.StatusCode, text, seen.Load(), wantCode, row.wantSeen)
			}
		})
	}
}

func TestReplay_ACrashIsSaidOnlyWhenItIsOne(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		after time.Duration
		dies  bool
		want  string
	}{
		{"dies at once", 0, true, "crashed"},
		{"dies late", 3 * upstream.WorkTime, true, "crashed"},
		{"lives, at once", 0, false, "closed the connection without an answer"},
		{"lives, late", 3 * upstream.WorkTime, false, "closed the connection without an answer"},
		{"lives, after its time", longWork + upstream.WorkTime, false, "exec_timeout"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				time.Sleep(row.after)
				if row.dies {
					listener.Close()
				}
				conn.Close()
			}()
			h := newHandler(t)
			h.HasEnded = upstream.HasEnded
			deploy(t, h, "f", listener.Addr().String())
			answer, text := fetch(t, "POST", "http://"+serve(t, h)+"/function/f", nil)
			if answer.StatusCode != 502 || !strings.Contains(text, row.want) || row.want != "crashed" && strings.Contains(text, "crashed") {
				t.Errorf("answered %d %q, want it to say %q", answer.StatusCode, text, row.want)
			}
		})
	}
}
