package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/function/clock"
)

// said reads policies from pairs of name and text.
func said(t testing.TB, pairs ...string) *function.Policies {
	t.Helper()
	var p function.Policies
	for i := 0; i < len(pairs); i += 2 {
		if err := p.Set(pairs[i], pairs[i+1]); err != nil {
			t.Fatalf("%s: %v", pairs[i], err)
		}
	}
	return &p
}

// chainOf builds the chain of a function named f.
func chainOf(t testing.TB, pairs ...string) *Chain {
	t.Helper()
	return (&Chains{}).Of(function.Name{Name: "f"}, said(t, pairs...), nil)
}

// fakeAnswer is an answer of a replica that is not there.
type fakeAnswer struct {
	status     int
	retryAfter string
	grpcStatus string
	dropped    bool
}

func (a *fakeAnswer) Status() int { return a.status }

func (a *fakeAnswer) Field(key string) string {
	return map[string]string{"Retry-After": a.retryAfter, "Grpc-Status": a.grpcStatus}[key]
}

func (a *fakeAnswer) Drop() { a.dropped = true }

// replica answers tries by a script; the last act repeats itself.
type replica struct {
	acts []act

	mu     sync.Mutex
	times  []time.Duration
	bodies []string
	sent   []*fakeAnswer
	began  time.Time
}

// act is what a replica does with one try.
type act struct {
	status     int
	err        error
	takes      time.Duration
	retryAfter string
	commits    bool
	// late is how long it takes although the caller has left.
	late       time.Duration
	grpcStatus string
	// unread leaves the body alone.
	unread bool
}

func (r *replica) send(ctx context.Context, request *Request) (Answer, error) {
	a := r.note(request)
	if err := clock.Sleep(ctx, a.takes); err != nil {
		return nil, err
	}
	time.Sleep(a.late)
	if a.commits {
		request.Commit()
	}
	if a.err != nil {
		return nil, a.err
	}
	answer := &fakeAnswer{status: a.status, retryAfter: a.retryAfter, grpcStatus: a.grpcStatus}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, answer)
	return answer, nil
}

func (r *replica) note(request *Request) act {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.times) == 0 {
		r.began = time.Now()
	}
	r.times = append(r.times, time.Since(r.began))
	a := r.acts[min(len(r.times), len(r.acts))-1]
	if request.Body != nil && !a.unread {
		body, _ := io.ReadAll(request.Body)
		r.bodies = append(r.bodies, string(body))
	}
	return a
}

func (r *replica) tries() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.times)
}

// request makes one with a body, or without where that is empty.
func request(method, body string) *Request {
	r := httptest.NewRequest(method, "/function/f/path?token=t0ps3cret&page=2", nil)
	call := Call{HTTP: r, Function: function.Name{Name: "f"}, ID: "id"}
	if body != "" {
		call.Body = strings.NewReader(body)
		r.ContentLength = int64(len(body))
	}
	return NewRequest(call)
}

// result is what a chain says, in words.
func result(answer Answer, err error) string {
	var failure *function.Failure
	switch {
	case errors.As(err, &failure):
		return failure.Text
	case err != nil:
		return err.Error()
	}
	return describe(answer, nil)
}

// call sends one request through a chain and ends it.
func call(t testing.TB, c *Chain, r *replica, request *Request) string {
	t.Helper()
	answer, err := c.Do(t.Context(), request, nil, r.send)
	status := 0
	if answer != nil {
		status = answer.Status()
	}
	request.End(status, err)
	return result(answer, err)
}

// logTo returns a logger that writes to a buffer.
func logTo(b *bytes.Buffer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: b, DisableTime: true})
}

// spiesOn replaces policies by some that write down their types.
func spiesOn(policies []Policy, seen *[]string) []Policy {
	var spies []Policy
	for _, p := range policies {
		spies = append(spies, Func(func(ctx context.Context, r *Request, next Sender) (Answer, error) {
			*seen = append(*seen, fmt.Sprintf("%T", p))
			return next(ctx, r)
		}))
	}
	return spies
}
