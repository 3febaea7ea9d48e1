package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"faas-docker/function"
)

func TestHedge_TheFirstAnswerWinsAndTheOtherIsCancelled(t *testing.T) {
	for name, tc := range map[string]struct {
		method string
		acts   []act
		want   string
		tries  int
		took   time.Duration
	}{
		"in time":            {"GET", []act{{status: 200, takes: 50 * time.Millisecond}}, "status 200", 1, 50 * time.Millisecond},
		"failed in time":     {"GET", []act{{err: ErrBroken, takes: 50 * time.Millisecond}}, "no answer", 1, 50 * time.Millisecond},
		"the second wins":    {"GET", []act{{status: 200, takes: time.Hour}, {status: 201, takes: 10 * time.Millisecond}}, "status 201", 2, 110 * time.Millisecond},
		"the first wins":     {"GET", []act{{status: 200, takes: 120 * time.Millisecond}, {status: 201, takes: time.Hour}}, "status 200", 2, 120 * time.Millisecond},
		"one fails":          {"GET", []act{{err: ErrBroken, takes: 120 * time.Millisecond}, {status: 201, takes: 100 * time.Millisecond}}, "status 201", 2, 200 * time.Millisecond},
		"both fail":          {"GET", []act{{err: ErrLate, takes: 120 * time.Millisecond}, {err: ErrBroken, takes: 100 * time.Millisecond}}, "answer too late", 2, 200 * time.Millisecond},
		"not to be repeated": {"POST", []act{{status: 200, takes: time.Second}}, "status 200", 1, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, r := time.Now(), &replica{acts: tc.acts}
			got := call(t, chainOf(t, "hedge", "after=100ms"), r, request(tc.method, ""))
			if took := time.Since(began); got != tc.want || r.tries() != tc.tries || took != tc.took {
				t.Errorf("%s: got %s after %d tries and %s, want %+v", name, got, r.tries(), took, tc)
			}
		})
	}
}

// A replica that answered too late is not held until the answer of the other one has
// been passed on.
func TestHedge_TheLoserIsDroppedBeforeTheCallEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		dropped := make(chan int32, 2)
		send := func(context.Context, *Request) (Answer, error) {
			number := tries.Add(1)
			time.Sleep(10 * time.Second / time.Duration(number*number))
			return &toldAnswer{drop: func() { dropped <- number }}, nil
		}
		r := request("GET", "")
		if _, err := chainOf(t, "hedge", "after=1s").Do(t.Context(), r, nil, send); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		select {
		case number := <-dropped:
			if number != 1 {
				t.Errorf("try %d was dropped", number)
			}
		default:
			t.Error("the loser is still held")
		}
		r.End(200, nil)
	})
}

// toldAnswer tells when it is dropped.
type toldAnswer struct {
	fakeAnswer
	drop func()
}

func (a *toldAnswer) Drop() { a.drop() }

func TestHedge_ABodyHasToBeWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, client := io.Pipe()
		request := request("PUT", "hello")
		request.Body = body
		go func() {
			for _, piece := range []string{"hel", "lo"} {
				time.Sleep(150 * time.Millisecond)
				_, _ = io.WriteString(client, piece)
			}
			client.Close()
		}()
		began, r := time.Now(), &replica{acts: []act{{status: 200, takes: time.Hour, unread: true}, {status: 201, unread: true}}}
		reading := func(ctx context.Context, request *Request) (Answer, error) {
			go func() { _, _ = io.Copy(io.Discard, request.Body) }()
			return r.send(ctx, request)
		}
		answer, err := chainOf(t, "hedge", "after=100ms").Do(t.Context(), request, nil, reading)
		if got, took := result(answer, err), time.Since(began); got != "status 201" || took != 300*time.Millisecond {
			t.Errorf("got %s after %s, want the second try as soon as the body was whole", got, took)
		}
		request.End(201, nil)
	})
}

func TestHedge_AnUpgradeIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, request := &replica{acts: []act{{status: 101, takes: time.Second}}}, request("GET", "")
		request.HTTP.Header.Set("Upgrade", "websocket")
		if got := call(t, chainOf(t, "hedge", "after=100ms"), r, request); got != "status 101" || r.tries() != 1 {
			t.Errorf("got %s after %d tries", got, r.tries())
		}
	})
}

func TestHedge_TheAnswerOutlivesTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var used []context.Context
		send := func(ctx context.Context, _ *Request) (Answer, error) {
			used = append(used, ctx)
			return &fakeAnswer{status: 200}, nil
		}
		request := request("GET", "")
		if _, err := chainOf(t, "hedge", "after=1s", "tryTimeout", "1s").Do(t.Context(), request, nil, send); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if used[0].Err() != nil {
			t.Error("the answer was ended before the call was")
		}
		request.End(200, nil)
		if used[0].Err() == nil {
			t.Error("the try is not ended with the call")
		}
	})
}

func TestTryTimeout_EndsATryThatIsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, r := time.Now(), &replica{acts: []act{{status: 200, takes: time.Hour}, {status: 200, takes: 50 * time.Millisecond}}}
		c := chainOf(t, "tryTimeout", "100ms", "retry", "attempts=2 on=timeout backoff=1us max_backoff=1us")
		if got := call(t, c, r, request("GET", "")); got != "status 200" || time.Since(began) > 151*time.Millisecond {
			t.Errorf("got %s after %s", got, time.Since(began))
		}
		r = &replica{acts: []act{{status: 200, takes: time.Hour}}}
		_, err := chainOf(t, "tryTimeout", "100ms").Do(t.Context(), request("GET", ""), nil, r.send)
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Status != 504 || !strings.Contains(refused.Text, "100ms") || !errors.Is(err, ErrLate) {
			t.Errorf("got %v", err)
		}
	})
}

func TestBreaker_OpensTriesAndCloses(t *testing.T) {
	for name, text := range map[string]string{"in a row": "failures=3 open=10s", "rate": "rate=50% calls=3 open=10s"} {
		synctest.Test(t, func(t *testing.T) {
			c, r := chainOf(t, "breaker", text), &replica{acts: []act{{status: 500}}}
			for range 3 {
				if got := call(t, c, r, request("GET", "")); got != "status 500" {
					t.Fatalf("%s: closed: got %s", name, got)
				}
			}
			r.acts = []act{{status: 200}}
			time.Sleep(4 * time.Second)
			_, err := c.Do(t.Context(), request("GET", ""), nil, r.send)
			var failure *function.Failure
			if !errors.As(err, &failure) || !errors.Is(err, ErrOpen) || failure.RetryAfter != 6*time.Second || r.tries() != 3 {
				t.Errorf("%s: open: got %v after %d tries", name, err, r.tries())
			}
			time.Sleep(7 * time.Second)
			for range 5 {
				if got := call(t, c, r, request("GET", "")); got != "status 200" {
					t.Errorf("%s: tried again: got %s", name, got)
				}
			}
		})
	}
}

func TestBreaker_AClientThatLeavesIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := chainOf(t, "breaker", "failures=1"), &replica{acts: []act{{status: 200, takes: time.Second}}}
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, _ = c.Do(ctx, request("GET", ""), nil, r.send)
			cancel()
		}
		if got := call(t, c, r, request("GET", "")); got != "status 200" {
			t.Errorf("got %s", got)
		}
	})
}

// A breaker that opens at the first failure is open after a try exactly when the function
// has failed in it.
func TestBreaker_JudgesWhatTheFunctionDid(t *testing.T) {
	hangUp := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Millisecond, cancel)
		return ctx, cancel
	}
	callTime := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithDeadlineCause(ctx, time.Now().Add(time.Millisecond), fmt.Errorf("call took too long: %w", ErrLate))
	}
	deadline := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Millisecond)
	}
	broken, late := fmt.Errorf("%w: reset", ErrBroken), fmt.Errorf("%w: slow", ErrLate)
	for name, test := range map[string]struct {
		on     string
		caller func(context.Context) (context.Context, context.CancelFunc)
		act    act
		fails  bool
	}{
		"a success":                             {"", nil, act{status: 200}, false},
		"an upgrade":                            {"", nil, act{status: 101}, false},
		"a 404":                                 {"", nil, act{status: 404}, false},
		"a 500":                                 {"", nil, act{status: 500}, true},
		"a 404 that counts":                     {" on=404", nil, act{status: 404}, true},
		"a 500 that does not":                   {" on=connect", nil, act{status: 500}, false},
		"no connection":                         {"", nil, act{err: ErrUnsent}, true},
		"an end without an answer":              {"", nil, act{err: broken}, true},
		"a late answer":                         {"", nil, act{err: late}, true},
		"a late answer that does not count":     {" on=5xx", nil, act{err: late}, false},
		"no replica":                            {"", nil, act{err: function.Unavailable(nil, "no room")}, false},
		"a refusal":                             {"", nil, act{err: ErrRefused}, true},
		"a refusal that counts as nothing":      {" on=timeout", nil, act{err: ErrRefused}, false},
		"a caller that hangs up":                {"", hangUp, act{status: 200, takes: time.Second}, false},
		"one that hangs up, seen as a reset":    {"", hangUp, act{err: broken, late: time.Second}, false},
		"one that hangs up, seen as too slow":   {"", hangUp, act{err: late, late: time.Second}, false},
		"one that hangs up before a 500":        {"", hangUp, act{status: 500, late: time.Second}, true},
		"one that hangs up before a 200":        {"", hangUp, act{status: 200, late: time.Second}, false},
		"a caller's deadline":                   {"", deadline, act{err: broken, late: time.Second}, false},
		"the time of the call":                  {"", callTime, act{status: 200, takes: time.Second}, true},
		"the time of the call, seen as a reset": {"", callTime, act{err: broken, late: time.Second}, true},
		"the time, which does not count":        {" on=5xx", callTime, act{status: 200, takes: time.Second}, false},
		"gRPC: unavailable":                     {"", nil, act{status: 200, grpcStatus: "14"}, true},
		"gRPC: internal":                        {"", nil, act{status: 200, grpcStatus: "13"}, true},
		"gRPC: not found":                       {"", nil, act{status: 200, grpcStatus: "5"}, false},
		"gRPC: unavailable, which is no 500":    {" on=500", nil, act{status: 200, grpcStatus: "14"}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, r := chainOf(t, "breaker", "failures=1"+test.on), &replica{acts: []act{test.act}}
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if test.caller != nil {
				ctx, cancel = test.caller(ctx)
			}
			_, _ = c.Do(ctx, request("GET", ""), nil, r.send)
			cancel()
			r.acts = []act{{status: 200}}
			_, err := c.Do(t.Context(), request("GET", ""), nil, r.send)
			if errors.Is(err, ErrOpen) != test.fails {
				t.Errorf("%s: then %v", name, err)
			}
		})
	}
}

func TestBreaker_ATrialThatPanicsIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := chainOf(t, "breaker", "failures=1 open=10s trials=1"), &replica{acts: []act{{status: 500}, {status: 200}}}
		call(t, c, r, request("GET", ""))
		time.Sleep(11 * time.Second)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = c.Do(t.Context(), request("GET", ""), nil, func(context.Context, *Request) (Answer, error) { panic("oh") })
		}()
		if got := call(t, c, r, request("GET", "")); got != "status 200" {
			t.Errorf("the next trial: got %s", got)
		}
	})
}

func TestFault_DelaysAndAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, r := time.Now(), &replica{acts: []act{{status: 200}}}
		if got := call(t, chainOf(t, "fault", "delay=1s"), r, request("GET", "")); got != "status 200" || time.Since(began) != time.Second {
			t.Errorf("got %s after %s", got, time.Since(began))
		}
		_, err := chainOf(t, "fault", "abort=418").Do(t.Context(), request("GET", ""), nil, r.send)
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Status != 418 || !errors.Is(err, ErrInjected) || r.tries() != 1 {
			t.Errorf("got %v after %d tries", err, r.tries())
		}
		aborted, c := 0, chainOf(t, "fault", "abort=503 abort_share=30%")
		for range 1000 {
			if call(t, c, r, request("GET", "")) != "status 200" {
				aborted++
			}
		}
		// Less than one run in a billion is further off than six standard deviations.
		if aborted < 300-90 || aborted > 300+90 {
			t.Errorf("%d of 1000 calls were aborted, want 30 %%", aborted)
		}
	})
}

func TestFault_IsSeenByRetryAndBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &replica{acts: []act{{status: 200}}}
		c := chainOf(t, "fault", "abort=503", "retry", "attempts=3", "breaker", "failures=2")
		if got := call(t, c, r, request("GET", "")); !strings.Contains(got, "circuit breaker") || r.tries() != 0 {
			t.Errorf("got %s after %d tries", got, r.tries())
		}
	})
}

func TestLog_WritesOneLineWithoutSecrets(t *testing.T) {
	var written bytes.Buffer
	cs := &Chains{Logger: logTo(&written)}
	c := cs.Of(function.Name{Name: "f"}, said(t, "logCalls", "headers=authorization,cookie,user-agent,x-tenant redact=x-tenant", "retry", "attempts=3 backoff=1us"), nil)
	request := request("PUT", "hello")
	for key, value := range map[string]string{"Authorization": "Bearer hush", "Cookie": "id=hush", "User-Agent": "curl", "X-Tenant": "hush", "Accept": "any"} {
		request.HTTP.Header.Set(key, value)
	}
	call(t, c, &replica{acts: []act{{status: 503}, {status: 200}}}, request)
	lines := strings.Split(strings.TrimSpace(written.String()), "\n")
	line := lines[len(lines)-1]
	for _, want := range []string{"[INFO]", "call:", "method=PUT", "path=/function/f/path", "status=200", "tries=2", "sent=5", "took=", "call_id=id",
		`query="token=REDACTED&page=2"`, "header_authorization=REDACTED", "header_cookie=REDACTED", "header_user-agent=curl", "header_x-tenant=REDACTED"} {
		if !strings.Contains(line, want) {
			t.Errorf("missing %s in %s", want, line)
		}
	}
	for _, secret := range []string{"hush", "t0ps3cret", "accept"} {
		if strings.Contains(written.String(), secret) {
			t.Errorf("%s was written: %s", secret, written.String())
		}
	}
}

func TestSecrets_QueriesStayReadable(t *testing.T) {
	for raw, want := range map[string]string{
		"page=2&sort=up":         "page=2&sort=up",
		"api_key=k&page=2":       "api_key=REDACTED&page=2",
		"%61ccess%5Ftoken=abc":   "%61ccess%5Ftoken=REDACTED",
		"flag&password=":         "flag&password=REDACTED",
		"%zz=1&x=%zz":            "%zz=REDACTED&x=%zz",
		"X-Amz-Signature=1&tag=": "X-Amz-Signature=REDACTED&tag=",
	} {
		if got := (secrets{}).query(raw); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

func TestProgress_TellsOfLongBodiesNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written bytes.Buffer
		cs := &Chains{Logger: logTo(&written)}
		c := cs.Of(function.Name{Name: "f"}, said(t, "progress", "every=5s from=100"), nil)
		request := request("PUT", strings.Repeat("x", 1000))
		slowly := func(_ context.Context, r *Request) (Answer, error) {
			for buffer := make([]byte, 100); ; time.Sleep(time.Second) {
				if _, err := r.Body.Read(buffer); err == io.EOF {
					return &fakeAnswer{status: 200}, nil
				}
			}
		}
		if _, err := c.Do(t.Context(), request, nil, slowly); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(3 * time.Second)
			request.Passed(60)
		}
		want := []string{"direction=upload function=f. of=1000 bytes=600", "direction=upload function=f. of=1000 bytes=1000", "direction=download function=f. bytes=120"}
		lines := strings.Split(strings.TrimSpace(written.String()), "\n")
		if len(lines) != len(want) {
			t.Fatalf("got\n%s", written.String())
		}
		for i, line := range lines {
			if !strings.Contains(line, "progress: ") || !strings.HasSuffix(line, want[i]) {
				t.Errorf("got %s, want %s", line, want[i])
			}
		}
	})
}

// The order is a promise: see the comment of the package.
func TestChain_TheOrderIsFixed(t *testing.T) {
	c := chainOf(t, "progress", "", "fault", "abort=503", "tryTimeout", "1s", "breaker", "failures=1", "hedge", "after=1s", "retry", "", "logCalls", "")
	want := []string{"*policy.logging", "*policy.retry", "*policy.hedge", "*policy.breaker", "policy.tryTimeout", "policy.fault", "own", "policy.progress", "sender"}
	var got []string
	spied := &Chain{outer: spiesOn(c.outer, &got), inner: spiesOn(c.inner, &got)}
	own := Func(func(ctx context.Context, r *Request, next Sender) (Answer, error) {
		got = append(got, "own")
		return next(ctx, r)
	})
	_, _ = spied.Do(t.Context(), request("GET", ""), own, func(context.Context, *Request) (Answer, error) { got = append(got, "sender"); return nil, nil })
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// A hedged try has a goroutine of its own, where a panic would end the program.
func TestHedge_APolicyThatPanicsFailsItsTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := Func(func(context.Context, *Request, Sender) (Answer, error) { panic("oh") })
		r := &replica{acts: []act{{status: 200}}}
		answer, err := chainOf(t, "hedge", "after=1s").Do(t.Context(), request("GET", ""), own, r.send)
		if answer != nil || err == nil || !strings.Contains(err.Error(), "oh") {
			t.Errorf("got %v, %v", answer, err)
		}
	})
}

func TestChain_APolicyOfOneCallSeesEachTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := 0
		own := Func(func(ctx context.Context, r *Request, next Sender) (Answer, error) { seen++; return next(ctx, r) })
		r := &replica{acts: []act{{status: 503}, {status: 200}}}
		if _, err := chainOf(t, "retry", "attempts=3").Do(t.Context(), request("GET", ""), own, r.send); err != nil || seen != 2 {
			t.Errorf("seen %d tries, %v", seen, err)
		}
		if _, err := (*Chain)(nil).Do(t.Context(), request("GET", ""), own, r.send); err != nil || seen != 3 {
			t.Errorf("without a chain: seen %d tries, %v", seen, err)
		}
	})
}
