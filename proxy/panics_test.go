package proxy

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
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

// A function that speaks HTTP/2 may answer while the request is still coming: another
// goroutine passes its answer on then.
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
			if err, ok := got.(error); !ok || !strings.Contains(err.Error(), failure.Error()) || (got == failure) != (failure == http.ErrAbortHandler) {
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
