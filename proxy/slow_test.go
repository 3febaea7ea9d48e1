package proxy

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"faas-docker/front"
	"faas-docker/function"
)

const (
	// slowClients is how many clients hold on at once, slowPatience how long each may,
	// and farPatience a limit that no test here is about.
	slowClients  = 50
	slowPatience = 2 * time.Second
	farPatience  = 20 * time.Second
	// fewBytes is what each end of a connection keeps of what nobody reads, so that little
	// has to be sent before a stall begins.
	fewBytes = 64 << 10
)

// shallow gives a socket, and those that it accepts, small buffers. Where they shrink
// later, when more was promised to the other side already, both sides can wait for good.
func shallow(_, _ string, socket syscall.RawConn) error {
	var read, write error
	err := socket.Control(func(fd uintptr) {
		read = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, fewBytes)
		write = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, fewBytes)
	})
	return errors.Join(err, read, write)
}

func listenShallow(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{Control: shallow}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// besieged is the program's own server with a figlet, and with little patience.
func besieged(t *testing.T, f http.Handler, policy function.CallPolicy) (address string) {
	t.Helper()
	return besiegedWhileIdle(t, f, policy, farPatience)
}

// besiegedWhileIdle is that for connections that may be idle for so long.
func besiegedWhileIdle(t *testing.T, f http.Handler, policy function.CallPolicy, idle time.Duration) (address string) {
	t.Helper()
	h := newHandler(t)
	h.Timeout, h.StallTimeout = slowPatience, slowPatience
	h.Policy = func(function.Name) function.CallPolicy { return policy }
	server := &httptest.Server{Listener: listenShallow(t), Config: &http.Server{Handler: f}}
	server.Start()
	t.Cleanup(server.Close)
	deploy(t, h, "figlet", server.Listener.Addr().String())
	return serveSlow(t, h, idle)
}

// serveSlow runs a handler behind the program's own server, which has little patience.
func serveSlow(t *testing.T, h http.Handler, idle time.Duration) (address string) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	listener := listenShallow(t)
	lane, _ := h.(front.Lane)
	server := &front.Server{
		Lane: lane,
		HTTP: &http.Server{
			Handler: h, Protocols: protocols, MaxHeaderBytes: 64 << 10,
			ReadHeaderTimeout: slowPatience, IdleTimeout: idle,
		},
		StallTimeout: slowPatience,
	}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

// besiege lets many clients act until they are cut; meanwhile others are answered.
// The act returns when its connection has ended.
func besiege(t *testing.T, address string, act func(net.Conn)) {
	t.Helper()
	var clients sync.WaitGroup
	for range slowClients {
		clients.Go(func() {
			conn, err := (&net.Dialer{Control: shallow}).Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(farPatience))
			act(conn)
		})
	}
	answersStill(t, address)
	began := time.Now()
	clients.Wait()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the last of the clients was cut after %s", took)
	}
	answersStill(t, address)
}

// dribbleTo writes byte after byte until the other side has had enough.
func dribbleTo(conn net.Conn, text string) {
	for {
		for i := range len(text) {
			if _, err := conn.Write([]byte{text[i]}); err != nil {
				return
			}
			<-time.After(slowPatience / 10)
		}
	}
}

func TestSlow_HeadsAreCutAndOthersAreServed(t *testing.T) {
	address := besieged(t, okFunction(), function.CallPolicy{})
	besiege(t, address, func(conn net.Conn) {
		fmt.Fprint(conn, "GET /function/figlet HTTP/1.1\r\nHost: x\r\n")
		dribbleTo(conn, "X-A: 1\r\n")
	})
}

func TestSlow_BodiesThatStallAreCut(t *testing.T) {
	address := besieged(t, http.HandlerFunc(readThenOK), function.CallPolicy{})
	besiege(t, address, func(conn net.Conn) {
		fmt.Fprint(conn, "POST /function/figlet HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbegin")
		if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
			t.Errorf("answered %q", answer)
		}
	})
}

// A body that keeps coming, byte by byte, is bounded by the time for the whole call.
func TestSlow_BodiesThatDribbleAreCutWithTheCall(t *testing.T) {
	address := besieged(t, http.HandlerFunc(readThenOK), function.CallPolicy{Timeout: 3 * slowPatience})
	besiege(t, address, func(conn net.Conn) {
		fmt.Fprint(conn, "POST /function/figlet HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
		dribbleTo(conn, "x")
	})
}

// readersPolicy waits for the function for as long as it takes: what must be cut are those
// who do not read its answers.
func readersPolicy() function.CallPolicy { return function.CallPolicy{HeadTimeout: farPatience} }

func TestSlow_ReadersAreCut(t *testing.T) {
	piece := strings.Repeat("x", 1<<20)
	address := besieged(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/long" {
			io.WriteString(w, "ok")
			return
		}
		for {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
		}
	}), readersPolicy())
	besiege(t, address, func(conn net.Conn) {
		fmt.Fprint(conn, "GET /function/figlet/long HTTP/1.1\r\nHost: x\r\n\r\n")
		// What arrives before the end says nothing: nobody reads. A write fails when
		// the other side has gone.
		dribbleTo(conn, "\r\n")
	})
}

// Short answers lie in a buffer of the server when the handler has returned, longer ones
// hold the handler, and long ones the function.
func TestSlow_ReadersOfHTTP2AreCut(t *testing.T) {
	address := besieged(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		io.WriteString(w, "ok"+strings.Repeat("x", size))
	}), readersPolicy())
	besiege(t, address, func(conn net.Conn) {
		f := newFrames(t, conn)
		// A window of zero: nothing may be sent.
		f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		open := map[uint32]bool{}
		for _, size := range []string{"2", "3000", "3900", "9000", "1000000"} {
			open[f.send(nil, ":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/function/figlet/"+size)] = true
		}
		for len(open) > 0 {
			id, result := f.end()
			if delete(open, id); !strings.HasPrefix(result, "reset") {
				t.Errorf("stream %d ended with %s", id, result)
				return
			}
		}
	})
}

// What is no function answers through the same server.
func TestSlow_ReadersOfAnyHandlerAreCutInHTTP2(t *testing.T) {
	for _, size := range []int{2, 9000} {
		address := serveSlow(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat("x", size))
		}), farPatience)
		f := dialFrames(t, address)
		f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		f.send(nil, ":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/")
		if _, result := f.end(); !strings.HasPrefix(result, "reset") {
			t.Errorf("%d bytes: ended with %s", size, result)
		}
	}
}

// A client that grants windows and reads nothing at all can hold the whole connection. It is
// cut, or else its stream is, when the rest just fits into the kernel's buffer, and the
// connection is idle then.
func TestSlow_ConnectionsOfHTTP2ThatAreNotReadAreCut(t *testing.T) {
	var held sync.WaitGroup
	address := besiegedWhileIdle(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held.Add(1)
		defer held.Done()
		for piece := strings.Repeat("x", 1<<20); r.URL.Path == "/long"; {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
		}
		io.WriteString(w, "ok")
	}), readersPolicy(), slowPatience/2)
	besiege(t, address, func(conn net.Conn) {
		f := newFrames(t, conn)
		f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: math.MaxInt32})
		f.WriteWindowUpdate(0, math.MaxInt32-1<<16)
		f.send(nil, ":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/function/figlet/long")
		for f.WritePing(true, [8]byte{}) == nil {
			<-time.After(slowPatience / 10)
		}
	})
	held.Wait()
}

func TestSlow_BodiesOverHTTP2AreCut(t *testing.T) {
	address := besieged(t, http.HandlerFunc(readThenOK), function.CallPolicy{Timeout: 3 * slowPatience})
	post := []string{":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/function/figlet"}
	for name, tc := range map[string]struct {
		want string
		// goOn is whether the body keeps coming, byte by byte.
		goOn bool
	}{"stall": {want: "408"}, "dribble": {want: "504", goOn: true}} {
		t.Run(name, func(t *testing.T) {
			besiege(t, address, func(conn net.Conn) {
				f := newFrames(t, conn)
				id := f.open(post...)
				f.WriteData(id, false, []byte("begin"))
				result, over := "", make(chan struct{})
				go func() { defer close(over); result = f.result(id) }()
				for again := true; again; {
					select {
					case <-over:
						again = false
					case <-time.After(slowPatience / 10):
						again = !tc.goOn || f.WriteData(id, false, []byte("x")) == nil
					}
				}
				if <-over; result != tc.want {
					t.Errorf("answered %s, want %s", result, tc.want)
				}
			})
		})
	}
}

func TestSlow_ManyRangesAreTheFunctionsBusiness(t *testing.T) {
	address := besieged(t, okFunction(), function.CallPolicy{})
	ranges := "bytes=0-"
	for i := range 5000 {
		ranges += fmt.Sprintf(",5-%d", i)
	}
	besiege(t, address, func(conn net.Conn) {
		fmt.Fprintf(conn, "GET /function/figlet HTTP/1.1\r\nHost: x\r\nRange: %s\r\nConnection: close\r\n\r\n", ranges)
		if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
			t.Errorf("answered %.100q", answer)
		}
	})
}

// readThenOK reads a body to its end and answers "ok".
func readThenOK(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err == nil {
		io.WriteString(w, "ok")
	}
}
