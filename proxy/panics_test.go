package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"faas-docker/front"
	"faas-docker/function"
	"faas-docker/policy"
)

// faultyBody is what a filter may put around a request's body.
type faultyBody struct {
	io.ReadCloser
	failure any
}

func (b faultyBody) Read([]byte) (int, error) { panic(b.failure) }

func TestPanic_WhileTheBodyIsReadIs500(t *testing.T) {
	t.Parallel()
	for name, protocol := range map[string]string{"HTTP/1": function.ProtocolHTTP1, "HTTP/2": function.ProtocolH2C} {
		for _, policies := range []bool{false, true} {
			for _, failure := range []any{"oh", http.ErrAbortHandler} {
				h := newHandler(t)
				h.Policy = speaks(protocol)
				if policies {
					withPolicies(t, h, "retry: attempts=3 methods=any")
					policy := h.Policy
					h.Policy = func(name function.Name) function.CallPolicy {
						p := policy(name)
						p.Protocol = protocol
						return p
					}
				}
				id := deploy(t, h, "figlet", serveBoth(t, http.HandlerFunc(readThenOK)))
				base := "http://" + serveFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Body = faultyBody{r.Body, failure}
					h.ServeHTTP(w, r)
				})) + "/function/figlet"
				answer, err := http.Post(base, "text/plain", strings.NewReader("hello"))
				if failure == http.ErrAbortHandler {
					if err == nil {
						t.Errorf("%s, policies %t: an aborted call was answered %s", name, policies, answer.Status)
					}
				} else if err != nil || answer.StatusCode != 500 {
					t.Errorf("%s, policies %t: got %v, %v", name, policies, answer, err)
				}
				waitFor(t, "the replica is given back", func() bool { return h.Resolver.Load(id).InFlight == 0 })
			}
		}
	}
}

// faultyWriter is what a filter may put around an answer.
type faultyWriter struct {
	http.ResponseWriter
	failure any
}

func (w faultyWriter) WriteHeader(int) { panic(w.failure) }

func (w faultyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A function that speaks HTTP/2 may answer while the request is still coming.
func TestPanic_WhileTheAnswerIsPassedOnReachesTheCall(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{errors.New("oh"), http.ErrAbortHandler} {
		h, seen, panicked := newHandler(t), newWitness(), make(chan any, 1)
		h.Policy, h.Observer = speaks(function.ProtocolH2C), seen
		id := deploy(t, h, "figlet", serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "early")
		})))
		s := &stage{T: t, address: serveFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { panicked <- recover() }()
			h.ServeHTTP(faultyWriter{w, failure}, r)
		}))}
		s.dial().say("POST /function/figlet HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
		select {
		case got := <-panicked:
			if got != failure {
				t.Errorf("%v became %v", failure, got)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%v did not end the call", failure)
		}
		if code := <-seen.finished; code != 500 {
			t.Errorf("observed %d", code)
		}
		waitFor(t, "the replica is given back", func() bool { return h.Resolver.Load(id).InFlight == 0 })
	}
}

// A filter of the answer that fails with an interim one leaves no call behind with the
// function, and none without an end for its policies.
func TestPanic_WhileAnInterimAnswerIsPassedOnEndsTheTry(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{function.ProtocolHTTP1, function.ProtocolH2C} {
		for _, policies := range []bool{false, true} {
			h, over, ends := newHandler(t), make(chan struct{}, 1), make(chan policy.End, 2)
			h.Policy = speaks(protocol)
			if policies {
				h.CallPolicy = func(function.Name, *http.Request) policy.Policy { return endWitness(ends) }
			}
			id := deploy(t, h, "figlet", interimFunction(t, protocol, over))
			s := &stage{T: t, address: serveFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(faultyWriter{w, http.ErrAbortHandler}, r)
			}))}
			s.dial().say("GET /function/figlet HTTP/1.1\r\nHost: x\r\n\r\n")
			receiveIn(t, over, "the function is left")
			waitFor(t, "the replica is given back", func() bool { return h.Resolver.Load(id).InFlight == 0 })
			if !policies {
				continue
			}
			if end := receiveIn(t, ends, "the policies are told"); end.Status != 500 || end.Err == nil {
				t.Errorf("%s: told %d, %v", protocol, end.Status, end.Err)
			}
		}
	}
}

// endWitness is a policy that passes on how its call ends.
func endWitness(ends chan<- policy.End) policy.Policy {
	return policy.Func(func(ctx context.Context, r *policy.Request, next policy.Sender) (policy.Answer, error) {
		r.OnEnd(func(end policy.End) { ends <- end })
		return next(ctx, r)
	})
}

// interimFunction answers a call with an interim answer only, and tells when it is over.
func interimFunction(t *testing.T, protocol string, over chan<- struct{}) string {
	if protocol == function.ProtocolHTTP1 {
		return rawFunction(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
			over <- struct{}{}
		})
	}
	return framedFunction(t, func(f *frames) {
		f.head(f.call(), false, ":status", "103", "link", "</a>")
		f.until(func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameRSTStream })
		over <- struct{}{}
	})
}

// faultyObserver panics at the end of its first call, or at its beginning.
type faultyObserver struct {
	atStart bool
	calls   atomic.Int64
}

func (o *faultyObserver) Started(function.Name) {
	if o.atStart && o.calls.Add(1) == 1 {
		panic("oh")
	}
}

func (o *faultyObserver) Finished(function.Name, int, time.Duration) {
	if !o.atStart && o.calls.Add(1) == 1 {
		panic("oh")
	}
}

// A plain call in which something panics leaves its replica and ends its connection; the next one
// is answered.
func TestPanic_InTheShortLaneEndsOneCall(t *testing.T) {
	t.Parallel()
	for _, atStart := range []bool{true, false} {
		h := newHandler(t)
		id := deploy(t, h, "figlet", serve(t, http.HandlerFunc(describing)))
		prove(t, h, id)
		h.Observer = &faultyObserver{atStart: atStart}
		address := serveWith(t, h, func(full *http.Server) server { return &front.Server{HTTP: full, Lane: h} })
		s := &stage{T: t, address: address}
		first := s.dial()
		first.say("GET /function/figlet HTTP/1.1\r\nHost: x\r\n\r\n")
		want := "HTTP/1.1 500 "
		if !atStart {
			want = "HTTP/1.1 200 " // it has gone out by then
		}
		if said := first.rest(); atStart && !strings.HasPrefix(said, want) || strings.Count(said, "HTTP/1.1 ") != 1 {
			t.Errorf("at the start %t: got %q, want %q", atStart, said, want)
		}
		waitFor(t, "the replica is given back", func() bool { return h.Resolver.Load(id).InFlight == 0 })
		second := s.dial()
		second.say("GET /function/figlet HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if said := second.rest(); !strings.HasPrefix(said, "HTTP/1.1 200 ") {
			t.Errorf("at the start %t: then got %q", atStart, said)
		}
	}
}
