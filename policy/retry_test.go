package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"faas-docker/function"
)

func TestRetry_SendsAgainWhatMayBeSentAgain(t *testing.T) {
	broken, unsent := fmt.Errorf("%w: reset", ErrBroken), fmt.Errorf("%w: refused", ErrUnsent)
	refused := fmt.Errorf("%w: stream", ErrRefused)
	for name, tc := range map[string]struct {
		text, method, body, key string
		acts                    []act
		want                    string
		tries                   int
	}{
		"a good answer":               {"attempts=3", "GET", "", "", []act{{status: 200}}, "status 200", 1},
		"one failure":                 {"attempts=3", "GET", "", "", []act{{status: 503}, {status: 200}}, "status 200", 2},
		"every time":                  {"attempts=3", "GET", "", "", []act{{status: 503}}, "status 503", 3},
		"another outcome":             {"attempts=3 on=502", "GET", "", "", []act{{status: 503}}, "status 503", 1},
		"a class":                     {"attempts=2 on=5xx", "DELETE", "", "", []act{{status: 501}, {status: 204}}, "status 204", 2},
		"no answer":                   {"attempts=2", "GET", "", "", []act{{err: broken}, {status: 200}}, "status 200", 2},
		"a late answer":               {"attempts=2 on=timeout", "GET", "", "", []act{{err: ErrLate}, {status: 200}}, "status 200", 2},
		"a failure of the client":     {"attempts=2", "GET", "", "", []act{{err: errors.New("gone")}}, "gone", 1},
		"POST":                        {"attempts=2", "POST", "x", "", []act{{status: 503}}, "status 503", 1},
		"POST that was not sent":      {"attempts=2", "POST", "x", "", []act{{err: unsent, unread: true}, {status: 200}}, "status 200", 2},
		"POST whose body was read":    {"attempts=2", "POST", "x", "", []act{{err: unsent}, {status: 200}}, "not sent: refused", 1},
		"refused":                     {"attempts=2 on=refused", "GET", "", "", []act{{err: refused}, {status: 200}}, "status 200", 2},
		"refused, which is a 503":     {"attempts=2 on=503", "GET", "", "", []act{{err: refused}, {status: 200}}, "status 200", 2},
		"refused, not unreachable":    {"attempts=2 on=connect", "GET", "", "", []act{{err: refused}}, "refused: stream", 1},
		"POST that was refused":       {"attempts=2", "POST", "x", "", []act{{err: refused, unread: true}, {status: 200}}, "status 200", 2},
		"POST refused after its body": {"attempts=2", "POST", "x", "", []act{{err: refused}, {status: 200}}, "refused: stream", 1},
		"POST with a key":             {"attempts=2", "POST", "x", "k", []act{{status: 503}, {status: 200}}, "status 200", 2},
		"POST that is said to be ok":  {"attempts=2 methods=GET,POST", "POST", "x", "", []act{{status: 503}, {status: 200}}, "status 200", 2},
		"any method":                  {"attempts=2 methods=any", "PATCH", "x", "", []act{{status: 503}, {status: 200}}, "status 200", 2},
		"PUT, when only GET may":      {"attempts=2 methods=GET", "PUT", "x", "", []act{{status: 503}}, "status 503", 1},
		"a body too long to keep":     {"attempts=2 body=4", "PUT", "xxxxx", "", []act{{status: 503}}, "status 503", 1},
		"an answer that has begun":    {"attempts=2", "GET", "", "", []act{{status: 503, commits: true}}, "status 503", 1},
		"a short wait":                {"attempts=2", "GET", "", "", []act{{status: 503, retryAfter: "1"}, {status: 200}}, "status 200", 2},
		"a long wait":                 {"attempts=2", "GET", "", "", []act{{status: 503, retryAfter: "60"}}, "status 503", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			request, r := request(tc.method, tc.body), &replica{acts: tc.acts}
			if tc.key != "" {
				request.HTTP.Header.Set("Idempotency-Key", tc.key)
			}
			if got := call(t, chainOf(t, "retry", tc.text), r, request); got != tc.want || r.tries() != tc.tries {
				t.Errorf("%s: got %s after %d tries, want %s after %d", name, got, r.tries(), tc.want, tc.tries)
			}
			for i, answer := range r.sent {
				if wanted := i < len(r.sent)-1; answer.dropped != wanted {
					t.Errorf("%s: answer %d: dropped %t", name, i, answer.dropped)
				}
			}
			for _, body := range r.bodies {
				if body != tc.body {
					t.Errorf("%s: a try sent %q, want %q", name, body, tc.body)
				}
			}
		})
	}
}

func TestRetry_PausesLongerEachTimeAndAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 50 {
			r := &replica{acts: []act{{status: 503}}}
			call(t, chainOf(t, "retry", "attempts=5 backoff=100ms max_backoff=300ms budget=100%"), r, request("GET", ""))
			for i, bound := range []time.Duration{100, 200, 300, 300} {
				wait := r.times[i+1] - r.times[i]
				if wait > bound*time.Millisecond {
					t.Errorf("pause %d took %s, want at most %dms", i, wait, bound)
				}
				seen[wait] = true
			}
		}
		if len(seen) < 100 {
			t.Errorf("200 pauses had only %d lengths", len(seen))
		}
	})
}

func TestRetry_WaitsAsLongAsTheFunctionAsks(t *testing.T) {
	for _, after := range []string{"2", "date"} {
		synctest.Test(t, func(t *testing.T) {
			if after == "date" {
				after = time.Now().UTC().Add(2 * time.Second).Format("Mon, 02 Jan 2006 15:04:05 GMT")
			}
			r := &replica{acts: []act{{status: 503, retryAfter: after}, {status: 200}}}
			call(t, chainOf(t, "retry", "attempts=2 backoff=1ms max_backoff=3s"), r, request("GET", ""))
			if r.tries() != 2 || r.times[1] != 2*time.Second {
				t.Errorf("Retry-After %s: tries at %v", after, r.times)
			}
		})
	}
}

func TestRetry_EndsWithTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		r := &replica{acts: []act{{status: 503, retryAfter: "1"}}}
		answer, err := chainOf(t, "retry", "attempts=9 max_backoff=10s").Do(ctx, request("GET", ""), nil, r.send)
		if got := result(answer, err); got != "status 503" || r.tries() != 1 || answer.(*fakeAnswer).dropped {
			t.Errorf("a pause that does not end in time: got %s after %d tries", got, r.tries())
		}
		gone, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { leave(errors.New("gone")) })
		r = &replica{acts: []act{{status: 503, retryAfter: "5"}}}
		answer, err = chainOf(t, "retry", "attempts=9 max_backoff=10s").Do(gone, request("GET", ""), nil, r.send)
		if got := result(answer, err); got != "gone" || r.tries() != 1 {
			t.Errorf("a client that left: got %s after %d tries", got, r.tries())
		}
	})
}

func TestRetry_KeepsToItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chainOf(t, "retry", "attempts=3 backoff=1us max_backoff=1us")
		r := &replica{acts: []act{{status: 503}}}
		const calls = 1000
		for range calls {
			call(t, c, r, request("GET", ""))
		}
		if extra := r.tries() - calls; extra < calls/10 || extra > calls/5 {
			t.Errorf("%d further tries of %d calls, want at most a fifth", extra, calls)
		}
		time.Sleep(2 * budgetWindow)
		before := r.tries()
		call(t, c, r, request("GET", ""))
		if r.tries() != before+3 {
			t.Errorf("a call after a pause had %d tries, want 3: the budget has a floor", r.tries()-before)
		}
	})
}

func TestRetry_EndsAtABreakerThatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &replica{acts: []act{{status: 503}}}
		got := call(t, chainOf(t, "retry", "attempts=9", "breaker", "failures=2 open=10s"), r, request("GET", ""))
		if r.tries() != 2 || got != "it failed too often, and its circuit breaker lets no call through: try again in 10s, or look at its logs" {
			t.Errorf("got %q after %d tries", got, r.tries())
		}
	})
}

func TestChains_RememberWhatStaysAsItIs(t *testing.T) {
	name := function.Name{Name: "f"}
	cs := &Chains{}
	first := cs.Of(name, said(t, "breaker", "failures=2", "retry", "attempts=3"), nil)
	if cs.Of(name, said(t, "breaker", "failures=2", "retry", "attempts=3"), nil) != first {
		t.Error("the same once more made another chain")
	}
	second := cs.Of(name, said(t, "breaker", "failures=2", "retry", "attempts=4"), nil)
	if second == first || second.breaker != first.breaker || second.retry == first.retry {
		t.Error("a changed retry: want another chain with the breaker there was")
	}
	if third := cs.Of(name, said(t, "breaker", "failures=3"), nil); third.breaker == first.breaker {
		t.Error("a changed breaker remembers")
	}
	cs.Forget(name)
	if again := cs.Of(name, said(t, "breaker", "failures=3"), nil); again == second || len(cs.kept) != 1 {
		t.Error("a function that was deleted is remembered")
	}
	if cs.Of(name, nil, nil) != nil {
		t.Error("nothing asked for: there is a chain")
	}
}

func TestChains_RoutesHaveTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := function.Name{Name: "f"}
		cs, own := &Chains{}, said(t, "retry", "attempts=3", "tryTimeout", "1s")
		plain := cs.Of(name, own, nil)
		routed := cs.Of(name, own, said(t, "retry", "off"))
		if plain == routed || plain.retry == nil || routed.retry != nil || routed.policies.TryTimeout != time.Second {
			t.Errorf("got %+v beside %+v", routed, plain)
		}
		if cs.Of(name, own, said(t, "retry", "off")) != routed {
			t.Error("an equal route made another chain")
		}
		time.Sleep(2 * chainIdle)
		if cs.Of(name, nil, said(t, "retry", "attempts=2")); len(cs.kept) != 1 {
			t.Errorf("%d chains are kept, want the one that is in use", len(cs.kept))
		}
	})
}

func TestRetryAfter_IsReadInEveryForm(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	const forever = time.Duration(1<<63 - 1)
	for text, want := range map[string]time.Duration{
		"":                                 0,
		"0":                                0,
		"1":                                time.Second,
		" 7 ":                              7 * time.Second,
		"007":                              7 * time.Second,
		"120":                              2 * time.Minute,
		"1.5":                              1500 * time.Millisecond,
		"0.0":                              0,
		"2147483647":                       2147483647 * time.Second,
		"2147483648":                       2147483648 * time.Second,
		"4294967296":                       4294967296 * time.Second,
		"99999999999":                      forever,
		"9223372036854775807":              forever,
		"18446744073709551616":             forever,
		strings.Repeat("9", 400):           forever,
		"-1":                               0,
		"-99999999999":                     0,
		"+5":                               0,
		"1e9":                              0,
		"0x10":                             0,
		"1,5":                              0,
		"5s":                               0,
		".":                                0,
		"5.":                               0,
		"soon":                             0,
		"Sat, 28 Nov 2026 12:00:30 GMT":    30 * time.Second,
		"Sat, 28 Nov 2026 11:59:00 GMT":    0,
		"Thu, 01 Jan 1970 00:00:00 GMT":    0,
		"Fri, 31 Dec 9999 23:59:59 GMT":    forever,
		"Saturday, 28-Nov-26 12:01:00 GMT": time.Minute,
		"Sat Nov 28 12:00:10 2026":         10 * time.Second,
		"2026-11-28T12:00:30Z":             0,
	} {
		if got := retryAfter(&fakeAnswer{retryAfter: text}, now); got != want {
			t.Errorf("%.40q is %s, want %s", text, got, want)
		}
	}
}

func TestRetry_WhatWouldTakeTooLongIsNotRepeated(t *testing.T) {
	for _, text := range []string{"99999999999", "18446744073709551616", "2", "1.2", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		synctest.Test(t, func(t *testing.T) {
			r := &replica{acts: []act{{status: 503, retryAfter: text}}}
			if got := call(t, chainOf(t, "retry", "attempts=3"), r, request("GET", "")); got != "status 503" || r.tries() != 1 {
				t.Errorf("Retry-After %s: %s after %d tries", text, got, r.tries())
			}
		})
	}
}
