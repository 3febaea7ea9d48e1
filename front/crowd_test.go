package front

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// crowded serves a handler that answers /wait when gate is closed, to so many clients.
func crowded(t *testing.T, most int) (s *Server, address string, gate chan struct{}) {
	t.Helper()
	gate = make(chan struct{})
	s = &Server{MaxConns: most, HTTP: fullServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wait":
			<-gate
		case "/upgrade":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			<-gate
			conn.Close()
			return
		}
		io.WriteString(w, "ok")
	})}
	return s, serve(t, s.Serve, s.Close), gate
}

// visit sends a request on a connection of its own.
func visit(t *testing.T, address, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func getting(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

func readCode(t *testing.T, reader *bufio.Reader) (int, http.Header, string) {
	t.Helper()
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Close {
		answer.Header.Set("Connection", "close")
	}
	return answer.StatusCode, answer.Header, string(text)
}

// until waits until a number of clients is counted.
func (s *Server) until(t *testing.T, open int64) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); s.crowd.open.Load() != open; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d clients are counted, want %d", s.crowd.open.Load(), open)
		}
	}
}

func TestCrowd_TooManyClientsAreToldSo(t *testing.T) {
	t.Parallel()
	const upgrade = "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
	for name, first := range map[string]string{
		"plain":            getting("/wait"),
		"HTTP/1.0":         "GET /wait HTTP/1.0\r\n\r\n",
		"upgraded":         upgrade,
		"HTTP/2":           "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"half a head":      "GET /wait HTTP",
		"body under way":   "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
		"chunks under way": "POST /wait HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const most = 3
			s, address, gate := crowded(t, most)
			var told atomic.Int64
			s.Crowded = func(open int) { told.Add(int64(open)) }
			var held []net.Conn
			for range most {
				conn, _ := visit(t, address, first)
				held = append(held, conn)
			}
			s.until(t, most)
			for _, newcomer := range []string{getting("/"), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", upgrade} {
				_, reader := visit(t, address, newcomer)
				status, header, text := readCode(t, reader)
				if status != 503 || header.Get("Retry-After") == "" || header.Get("Connection") != "close" || !strings.Contains(text, "too many connections") {
					t.Errorf("a newcomer is answered %d %v %q", status, header, text)
				}
			}
			if told.Load() != most {
				t.Errorf("told of %d clients, want once of %d", told.Load(), most)
			}
			close(gate)
			for _, conn := range held {
				conn.Close()
			}
			s.until(t, 0)
			_, reader := visit(t, address, getting("/"))
			if status, _, _ := readCode(t, reader); status != 200 {
				t.Errorf("answered %d when clients have left", status)
			}
		})
	}
}

func TestCrowd_IdleClientsMakeRoom(t *testing.T) {
	t.Parallel()
	const most = 3
	_, address, gate := crowded(t, most)
	defer close(gate)
	for range most - 1 {
		_, reader := visit(t, address, getting("/"))
		readCode(t, reader)
	}
	visit(t, address, getting("/wait"))
	served := 0
	for end := time.Now().Add(time.Minute); served < 2*most; {
		conn, reader := visit(t, address, getting("/"))
		answer, err := http.ReadResponse(reader, nil)
		if err == nil && answer.StatusCode == 200 {
			served++
			continue
		}
		// It was turned away, perhaps before it could read why.
		conn.Close()
		if time.Now().After(end) {
			t.Fatalf("%d were served, then: %v, %v", served, answer, err)
		}
	}
}

// Many come at once: each is answered or refused, and none is left waiting.
func TestCrowd_AFloodIsAnswered(t *testing.T) {
	t.Parallel()
	const most, flood = 4, 200
	_, address, gate := crowded(t, most)
	for range most {
		visit(t, address, getting("/wait"))
	}
	results := make(chan string, flood)
	for range flood {
		go func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				results <- err.Error()
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(conn, getting("/"))
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				// It was closed before it could read why.
				results <- "cut"
				return
			}
			answer.Body.Close()
			results <- fmt.Sprint(answer.StatusCode)
		}()
	}
	counts := map[string]int{}
	for range flood {
		counts[<-results]++
	}
	close(gate)
	if counts["503"] == 0 || counts["503"]+counts["cut"]+counts["200"] != flood {
		t.Errorf("answered %v", counts)
	}
}
