package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"faas-docker/function"
	"faas-docker/policy"
)

// everyPolicy is all of them, so that none acts in a test that does not want it to.
const everyPolicy = "retry: attempts=3 backoff=1ms; tryTimeout: 1m; hedge: after=1m; breaker: failures=100; fault: delay=1ms; logCalls: level=debug; progress: every=1ms from=1"

// withPolicies gives every function these policies, "retry: attempts=2; hedge: off".
func withPolicies(t testing.TB, h *Handler, text string) {
	t.Helper()
	p := &function.Policies{}
	for part := range strings.SplitSeq(text, ";") {
		name, text, _ := strings.Cut(part, ":")
		if err := p.Set(strings.TrimSpace(name), text); err != nil {
			t.Fatal(err)
		}
	}
	h.Chains, h.SpoolDir = &policy.Chains{}, t.TempDir()
	h.Policy = func(function.Name) function.CallPolicy { return function.CallPolicy{Policies: p} }
}

// failing answers 503 as often as it is told, then with the hash of the body.
func failing(times int, tries *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		_, _ = io.Copy(hash, r.Body)
		if int(tries.Add(1)) <= times {
			w.Header().Set("X-From", "the one that failed")
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%x %d", hash.Sum(nil), r.ContentLength)
	}
}

func TestChain_WhatEachPolicyMakesOfAnInvocation(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		policies, method string
		fails            int
		code             int
		says             string
		tries            int32
	}{
		"retry":                  {"retry: attempts=3 backoff=1ms", "GET", 2, 200, "0", 3},
		"retry in vain":          {"retry: attempts=3 backoff=1ms", "GET", 9, 503, "not now", 3},
		"retry of a POST":        {"retry: attempts=3 backoff=1ms", "POST", 9, 503, "not now", 1},
		"retry of any method":    {"retry: attempts=3 backoff=1ms methods=any", "POST", 1, 200, "0", 2},
		"breaker":                {"breaker: failures=1; retry: attempts=3 backoff=1ms", "GET", 9, 503, "circuit breaker", 1},
		"fault":                  {"fault: abort=418", "GET", 0, 418, "policy fault", 0},
		"fault, tried again":     {"fault: abort=502; retry: attempts=3 backoff=1ms", "GET", 0, 502, "policy fault", 0},
		"hedge of a quick one":   {"hedge: after=1m", "GET", 0, 200, "0", 1},
		"tryTimeout of a quick":  {"tryTimeout: 1m", "GET", 0, 200, "0", 1},
		"log and progress alone": {"logCalls: ; progress:", "GET", 0, 200, "0", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			h, base := figlet(t, failing(tc.fails, &tries))
			withPolicies(t, h, tc.policies)
			answer, text := fetch(t, tc.method, base, nil)
			if answer.StatusCode != tc.code || !strings.Contains(text, tc.says) || tries.Load() != tc.tries {
				t.Errorf("got %d %q after %d tries, want %+v", answer.StatusCode, text, tries.Load(), tc)
			}
			if answer.StatusCode == 200 && answer.Header.Get("X-From") != "" {
				t.Error("the answer has a field of the one that was dropped")
			}
			if left := h.Resolver.Load(function.ParseName("figlet", function.DefaultNamespace)); left.InFlight != 0 {
				t.Errorf("%d replicas were not given back", left.InFlight)
			}
		})
	}
}

func TestChain_TheBodyIsTheSameWithEachTry(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 4096, 1 << 20, 5<<20 + 1} {
		sent := make([]byte, size)
		source := rand.NewChaCha8([32]byte{2})
		_, _ = source.Read(sent)
		for kind, body := range map[string]io.Reader{"length": bytes.NewReader(sent), "chunked": io.MultiReader(bytes.NewReader(sent))} {
			var tries atomic.Int32
			h, base := figlet(t, failing(2, &tries))
			withPolicies(t, h, everyPolicy)
			answer, text := fetch(t, "PUT", base, body)
			length := size
			if kind == "chunked" {
				length = -1
			}
			if want := fmt.Sprintf("%x %d", sha256.Sum256(sent), length); answer.StatusCode != 200 || text != want || tries.Load() != 3 {
				t.Errorf("%s, %d bytes: got %d %q after %d tries, want %q", kind, size, answer.StatusCode, text, tries.Load(), want)
			}
		}
	}
}

// The function answers before it has read all: what it has not, another try reads on.
func TestChain_ABodyThatIsStillComingIsSentAgainFromItsBeginning(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	withPolicies(t, s.handler, everyPolicy)
	s.client.say("PUT /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst")
	f := s.function()
	f.head()
	f.bytes(5)
	f.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
	f = s.function()
	f.head()
	if got := f.bytes(5); got != "first" {
		t.Errorf("the second try begins with %q", got)
	}
	s.client.say("later")
	if got := f.bytes(5); got != "later" {
		t.Errorf("the second try goes on with %q", got)
	}
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	s.has(s.client.head(), "HTTP/1.1 200 ")
	if got := s.client.bytes(2); got != "ok" {
		t.Errorf("got %q", got)
	}
}

func TestChain_EachTryAsksForABodyThatIsExpected(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	withPolicies(t, s.handler, everyPolicy)
	s.client.say("PUT /function/f HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	f := s.function()
	s.has(f.head(), "Expect: 100-continue\r\n")
	f.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
	f = s.function()
	s.has(f.head(), "Expect: 100-continue\r\n")
	f.say("HTTP/1.1 100 Continue\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 100 ")
	s.client.say("body")
	if got := f.bytes(4); got != "body" {
		t.Errorf("sent %q", got)
	}
	f.say("HTTP/1.1 204 No Content\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 204 ")
}

func TestChain_RequestTrailersAreSentWithEachTry(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	withPolicies(t, s.handler, everyPolicy)
	const body = "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"
	s.client.say("PUT /function/f HTTP/1.1\r\nHost: x\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
	for _, answer := range []string{"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"} {
		f := s.function()
		f.head()
		if got := f.bytes(len(body)); got != body {
			t.Errorf("sent %q", got)
		}
		f.say("%s", answer)
	}
	s.has(s.client.head(), "HTTP/1.1 204 ")
}

func TestChain_NothingIsSentAgainOnceTheClientHasAByte(t *testing.T) {
	t.Parallel()
	retry := "retry: attempts=3 backoff=1ms on=connect,timeout,5xx"
	t.Run("of the body", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		withPolicies(t, s.handler, retry)
		f := s.get()
		f.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		s.client.head()
		s.client.bytes(4)
		f.Close()
		if rest := s.client.rest(); rest != "" {
			t.Errorf("after the half came %q", rest)
		}
		s.untouched()
	})
	t.Run("of an interim answer", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		withPolicies(t, s.handler, retry)
		f := s.get()
		f.say("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
		s.has(s.client.head(), "HTTP/1.1 103 ")
		f.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
		s.has(s.client.head(), "HTTP/1.1 503 ")
		s.untouched()
	})
}

func TestChain_AFunctionThatEndsTheConnectionIsCalledAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	withPolicies(t, s.handler, "retry: attempts=3 backoff=1ms")
	s.client.say("PUT /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
	for try := range 3 {
		f := s.function()
		f.head()
		if got := f.bytes(4); got != "body" {
			t.Errorf("try %d sent %q", try, got)
		}
		if try < 2 {
			f.Close()
			continue
		}
		f.say("HTTP/1.1 204 No Content\r\n\r\n")
	}
	s.has(s.client.head(), "HTTP/1.1 204 ")
}

// What is repeated without any policy is not repeated with each try once more.
func TestChain_RetryAddsToWhatIsRepeatedAnyway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	withPolicies(t, s.handler, "retry: attempts=3 backoff=1ms")
	s.client.say(getF)
	for range 3 + maxReplays {
		f := s.function()
		f.head()
		f.Close()
	}
	s.has(s.client.head(), "HTTP/1.1 502 ")
	s.untouched()
}

func TestChain_ATryThatIsTooLongIsCutAndMadeAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	withPolicies(t, s.handler, "retry: attempts=2 backoff=1ms on=timeout; tryTimeout: 100ms")
	first := s.get()
	second := s.function()
	second.head()
	first.rest() // it is closed
	second.rest()
	s.has(s.client.head(), "HTTP/1.1 504 ")
	if code := <-s.seen.finished; code != 504 {
		t.Errorf("observed %d", code)
	}
}

func TestChain_AnAnswerMayTakeLongerThanItsTry(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	withPolicies(t, s.handler, "tryTimeout: 1s; hedge: after=10m")
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
	s.client.head()
	s.client.bytes(4)
	<-time.After(1200 * time.Millisecond)
	f.say("half")
	if got := s.client.bytes(4); got != "half" {
		t.Errorf("got %q", got)
	}
	if code := <-s.seen.finished; code != 200 {
		t.Errorf("observed %d", code)
	}
}

func TestChain_ALateCallIsSentTwiceAndTheLoserIsCut(t *testing.T) {
	t.Parallel()
	for name, winner := range map[string]int{"the first answers": 0, "the second answers": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			withPolicies(t, s.handler, "hedge: after=20ms; progress:")
			s.client.say("PUT /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
			tries := []*peerConn{s.function(), s.function()}
			for _, f := range tries {
				f.head()
				if got := f.bytes(4); got != "body" {
					t.Errorf("sent %q", got)
				}
			}
			tries[1-winner].say("HTTP/1.1 103 Early Hints\r\n\r\n")
			tries[winner].say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nwinner")
			s.has(s.client.head(), "HTTP/1.1 200 ")
			if got := s.client.bytes(6); got != "winner" {
				t.Errorf("got %q", got)
			}
			tries[1-winner].rest() // it is closed
			if code := <-s.seen.finished; code != 200 {
				t.Errorf("observed %d", code)
			}
		})
	}
}

func TestChain_AnUpgradePassesEveryPolicy(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	withPolicies(t, s.handler, everyPolicy)
	s.client.say("GET /function/f HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	f := s.function()
	f.head()
	f.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
	f = s.function()
	s.has(f.head(), "Upgrade: echo\r\n")
	f.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello")
	s.has(s.client.head(), "HTTP/1.1 101 ")
	if got := s.client.bytes(5); got != "hello" {
		t.Errorf("got %q", got)
	}
	s.client.say("ping")
	if got := f.bytes(4); got != "ping" {
		t.Errorf("the function got %q", got)
	}
	f.Close()
	s.client.rest()
	s.client.Close()
	if code := <-s.seen.finished; code != 101 {
		t.Errorf("observed %d", code)
	}
}

// Streams, trailers and interim answers are what they are without policies.
func TestChain_AStreamPassesEveryPolicy(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	withPolicies(t, s.handler, everyPolicy+"; hedge: off")
	f := s.get()
	f.say("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 103 ")
	f.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 200 ", "Trailer: X-Sum\r\n")
	for range 3 {
		f.say("4\r\nping\r\n")
		if got := s.client.bytes(9); got != "4\r\nping\r\n" {
			t.Errorf("got %q", got)
		}
	}
	f.say("0\r\nX-Sum: 12\r\n\r\n")
	s.has(s.client.head(), "0\r\n", "X-Sum: 12\r\n")
}

func TestChain_AClientThatLeavesEndsTheTry(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	withPolicies(t, s.handler, everyPolicy)
	f := s.get()
	s.client.Close()
	f.rest()
	if code := <-s.seen.finished; code != statusClientGone {
		t.Errorf("observed %d", code)
	}
	s.untouched()
}

func TestChain_HTTP2FunctionsHavePoliciesToo(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	h := newHandler(t)
	withPolicies(t, h, everyPolicy)
	policies := h.Policy(function.Name{}).Policies
	h.Policy = func(function.Name) function.CallPolicy {
		return function.CallPolicy{Protocol: function.ProtocolH2C, Policies: policies}
	}
	deploy(t, h, "figlet", serveBoth(t, failing(2, &tries)))
	sent := strings.Repeat("0123456789", 1000)
	answer, text := fetch(t, "PUT", "http://"+serve(t, h)+"/function/figlet", strings.NewReader(sent))
	if want := fmt.Sprintf("%x %d", sha256.Sum256([]byte(sent)), len(sent)); answer.StatusCode != 200 || text != want || tries.Load() != 3 {
		t.Errorf("got %d %q after %d tries, want %q", answer.StatusCode, text, tries.Load(), want)
	}
}

// turnedDown are the ways in which a function refuses a call in HTTP/2.
func turnedDown() map[string]func(f *frames, id uint32) {
	return map[string]func(f *frames, id uint32){
		"refuses":   func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
		"goes away": func(f *frames, _ uint32) { f.WriteGoAway(0, http2.ErrCodeNo, nil) },
	}
}

// What a function refuses in HTTP/2 it has not begun with; but a body that was read is
// there for another try only if it was kept.
func TestChain_ACallThatTheFunctionRefusesIsSentAgainWhereItMayBe(t *testing.T) {
	t.Parallel()
	for way, turnDown := range turnedDown() {
		for name, tc := range map[string]struct {
			text, method, body string
			status, calls      int32
		}{
			"PUT":                         {"on=refused", "PUT", "hello", 200, 2},
			"PUT, on the status":          {"on=503", "PUT", "hello", 200, 2},
			"PUT, on another outcome":     {"on=connect,timeout,502", "PUT", "hello", 503, 1},
			"POST":                        {"on=refused", "POST", "hello", 503, 1},
			"POST that may be repeated":   {"on=refused methods=any", "POST", "hello", 200, 2},
			"POST without a body":         {"on=connect", "POST", "", 200, 2},
			"GET, without being asked to": {"on=connect", "GET", "", 200, 2},
		} {
			t.Run(way+", "+name, func(t *testing.T) {
				t.Parallel()
				var calls atomic.Int32
				h := newHandler(t)
				withPolicies(t, h, "retry: attempts=2 backoff=1ms "+tc.text)
				policies := h.Policy(function.Name{}).Policies
				h.Policy = func(function.Name) function.CallPolicy {
					return function.CallPolicy{Protocol: function.ProtocolH2C, Policies: policies}
				}
				deploy(t, h, "figlet", framedFunction(t, func(f *frames) {
					for id := f.call(); id != 0; id = f.call() {
						body := ""
						for over := tc.body == ""; !over; {
							data := f.until(func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameData })
							if data == nil {
								return
							}
							body += string(data.(*http2.DataFrame).Data())
							over = data.Header().Flags.Has(http2.FlagDataEndStream)
						}
						if calls.Add(1) == 1 {
							turnDown(f, id)
						} else if body == tc.body {
							f.answerOK(id)
						}
					}
				}))
				answer, text := fetch(t, tc.method, "http://"+serve(t, h)+"/function/figlet", strings.NewReader(tc.body))
				if answer.StatusCode != int(tc.status) || calls.Load() != tc.calls {
					t.Errorf("got %d %q after %d calls", answer.StatusCode, text, calls.Load())
				}
			})
		}
	}
}

// The policy of one call may also change what is sent: it stands in the marked place.
func TestCallPolicy_SeesEachTryOfItsCall(t *testing.T) {
	t.Parallel()
	var tries, seen atomic.Int32
	h, base := figlet(t, failing(1, &tries))
	h.CallPolicy = func(_ function.Name, r *http.Request) policy.Policy {
		if r.Header.Get("X-Watch") == "" {
			return nil
		}
		return policy.Func(func(ctx context.Context, request *policy.Request, next policy.Sender) (policy.Answer, error) {
			seen.Add(1)
			return next(ctx, request)
		})
	}
	fetch(t, "GET", base, nil)
	if seen.Load() != 0 {
		t.Error("a call that asked for none had a policy")
	}
	tries.Store(0)
	withPolicies(t, h, "retry: attempts=2 backoff=1ms")
	r, _ := http.NewRequestWithContext(t.Context(), "GET", base, nil)
	r.Header.Set("X-Watch", "1")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 200 || seen.Load() != 2 {
		t.Errorf("got %d, and the policy saw %d tries", answer.StatusCode, seen.Load())
	}
}

func TestChain_ARouteAddsItsPolicies(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	h, _ := figlet(t, failing(2, &tries))
	withPolicies(t, h, "retry: attempts=2 backoff=1ms")
	var route function.Policies
	if err := route.Set("retry", "attempts=3 backoff=1ms"); err != nil {
		t.Fatal(err)
	}
	routed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(function.WithPolicies(r.Context(), &route)))
	})
	if answer, text := fetch(t, "GET", "http://"+serve(t, routed)+"/function/figlet", nil); answer.StatusCode != 200 || tries.Load() != 3 {
		t.Errorf("got %d %q after %d tries", answer.StatusCode, text, tries.Load())
	}
}

func TestChain_ACallWithoutPoliciesAllocatesNothingForThem(t *testing.T) {
	c := &call{handler: &Handler{Rules: Rules{Chains: &policy.Chains{}}}, client: client{r: httptest.NewRequest("GET", "/function/f", nil)}}
	allocations := testing.AllocsPerRun(1000, func() {
		if c.policies() != nil || c.ownPolicy() != nil {
			t.Fatal("there are policies")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// trailing is a body whose trailers come when it is told to; one of them was not announced.
type trailing struct {
	request   *http.Request
	first     io.Reader
	end, came chan struct{}
}

func (b *trailing) Read(p []byte) (int, error) {
	if n, err := b.first.Read(p); err == nil {
		return n, nil
	}
	<-b.end
	b.request.Trailer["X-Sum"], b.request.Trailer["X-More"] = []string{"7"}, []string{"8"}
	close(b.came)
	return 0, io.EOF
}

func (b *trailing) Close() error { return nil }

// The second try begins while the first still reads the body, with the trailers at its
// end. It announces what the first did: had it looked again, that would be a race with
// whoever reads the body.
func TestChain_TheNextTryDoesNotLookAtTrailersThatAreStillComing(t *testing.T) {
	t.Parallel()
	end, came := make(chan struct{}), make(chan struct{})
	announced := make(chan string, 2)
	h := newHandler(t)
	deploy(t, h, "figlet", serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		announced <- strings.Join(slices.Sorted(maps.Keys(r.Trailer)), ",")
		_ = http.NewResponseController(w).EnableFullDuplex()
		if len(announced) == 1 {
			close(end)
			w.Header().Set("Connection", "close") // net/http cannot go on behind a body that it has not read
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.Copy(w, r.Body)
		_, _ = io.WriteString(w, r.Trailer.Get("X-Sum"))
	})))
	withPolicies(t, h, "retry: attempts=2 backoff=1ms")
	var tries atomic.Int32
	h.CallPolicy = func(function.Name, *http.Request) policy.Policy {
		return policy.Func(func(ctx context.Context, request *policy.Request, next policy.Sender) (policy.Answer, error) {
			if tries.Add(1) == 2 {
				select {
				case <-came:
				case <-ctx.Done():
					t.Error("the trailers have not come")
				}
			}
			return next(ctx, request)
		})
	}
	r := httptest.NewRequest("PUT", "/function/figlet", nil)
	r.ContentLength, r.Trailer = -1, http.Header{"X-Sum": nil}
	r.Body = &trailing{r, strings.NewReader("hi"), end, came}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != "hi7" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	for try := range 2 {
		if got := <-announced; got != "X-Sum" {
			t.Errorf("try %d announces %q", try, got)
		}
	}
}

// Callers that leave, before the head or at once, open no breaker; a socket that is open
// does not keep one half-open.
func TestChain_TheBreakerIsNotTheCallersToOpen(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	h, base := figlet(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Do") {
		case "wait":
			arrived <- struct{}{}
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "read":
			arrived <- struct{}{}
			_, _ = io.Copy(io.Discard, r.Body)
		case "fail":
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	t.Cleanup(func() { close(release) }) // before the function's server waits for its calls
	withPolicies(t, h, "breaker: failures=2 open=1h")
	leave := func(do string) {
		ctx, cancel := context.WithCancel(t.Context())
		body, end := io.Pipe()
		context.AfterFunc(ctx, func() { end.CloseWithError(context.Canceled) })
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Do", do)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if got, err := http.DefaultClient.Do(r); err == nil {
				got.Body.Close()
			}
		}()
		<-arrived
		cancel()
		<-ended
	}
	seen := newWitness()
	h.Observer = seen
	for range 5 {
		leave("wait")
		<-seen.finished
		leave("read")
		<-seen.finished
	}
	for i, want := range []int{500, 500, 503} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Do", "fail")
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		<-seen.finished
		if got.StatusCode != want || (got.Header.Get("X-Circuit-Open") == "true") != (want == 503) {
			t.Errorf("failure %d: %s %v", i, got.Status, got.Header)
		}
	}
}

// A socket that stays open decides a trial when it is opened, not when it ends.
func TestChain_AnOpenSocketEndsTheTrial(t *testing.T) {
	t.Parallel()
	h, base := figlet(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	})
	withPolicies(t, h, "breaker: failures=1 open=10ms")
	if answer, _ := fetch(t, "GET", base, nil); answer.StatusCode != http.StatusInternalServerError {
		t.Fatalf("got %s", answer.Status)
	}
	open := func() string {
		conn, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSuffix(base, "/function/figlet"), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		p := newPeer(t, conn)
		p.say("GET /function/figlet HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		return p.head()
	}
	deadline := time.Now().Add(5 * time.Second)
	for !strings.HasPrefix(open(), "HTTP/1.1 101 ") {
		if time.Now().After(deadline) {
			t.Fatal("no trial was let through")
		}
	}
	for range 3 {
		if head := open(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			t.Errorf("beside an open socket: %s", head)
		}
	}
}
