package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"faas-docker/front"
	"faas-docker/function"
)

// aborts is how many are measured; half of them may take longer than abortLimit.
const aborts = 10

// abortScene is what is under way when the client goes away.
type abortScene struct {
	name string
	// uploads is set while the client sends, answers while the function does.
	uploads, answers, upgrades bool
}

func abortScenes() []abortScene {
	return []abortScene{
		{name: "waiting"},
		{name: "uploading", uploads: true},
		{name: "streaming", answers: true},
		{name: "streaming both ways", uploads: true, answers: true},
		{name: "upgraded", answers: true, upgrades: true},
	}
}

// abandoned is a function that takes part in a scene and tells its progress.
type abandoned struct {
	abortScene
	ready chan struct{}
	ended chan time.Time
}

// http1 plays the function in HTTP/1.
func (a *abandoned) http1(conn net.Conn) {
	reader := bufio.NewReader(conn)
	if _, err := http.ReadRequest(reader); err != nil {
		return
	}
	if a.uploads {
		_, _ = io.ReadFull(reader, make([]byte, len("begin")))
	}
	switch {
	case a.upgrades:
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello")
	case a.answers:
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello")
	}
	a.ready <- struct{}{}
	_, _ = io.Copy(io.Discard, reader)
	a.ended <- time.Now()
}

// http2 plays it in HTTP/2, for one call after the other.
func (a *abandoned) http2(f *frames) {
	for id := f.call(); id != 0; id = f.call() {
		if a.uploads {
			f.until(func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameData })
		}
		if a.answers {
			f.head(id, false, ":status", "200")
			f.WriteData(id, false, []byte("hello"))
		}
		a.ready <- struct{}{}
		f.until(func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameRSTStream })
		a.ended <- time.Now()
	}
}

// abortHTTP1 begins a request, and returns what ends it.
func abortHTTP1(t *testing.T, address string, scene abortScene) func() {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	client := newPeer(t, conn)
	switch {
	case scene.uploads:
		client.say("POST /function/figlet HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbegin")
	case scene.upgrades:
		client.say("GET /function/figlet HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	default:
		client.say("GET /function/figlet HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	if scene.answers {
		client.head()
		client.bytes(len("hello"))
	}
	return func() { conn.Close() }
}

// abortHTTP2 does so in HTTP/2: end ends the stream, or the connection.
func abortHTTP2(end func(f *frames, id uint32)) func(*testing.T, string, abortScene) func() {
	return func(t *testing.T, address string, scene abortScene) func() {
		t.Helper()
		f, method := dialFrames(t, address), "GET"
		if scene.uploads {
			method = "POST"
		}
		id := f.begin(!scene.uploads, ":method", method, ":scheme", "http", ":authority", "x", ":path", "/function/figlet")
		if scene.uploads {
			f.WriteData(id, false, []byte("begin"))
		}
		for got := ""; scene.answers && !strings.HasPrefix(got, "hello"); {
			frame, err := f.ReadFrame()
			if err != nil {
				t.Fatalf("read the answer: %v", err)
			}
			if data, ok := frame.(*http2.DataFrame); ok {
				got += string(data.Data())
			}
		}
		return func() { end(f, id) }
	}
}

// A client that goes away is soon noticed by the function, whatever is under way.
func TestAbort_ReachesTheFunctionSoon(t *testing.T) {
	if !alone {
		t.Parallel()
	}
	for client, begin := range map[string]func(*testing.T, string, abortScene) func(){
		"HTTP/1":           abortHTTP1,
		"stream of HTTP/2": abortHTTP2(func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeCancel) }),
		"HTTP/2":           abortHTTP2(func(f *frames, _ uint32) { f.conn.Close() }),
	} {
		for _, protocol := range []string{function.ProtocolHTTP1, function.ProtocolH2C} {
			for _, scene := range abortScenes() {
				if scene.upgrades && (client != "HTTP/1" || protocol != function.ProtocolHTTP1) {
					continue
				}
				t.Run(fmt.Sprintf("%s to %s, %s", client, protocol, scene.name), func(t *testing.T) {
					measureAborts(t, protocol, scene, begin)
				})
			}
		}
	}
}

func measureAborts(t *testing.T, protocol string, scene abortScene, begin func(*testing.T, string, abortScene) func()) {
	f := &abandoned{abortScene: scene, ready: make(chan struct{}, 1), ended: make(chan time.Time, 1)}
	h, seen := newHandler(t), newWitness()
	h.Policy, h.Observer = speaks(protocol), seen
	if protocol == function.ProtocolH2C {
		deploy(t, h, "figlet", framedFunction(t, f.http2))
	} else {
		deploy(t, h, "figlet", rawFunction(t, f.http1))
	}
	address, want := serveFront(t, h), statusClientGone
	if scene.upgrades {
		want = http.StatusSwitchingProtocols
	}
	var took []time.Duration
	for range aborts {
		abort := begin(t, address, scene)
		receiveIn(t, f.ready, "the function is called")
		began := time.Now()
		abort()
		took = append(took, receiveIn(t, f.ended, "the function is told").Sub(began))
		if code := receiveIn(t, seen.finished, "the end of the call"); code != want {
			t.Errorf("observed %d, want %d", code, want)
		}
	}
	slices.Sort(took)
	t.Logf("median %s, longest %s", took[aborts/2], took[aborts-1])
	if took[aborts/2] > abortLimit {
		t.Errorf("the median is %s, of %v", took[aborts/2], took)
	}
}

func receiveIn[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(5 * time.Second):
		t.Fatalf("timed out: %s", what)
		panic("unreachable")
	}
}

// A server that is closed lets go of the calls of both lanes.
func TestAbort_OfTheServerReachesTheFunction(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]string{"short lane": "", "net/http": "Pragma: x\r\n"} {
		h, arrived, gone := newHandler(t), make(chan bool, 1), make(chan bool, 1)
		id := deploy(t, h, "f", serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			arrived <- true
			<-r.Context().Done()
			gone <- true
		})))
		var running *front.Server
		s := &stage{T: t, address: serveWith(t, h, func(full *http.Server) server {
			running = &front.Server{HTTP: full, Lane: h}
			return running
		})}
		s.dial().say("GET /function/f HTTP/1.1\r\nHost: x\r\n%s\r\n", fields)
		receiveIn(t, arrived, name+": the call arrives")
		running.Close()
		receiveIn(t, gone, name+": the function is left")
		waitFor(t, name+": the replica is given back", func() bool { return h.Resolver.Load(id).InFlight == 0 })
	}
}
