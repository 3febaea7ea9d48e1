package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/replica"
)

// watchdogOf is a watchdog whose process does not listen at first: it answers with 500
// itself, without reading what it is sent. When the process listens it answers with the
// body that it was sent.
type watchdogOf struct {
	listens atomic.Bool
	// early counts what was answered before, seen what the process has seen.
	early, seen atomic.Int64
	// process is what it answers; nil means 200.
	process http.HandlerFunc
}

func (d *watchdogOf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !d.listens.Load() {
		d.early.Add(1)
		w.Header().Set("X-OpenFaaS-Internal", "of-watchdog")
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	d.seen.Add(1)
	if d.process != nil {
		d.process(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%d %v", len(body), err)
}

// readmits is the fleet: it admits a replica that was denied when its process listens.
func readmits(t *testing.T, h *Handler, name function.Name, d *watchdogOf, after time.Duration) (denials *atomic.Int64) {
	t.Helper()
	denials = new(atomic.Int64)
	var waits sync.WaitGroup
	t.Cleanup(waits.Wait)
	h.Resolver.Changed = func(function.Name) {
		for _, m := range h.Resolver.Members(name) {
			if m.Doubt != replica.Denied || m.IsOpen() {
				continue
			}
			denials.Add(1)
			waits.Go(func() {
				select {
				case <-time.After(after):
				case <-t.Context().Done():
					return
				}
				d.listens.Store(true)
				h.Resolver.MarkReady(name, m.ID)
			})
		}
	}
	return denials
}

func TestEarly_CallsWaitForTheProcessBehindAWatchdog(t *testing.T) {
	t.Parallel()
	text := func(body string) func() io.Reader { return func() io.Reader { return strings.NewReader(body) } }
	none := func() io.Reader { return nil }
	for _, row := range []struct {
		name, method string
		body         func() io.Reader
		want         string
	}{
		{"GET", http.MethodGet, none, "0 <nil>"},
		{"HEAD", http.MethodHead, none, ""},
		{"DELETE", http.MethodDelete, none, "0 <nil>"},
		{"POST without a body", http.MethodPost, none, "0 <nil>"},
		{"POST", http.MethodPost, text("hello"), "5 <nil>"},
		{"PATCH of a few packets", http.MethodPatch, text(strings.Repeat("x", 20<<10)), "20480 <nil>"},
		{"PUT of as much as is kept", http.MethodPut, text(strings.Repeat("x", maxRecording)), "262144 <nil>"},
		{"chunked", http.MethodPost, func() io.Reader { return io.MultiReader(strings.NewReader("hel"), strings.NewReader("lo")) }, "5 <nil>"},
		{"chunked and slow", http.MethodPost, func() io.Reader { return &slowly{pieces: 5, pause: 30 * time.Millisecond} }, "5 <nil>"},
	} {
		for _, protocol := range []string{function.ProtocolHTTP1, function.ProtocolH2C} {
			t.Run(row.name+" "+protocol, func(t *testing.T) {
				t.Parallel()
				h, d := newHandler(t), &watchdogOf{}
				h.Policy = speaks(protocol)
				id := deploy(t, h, "f", serveBoth(t, d))
				readmits(t, h, id, d, 100*time.Millisecond)
				answer, body := fetch(t, row.method, "http://"+serve(t, h)+"/function/f", row.body())
				if answer.StatusCode != 200 || body != row.want || d.early.Load() != 1 || d.seen.Load() != 1 {
					t.Errorf("status %d, %q, after %d answers of the watchdog and %d of the process; want 200, %q, one of each", answer.StatusCode, body, d.early.Load(), d.seen.Load(), row.want)
				}
			})
		}
	}
}

// slowly is a body that comes in pieces of one byte.
type slowly struct {
	pieces int
	pause  time.Duration
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.pieces == 0 {
		return 0, io.EOF
	}
	time.Sleep(s.pause)
	s.pieces--
	p[0] = 'x'
	return 1, nil
}

// A call that its function dies of looks like one that came too early: it must not go from replica to
// replica until none is left.
func TestEarly_NoOtherReplicaGetsACallThatOneHasDiedOf(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		// known is how many replicas have the call before the first is known to have died.
		known      int64
		wantStatus int
		want       string
	}{
		{"known at once", 1, http.StatusBadGateway, "ended before it answered"},
		{"known when the next has it, too", 2, http.StatusInternalServerError, ""},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(row.name+" "+method, func(t *testing.T) {
				t.Parallel()
				h, d := newHandler(t), &watchdogOf{}
				var id function.Name
				watchdog := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if row.known == 2 && d.early.Load() == 1 {
						bury(h, id)
					}
					d.ServeHTTP(w, r)
				})
				id = deploy(t, h, "f", serve(t, watchdog), serve(t, watchdog), serve(t, watchdog))
				if row.known == 1 {
					h.Resolver.Changed = func(function.Name) { bury(h, id) }
				}
				url := "http://" + serveLanes(t, h) + "/function/f"
				answer, body := fetch(t, method, url, nil)
				if answer.StatusCode != row.wantStatus || d.early.Load() != row.known || !strings.Contains(body, row.want) {
					t.Errorf("status %d, %q, after %d replicas had the call; want %d, after %d", answer.StatusCode, body, d.early.Load(), row.wantStatus, row.known)
				}
				d.listens.Store(true)
				if answer, body := fetch(t, method, url, nil); answer.StatusCode != http.StatusOK {
					t.Errorf("the next call: %d %s", answer.StatusCode, body)
				}
			})
		}
	}
}

// The engine tells of a death some time after it.
func TestEarly_NoOtherReplicaGetsACallUntilTheFirstIsSeenToLive(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		dies  time.Duration // after its answer; zero means that it lives
		want  int
		asked int64
	}{
		{"dies at once", time.Nanosecond, http.StatusBadGateway, 1},
		{"dies a moment later", 100 * time.Millisecond, http.StatusBadGateway, 1},
		{"lives", 0, http.StatusOK, 1},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(row.name+" "+method, func(t *testing.T) {
				t.Parallel()
				h, d := newHandler(t), &watchdogOf{}
				var died atomic.Int64 // when, in ns; zero means never
				watchdog := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if row.dies > 0 {
						died.CompareAndSwap(0, time.Now().Add(row.dies).UnixNano())
					}
					d.ServeHTTP(w, r)
					if row.dies == 0 {
						d.listens.Store(true)
					}
				})
				h.HasEnded = func(context.Context, function.Replica) bool {
					return died.Load() > 0 && time.Now().UnixNano() > died.Load()
				}
				deploy(t, h, "f", serve(t, watchdog), serve(t, watchdog), serve(t, watchdog))
				answer, body := fetch(t, method, "http://"+serveLanes(t, h)+"/function/f", nil)
				if answer.StatusCode != row.want || d.early.Load() != row.asked {
					t.Errorf("status %d, %q, after %d answers of watchdogs; want %d, after %d", answer.StatusCode, body, d.early.Load(), row.want, row.asked)
				}
			})
		}
	}
}

// bury has the replicas die that were denied.
func bury(h *Handler, name function.Name) {
	for _, m := range h.Resolver.Members(name) {
		if m.Doubt == replica.Denied {
			h.Resolver.Tell(name, m.ID, replica.Event{Kind: replica.Died})
		}
	}
}

func TestEarly_ManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	h, d := newHandler(t), &watchdogOf{}
	id := deploy(t, h, "f", serve(t, d))
	readmits(t, h, id, d, 200*time.Millisecond)
	url := "http://" + serve(t, h) + "/function/f"
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			method, body := http.MethodGet, io.Reader(nil)
			if i%2 == 0 {
				method, body = http.MethodPost, strings.NewReader("hello")
			}
			if answer, text, err := fetchFrom(t.Context(), method, url, body); err != nil || answer.StatusCode != 200 {
				t.Errorf("%s: %v %s %v", method, answer, text, err)
			}
		})
	}
	group.Wait()
	if d.seen.Load() != 40 {
		t.Errorf("the process has seen %d calls, want 40", d.seen.Load())
	}
}

func TestEarly_WhatElseA500Means(t *testing.T) {
	t.Parallel()
	internal := func(who string, code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if who != "" {
				w.Header().Set("X-OpenFaaS-Internal", who)
			}
			w.WriteHeader(code)
		}
	}
	for _, row := range []struct {
		name    string
		process http.HandlerFunc
		// seen is how often the function gets to see each of two calls.
		code int
		seen int64
	}{
		{"the function itself fails", internal("", 500), 500, 2},
		{"its watchdog takes no more calls", internal("faas-middleware", 429), 429, 2},
		{"it took too long", internal("of-watchdog", 504), 504, 2},
		{"something else in it fails", internal("proxy", 500), 500, 2},
		{"a bad gateway of its own", internal("of-watchdog", 502), 502, 2},
		// A watchdog says the same of a process that ends connections without an answer:
		// the first call is sent twice, when it is known to listen.
		{"it fails always without an answer", internal("of-watchdog", 500), 500, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h, d := newHandler(t), &watchdogOf{process: row.process}
			d.listens.Store(true)
			id := deploy(t, h, "f", serve(t, d))
			readmits(t, h, id, d, 0)
			url := "http://" + serve(t, h) + "/function/f"
			for range 2 {
				if answer, _ := fetch(t, http.MethodPost, url, strings.NewReader("x")); answer.StatusCode != row.code {
					t.Errorf("status %d, want %d", answer.StatusCode, row.code)
				}
			}
			if got := d.seen.Load(); got != row.seen {
				t.Errorf("two calls were sent %d times, want %d", got, row.seen)
			}
		})
	}
}

func TestEarly_AFunctionThatOnceAnsweredIsBelieved(t *testing.T) {
	t.Parallel()
	h, d := newHandler(t), &watchdogOf{}
	d.listens.Store(true)
	id := deploy(t, h, "f", serve(t, d))
	denials := readmits(t, h, id, d, time.Hour)
	url := "http://" + serve(t, h) + "/function/f"
	if answer, _ := fetch(t, http.MethodGet, url, nil); answer.StatusCode != 200 {
		t.Fatalf("status %d", answer.StatusCode)
	}
	d.listens.Store(false) // its process has gone
	if answer, _ := fetch(t, http.MethodGet, url, nil); answer.StatusCode != 500 || answer.Header.Get("X-OpenFaaS-Internal") != "of-watchdog" {
		t.Errorf("status %d, want the watchdog's own 500", answer.StatusCode)
	}
	if denials.Load() != 0 {
		t.Errorf("it was denied %d times", denials.Load())
	}
}

// An answer of what stands before the function says nothing of the function.
func TestEarly_AnAnswerOfTheWatchdogIsNoProof(t *testing.T) {
	t.Parallel()
	h, d := newHandler(t), &watchdogOf{}
	refuses := atomic.Bool{}
	refuses.Store(true)
	id := deploy(t, h, "f", serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuses.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		d.ServeHTTP(w, r)
	})))
	readmits(t, h, id, d, 50*time.Millisecond)
	url := "http://" + serve(t, h) + "/function/f"
	if answer, _ := fetch(t, http.MethodGet, url, nil); answer.StatusCode != 401 {
		t.Fatalf("status %d", answer.StatusCode)
	}
	refuses.Store(false)
	if answer, _ := fetch(t, http.MethodGet, url, nil); answer.StatusCode != 200 {
		t.Errorf("status %d, want that it was waited for", answer.StatusCode)
	}
}

// A watchdog passes streams on by another proxy, which answers with an empty 200 when it cannot
// connect, and it answers its own paths; neither says that the process listens.
func TestEarly_AnEmptyAnswerToAStreamIsTheWatchdogs(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, path, key, value string
		held                   bool
	}{
		{"an event stream", "", "Accept", "text/event-stream", true},
		{"in capitals", "", "Accept", "Text/Event-Stream", true},
		{"one of several", "", "Accept", "application/json, text/event-stream;q=0.5", true},
		{"lines of JSON", "", "Accept", "application/x-ndjson", true},
		{"anything", "", "Accept", "*/*", false},
		{"the watchdog's own health", "/_/health", "Accept", "*/*", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h, d := newHandler(t), &watchdogOf{}
			silent := atomic.Bool{}
			silent.Store(true)
			id := deploy(t, h, "f", serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if silent.Swap(false) {
					w.Header()["Content-Type"] = nil
					w.Header().Set("Content-Length", "0")
					return
				}
				d.ServeHTTP(w, r)
			})))
			denials := readmits(t, h, id, d, 50*time.Millisecond)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+serve(t, h)+"/function/f"+row.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set(row.key, row.value)
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, _ := io.ReadAll(answer.Body)
			if held := string(body) != ""; answer.StatusCode != 200 || held != row.held || (denials.Load() > 0) != row.held {
				t.Errorf("status %d, %q, %d denials; want it held: %t", answer.StatusCode, body, denials.Load(), row.held)
			}
			if row.path == "" {
				return
			}
			request.URL.Path = "/function/f"
			if answer, err := http.DefaultClient.Do(request); err != nil || answer.StatusCode != 200 || denials.Load() == 0 {
				t.Errorf("behind a call of %s: %v, %v, %d denials; want that the process is waited for", row.path, answer, err, denials.Load())
			}
		})
	}
}

func TestEarly_CallersAreNotHeldForLongerThanForAStart(t *testing.T) {
	t.Parallel()
	h, d := newHandler(t), &watchdogOf{}
	h.WakeTimeout = 300 * time.Millisecond
	h.Awaited = func(function.Name) string {
		return "replica f.c1: the process behind its watchdog does not listen since 7s"
	}
	id := deploy(t, h, "f", serve(t, d))
	readmits(t, h, id, d, time.Hour)
	began := time.Now()
	answer, body := fetch(t, http.MethodPost, "http://"+serve(t, h)+"/function/f", strings.NewReader("x"))
	if took := time.Since(began); answer.StatusCode != 503 || took < h.WakeTimeout || took > 10*time.Second {
		t.Errorf("status %d after %v, want 503 after %v", answer.StatusCode, took, h.WakeTimeout)
	}
	if !strings.Contains(body, "the process behind its watchdog does not listen since 7s") {
		t.Errorf("%q does not say what was waited for", body)
	}
}

// A body of which more was sent than is kept cannot be sent again: the caller is told.
func TestEarly_ABodyThatCannotBeSentAgainGetsTheAnswer(t *testing.T) {
	t.Parallel()
	h, d := newHandler(t), &watchdogOf{}
	reads := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // as with http_buffer_req_body=true
		d.ServeHTTP(w, r)
	}))
	id := deploy(t, h, "f", reads)
	readmits(t, h, id, d, time.Hour)
	answer, _ := fetch(t, http.MethodPost, "http://"+serve(t, h)+"/function/f", strings.NewReader(strings.Repeat("x", maxRecording+1)))
	if answer.StatusCode != 500 || answer.Header.Get("X-OpenFaaS-Internal") != "of-watchdog" {
		t.Errorf("status %d, want the watchdog's own 500", answer.StatusCode)
	}
}
