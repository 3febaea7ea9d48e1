package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"faas-docker/function"
	"faas-docker/proxy/upstream"
)

// framedFunction acts on the function's side of every connection, frame by frame,
// when the settings have been exchanged.
func framedFunction(t testing.TB, act func(*frames), settings ...http2.Setting) string {
	t.Helper()
	return rawFunction(t, func(conn net.Conn) {
		if f := acceptFrames(conn, settings...); f != nil {
			act(f)
		}
	})
}

func acceptFrames(conn net.Conn, settings ...http2.Setting) *frames {
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return nil
	}
	f := &frames{Framer: http2.NewFramer(conn, conn), conn: conn}
	f.coder = hpack.NewEncoder(&f.block)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if f.WriteSettings(settings...) != nil {
		return nil
	}
	return f
}

// until reads frames until wanted says that it was this one; nil means that the
// connection ended.
func (f *frames) until(wanted func(http2.Frame) bool) http2.Frame {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return nil
		}
		if s, ok := frame.(*http2.SettingsFrame); ok && !s.IsAck() {
			f.WriteSettingsAck()
		}
		if wanted(frame) {
			return frame
		}
	}
}

// call returns the stream of the next call, zero when the connection has ended.
func (f *frames) call() uint32 {
	frame := f.until(func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameHeaders })
	if frame == nil {
		return 0
	}
	return frame.Header().StreamID
}

// body reads the body of a call to its end.
func (f *frames) body() string {
	var body strings.Builder
	f.until(func(frame http2.Frame) bool {
		data, ok := frame.(*http2.DataFrame)
		if ok {
			body.Write(data.Data())
		}
		return ok && data.StreamEnded()
	})
	return body.String()
}

// head answers with a head; names and values alternate.
func (f *frames) head(id uint32, last bool, pairs ...string) {
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.request(pairs...), EndStream: last, EndHeaders: true})
}

func (f *frames) answerOK(id uint32) {
	f.head(id, false, ":status", "200", "content-type", "text/plain")
	f.WriteData(id, true, []byte("ok"))
}

// drain reads until the other side has had enough.
func (f *frames) drain() { f.until(func(http2.Frame) bool { return false }) }

// h2cFiglet is a figlet that speaks h2c, and the base address to invoke it at.
func h2cFiglet(t *testing.T, address string) (h *Handler, base string) {
	t.Helper()
	h = newHandler(t)
	h.Policy = speaks(function.ProtocolH2C)
	deploy(t, h, "figlet", address)
	return h, "http://" + serve(t, h) + "/function/figlet"
}

func TestLink_WhatBreaksTheRulesIsABadGateway(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(f *frames, id uint32){
		"body without a head":   func(f *frames, id uint32) { f.WriteData(id, true, []byte("x")) },
		"no status":             func(f *frames, id uint32) { f.head(id, true, "server", "x") },
		"status of letters":     func(f *frames, id uint32) { f.head(id, true, ":status", "abc") },
		"status of four digits": func(f *frames, id uint32) { f.head(id, true, ":status", "2000") },
		"status of zero":        func(f *frames, id uint32) { f.head(id, true, ":status", "000") },
		"two statuses":          func(f *frames, id uint32) { f.head(id, true, ":status", "200", ":status", "200") },
		"pseudo of a request":   func(f *frames, id uint32) { f.head(id, true, ":path", "/") },
		"upper case":            func(f *frames, id uint32) { f.head(id, true, ":status", "200", "Server", "x") },
		"line feed in a value":  func(f *frames, id uint32) { f.head(id, true, ":status", "200", "server", "a\nb") },
		"two lengths": func(f *frames, id uint32) {
			f.head(id, false, ":status", "200", "content-length", "1", "content-length", "2")
		},
		"length of letters":        func(f *frames, id uint32) { f.head(id, false, ":status", "200", "content-length", "x") },
		"shorter than announced":   func(f *frames, id uint32) { f.head(id, true, ":status", "200", "content-length", "1") },
		"switched protocols":       func(f *frames, id uint32) { f.head(id, false, ":status", "101") },
		"interim answer that ends": func(f *frames, id uint32) { f.head(id, true, ":status", "103") },
		"interim answers for ever": func(f *frames, id uint32) {
			for range upstream.MaxInformational + 1 {
				f.head(id, false, ":status", "103")
			}
		},
		"head without end": func(f *frames, id uint32) {
			f.head(id, true, ":status", "200", "x", strings.Repeat("x", upstream.MaxHead))
		},
		"not HPACK": func(f *frames, id uint32) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
		},
		"continuation of nothing": func(f *frames, id uint32) { f.WriteContinuation(id, true, nil) },
		"promised answer": func(f *frames, id uint32) {
			f.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, EndHeaders: true})
		},
		"stream nobody began": func(f *frames, id uint32) { f.head(id+2, true, ":status", "200") },
		"body of nothing":     func(f *frames, _ uint32) { f.WriteRawFrame(http2.FrameData, 0, 0, []byte("x")) },
		"frame too large":     func(f *frames, id uint32) { f.WriteRawFrame(http2.FrameData, 0, id, make([]byte, upstream.MaxFrame+1)) },
		"bad settings": func(f *frames, _ uint32) {
			f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		},
		"window of nothing":         func(f *frames, id uint32) { f.WriteRawFrame(http2.FrameWindowUpdate, 0, id, make([]byte, 4)) },
		"window too large":          func(f *frames, id uint32) { f.WriteWindowUpdate(id, 1<<31-1) },
		"link's window too large":   func(f *frames, _ uint32) { f.WriteWindowUpdate(0, 1<<31-1) },
		"reset":                     func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeInternal) },
		"goes away and closes":      func(f *frames, id uint32) { f.WriteGoAway(id, http2.ErrCodeInternal, nil); f.conn.Close() },
		"closes":                    func(f *frames, _ uint32) { f.conn.Close() },
		"closes within a frame":     func(f *frames, _ uint32) { f.conn.Write([]byte{0, 0, 9}); f.conn.Close() },
		"speaks HTTP/1 all at once": func(f *frames, _ uint32) { io.WriteString(f.conn, "HTTP/1.1 200 OK\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
				if id := f.call(); id != 0 {
					breaks(f, id)
					f.drain()
				}
			}))
			if answer, text := fetch(t, "POST", base, nil); answer.StatusCode != 502 {
				t.Errorf("answered %d %q", answer.StatusCode, text)
			}
		})
	}
}

func TestLink_AnAnswerThatBreaksOffIsCut(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(f *frames, id uint32){
		"longer than announced":  func(f *frames, id uint32) { f.WriteData(id, true, []byte("123456789")) },
		"shorter than announced": func(f *frames, id uint32) { f.WriteData(id, true, nil) },
		"second head":            func(f *frames, id uint32) { f.head(id, false, "x", "y") },
		"trailers with a status": func(f *frames, id uint32) { f.head(id, true, ":status", "200") },
		"reset":                  func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeNo) },
		"refused too late":       func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
		"closes":                 func(f *frames, _ uint32) { f.conn.Close() },
		// The client does not read meanwhile, and what the sockets hold is less.
		"more than its window": func(f *frames, id uint32) {
			for range (upstream.StreamWindow + 64<<20) / upstream.MaxFrame {
				f.WriteData(id, false, make([]byte, upstream.MaxFrame))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
				id := f.call()
				if name == "more than its window" {
					f.head(id, false, ":status", "200")
				} else {
					f.head(id, false, ":status", "200", "content-length", "8")
					f.WriteData(id, false, []byte("half"))
				}
				breaks(f, id)
				f.drain()
			}))
			seen := newWitness()
			h.Observer = seen
			answer, err := http.DefaultTransport.RoundTrip(request(t, "POST", base, nil))
			if code := <-seen.finished; code != 502 {
				t.Errorf("observed %d", code)
			}
			if err == nil {
				defer answer.Body.Close()
				if body, err := io.ReadAll(answer.Body); err == nil {
					t.Errorf("read %d bytes to a clean end", len(body))
				}
			}
		})
	}
}

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLink_WhatTheRulesAllowIsPassedOn(t *testing.T) {
	t.Parallel()
	acknowledged := make(chan bool, 1)
	_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
		id := f.call()
		f.WritePing(false, [8]byte{7})
		f.WriteRawFrame(0xbe, 0, id, []byte("of a kind that nobody knows"))
		f.WritePriority(id, http2.PriorityParam{Weight: 3})
		f.head(id, false, ":status", "100")
		f.head(id, false, ":status", "103", "link", "</a>")
		block := f.request(":status", "200", "trailer", "X-Sum", "content-length", "10", "connection", "x-gone", "x-gone", "1")
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:3]})
		f.WriteContinuation(id, false, block[3:5])
		f.WriteContinuation(id, true, block[5:])
		f.WriteDataPadded(id, false, []byte("hello"), make([]byte, 200))
		f.WriteData(id, false, nil)
		f.WriteData(id, false, []byte("world"))
		f.head(id, true, "x-sum", "7", "x-more", "8")
		ping := f.until(func(frame http2.Frame) bool { p, ok := frame.(*http2.PingFrame); return ok && p.IsAck() })
		acknowledged <- ping != nil && ping.(*http2.PingFrame).Data == [8]byte{7}
		f.drain()
	}))
	answer, body := fetch(t, "POST", base, strings.NewReader("x"))
	if answer.StatusCode != 200 || body != "helloworld" || answer.Header.Get("X-Gone") != "" {
		t.Errorf("answered %d %q %v", answer.StatusCode, body, answer.Header)
	}
	if answer.Trailer.Get("X-Sum") != "7" || answer.Trailer.Get("X-More") != "8" {
		t.Errorf("trailers %v", answer.Trailer)
	}
	if !<-acknowledged {
		t.Error("the ping was not acknowledged")
	}
}

func TestLink_CallsThatTheFunctionHasNotBegunWithGoToAnotherConnection(t *testing.T) {
	t.Parallel()
	for name, turnDown := range map[string]func(f *frames, id uint32){
		"goes away":     func(f *frames, _ uint32) { f.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"goes and ends": func(f *frames, _ uint32) { f.WriteGoAway(0, http2.ErrCodeNo, nil); f.conn.Close() },
		"refuses":       func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var connections atomic.Int32
			h, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
				first := connections.Add(1) == 1
				id := f.call()
				switch body := f.body(); {
				case first:
					turnDown(f, id)
				case body == "hello":
					f.answerOK(id)
				}
				f.drain()
			}))
			if answer, text := fetch(t, "POST", base, strings.NewReader("hello")); answer.StatusCode != 200 || text != "ok" {
				t.Errorf("answered %d %q", answer.StatusCode, text)
			}
			if n := connections.Load(); n != 2 {
				t.Errorf("%d connections", n)
			}
			id := function.ParseName("figlet", function.DefaultNamespace)
			if h.Resolver.Load(id).InFlight != 0 {
				t.Error("the call is still counted")
			}
		})
	}
}

func TestLink_AFunctionThatRefusesAlwaysIsUnavailable(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
		for id := f.call(); id != 0; id = f.call() {
			seen.Add(1)
			f.WriteRSTStream(id, http2.ErrCodeRefusedStream)
		}
	}))
	if answer, text := fetch(t, "POST", base, nil); answer.StatusCode != 503 {
		t.Errorf("answered %d %q", answer.StatusCode, text)
	}
	if n := seen.Load(); n != upstream.MaxRefusals+1 {
		t.Errorf("it was asked %d times", n)
	}
}

// A function that allows no call as soon as it is connected to is not connected to for ever.
func TestLink_AFunctionThatAllowsNoCallIsUnavailable(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
		connections.Add(1)
		_ = f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		for id := f.call(); id != 0; id = f.call() {
			f.WriteRSTStream(id, http2.ErrCodeRefusedStream)
		}
	}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1}))
	if answer, text := fetch(t, "POST", base, nil); answer.StatusCode != 503 {
		t.Errorf("answered %d %q", answer.StatusCode, text)
	}
	if n := connections.Load(); n > 200 {
		t.Errorf("%d connections for one call", n)
	}
}

func TestLink_TakesNoMoreCallsThanTheFunctionDoes(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	var both sync.WaitGroup
	both.Add(2)
	_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
		connections.Add(1)
		for id := f.call(); id != 0; id = f.call() {
			both.Done()
			both.Wait()
			f.answerOK(id)
		}
	}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1}))
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			if answer, text, err := fetchFrom(t.Context(), "POST", base, nil); err != nil || answer.StatusCode != 200 || text != "ok" {
				t.Errorf("answered %v %q %v", answer, text, err)
			}
		})
	}
	calls.Wait()
	if n := connections.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestLink_HeadsThatTheFunctionDoesNotTakeAreRefused(t *testing.T) {
	t.Parallel()
	_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
		for id := f.call(); id != 0; id = f.call() {
			f.answerOK(id)
		}
	}, http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 2000}))
	for size, code := range map[int]int{100: 200, 2000: 431} {
		r := request(t, "POST", base, nil)
		r.Header.Set("X-Large", strings.Repeat("x", size))
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != code {
			t.Errorf("%d bytes: answered %d, want %d", size, answer.StatusCode, code)
		}
	}
}

// The function takes a few bytes at a time, and changes its mind about how many.
func TestLink_BodiesKeepToTheFunctionsWindows(t *testing.T) {
	t.Parallel()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
		id := f.call()
		var got []byte
		for allowed := 10; ; {
			frame := f.until(func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameData })
			if frame == nil {
				return
			}
			got = append(got, frame.(*http2.DataFrame).Data()...)
			if len(got) > allowed {
				f.head(id, true, ":status", "500")
			}
			if frame.Header().Flags.Has(http2.FlagDataEndStream) {
				break
			}
			if len(got) == 10 {
				f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 20})
				allowed += 10
			}
			if len(got) >= 20 && len(got) == allowed {
				f.WriteWindowUpdate(id, 1000)
				f.WriteWindowUpdate(0, 1000)
				allowed += 1000
			}
		}
		f.head(id, false, ":status", "200")
		f.WriteData(id, true, got)
		f.drain()
	}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10}))
	if answer, body := fetch(t, "POST", base, bytes.NewReader(sent)); answer.StatusCode != 200 || body != string(sent) {
		t.Errorf("answered %d with %d bytes", answer.StatusCode, len(body))
	}
}

// A function may stop reading for a while when it has begun to answer, but not
// before.
func TestLink_AFunctionThatDoesNotReadTheBody(t *testing.T) {
	t.Parallel()
	const patience, size = 100 * time.Millisecond, 4 << 20
	for answers, want := range map[bool]int{true: 200, false: 504} {
		h, base := h2cFiglet(t, serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !answers {
				<-r.Context().Done()
				return
			}
			http.NewResponseController(w).Flush()
			<-time.After(3 * patience)
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
		})))
		h.Timeout = patience
		answer, body := fetch(t, "POST", base, bytes.NewReader(make([]byte, size)))
		if answer.StatusCode != want || answers && body != strconv.Itoa(size) {
			t.Errorf("answered %d %q, want %d", answer.StatusCode, body, want)
		}
	}
}

// What one client does not read keeps neither the other calls waiting nor grows.
func TestLink_AClientThatDoesNotReadHoldsUpOnlyItself(t *testing.T) {
	t.Parallel()
	var written atomic.Int64
	_, base := h2cFiglet(t, serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 1<<20)
		for r.URL.Path == "/endless" {
			n, err := w.Write(piece)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
		w.Write(piece)
	})))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 3 {
		answer, err := http.DefaultTransport.RoundTrip(request(t, "GET", base+"/endless", nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
	}
	for range 2 * upstream.LinkWindow >> 20 {
		if _, body := fetch(t, "GET", base, nil); len(body) != 1<<20 {
			t.Fatalf("got %d bytes", len(body))
		}
	}
	// Three clients' share of buffers, here and in the kernel.
	if n := written.Load(); n > 64<<20 {
		t.Errorf("the function could write %d bytes that nobody read", n)
	}
}

func TestLink_ACallThatTheClientLeavesIsCancelled(t *testing.T) {
	t.Parallel()
	begun, code := make(chan struct{}), make(chan http2.ErrCode, 1)
	_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
		f.call()
		close(begun)
		frame := f.until(func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameRSTStream })
		if frame != nil {
			code <- frame.(*http2.RSTStreamFrame).ErrCode
		}
		close(code)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := http.DefaultTransport.RoundTrip(request(t, "POST", base, nil).WithContext(ctx)); err == nil {
		t.Error("got an answer")
	}
	if got, ok := <-code; !ok || got != http2.ErrCodeCancel {
		t.Errorf("the stream ended with %v, %v", got, ok)
	}
}
