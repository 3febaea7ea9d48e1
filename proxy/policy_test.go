package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/wire/wiretest"
)

// testPatience is how short the timeouts of tests are that want to see them.
const testPatience = 100 * time.Millisecond

// testSilence is how long streams may be silent in tests of that. It is long enough
// for a busy machine to speak several times within it.
const testSilence = 2 * time.Second

func withPolicy(t *testing.T, p function.CallPolicy) *stage {
	s := newStage(t)
	s.handler.Policy = func(function.Name) function.CallPolicy { return p }
	return s
}

func TestPolicy_HeadTimeoutIsTheFunctions(t *testing.T) {
	t.Parallel()
	s := withPolicy(t, function.CallPolicy{HeadTimeout: testPatience})
	s.get()
	s.has(s.client.head(), "HTTP/1.1 504 ")
}

func TestPolicy_TimeoutBoundsTheWholeCall(t *testing.T) {
	t.Parallel()
	s := withPolicy(t, function.CallPolicy{Timeout: testPatience})
	f := s.get()
	s.has(s.client.head(), "HTTP/1.1 504 ")
	if code := <-s.seen.finished; code != 504 {
		t.Errorf("observed %d", code)
	}
	f.rest()
	f = s.get()
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")
	s.client.head()
	if got := s.client.rest(); got != "begin" {
		t.Errorf("got %q", got)
	}
	if code := <-s.seen.finished; code != 504 {
		t.Errorf("observed %d", code)
	}
}

// The end of the call's own clock is not the client's going away.
func TestPolicy_FailuresWithinTheTimeoutAreAnswered(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{function.ProtocolHTTP1, function.ProtocolH2C} {
		h, seen := newHandler(t), newWitness()
		h.Observer = seen
		h.Policy = func(function.Name) function.CallPolicy {
			return function.CallPolicy{Timeout: time.Minute, Protocol: protocol}
		}
		deploy(t, h, "figlet", wiretest.Vacant(t, "127.0.0.1").String())
		answer, text := fetch(t, "GET", "http://"+serve(t, h)+"/function/figlet", nil)
		if code := <-seen.finished; answer.StatusCode != 502 || !strings.Contains(text, "cannot be reached") || code != 502 {
			t.Errorf("%s: got %d %q, observed %d", protocol, answer.StatusCode, text, code)
		}
	}
}

func TestPolicy_TimeoutBoundsTheWaitForAReplica(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	h.Policy = func(function.Name) function.CallPolicy { return function.CallPolicy{Timeout: testPatience} }
	deploy(t, h, "asleep")
	answer, text := fetch(t, "GET", "http://"+serve(t, h)+"/function/asleep", nil)
	if answer.StatusCode != 504 || !strings.Contains(text, "within 100ms") {
		t.Errorf("got %d %q", answer.StatusCode, text)
	}
}

func TestPolicy_IdleTimeoutCutsASilentStream(t *testing.T) {
	t.Parallel()
	s := withPolicy(t, function.CallPolicy{IdleTimeout: testSilence})
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	s.client.head()
	for range 5 {
		<-time.After(testSilence / 4)
		f.say("4\r\nping\r\n")
		s.client.bytes(9)
	}
	if rest := s.client.rest(); rest != "" {
		t.Errorf("after the silence came %q", rest)
	}
	if code := <-s.seen.finished; code != 504 {
		t.Errorf("observed %d", code)
	}
}

func TestPolicy_IdleTimeoutCutsASilentUpgradedConnection(t *testing.T) {
	t.Parallel()
	s := withPolicy(t, function.CallPolicy{IdleTimeout: testSilence})
	s.client.say("GET /function/f HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	f := s.function()
	f.head()
	f.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	s.client.head()
	for range 5 {
		<-time.After(testSilence / 4)
		s.client.say("ping")
		f.bytes(4)
	}
	s.client.rest()
	f.rest()
}

func TestPolicy_LargeBodiesAreRefused(t *testing.T) {
	t.Parallel()
	h, base := figlet(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	h.Policy = func(function.Name) function.CallPolicy { return function.CallPolicy{MaxRequestBody: 5} }
	for _, tc := range []struct {
		body io.Reader
		code int
	}{
		{strings.NewReader("hello"), 200},
		{strings.NewReader("hello!"), 413},
		{io.MultiReader(strings.NewReader("hello")), 200},
	} {
		if answer, text := fetch(t, "POST", base, tc.body); answer.StatusCode != tc.code {
			t.Errorf("got %d %q, want %d", answer.StatusCode, text, tc.code)
		}
	}
	s := withPolicy(t, function.CallPolicy{MaxRequestBody: 5})
	s.client.say("POST /function/f HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 413 ", "Connection: close\r\n")
}

func TestPolicy_AFullLineIsTooManyRequests(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	name := deploy(t, h, "busy")
	h.Resolver.Refuse(name, &function.Failure{Kind: function.ErrBusy, Text: "100 callers wait in line", RetryAfter: time.Second}, time.Now().Add(time.Minute))
	answer, text := fetch(t, "GET", "http://"+serve(t, h)+"/function/busy", nil)
	if answer.StatusCode != 429 || answer.Header.Get("Retry-After") != "1" || !strings.Contains(text, "busy") {
		t.Errorf("got %d %q %v", answer.StatusCode, text, answer.Header)
	}
}
