package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/queue"
	"faas-docker/queue/disk"
)

// scene is an API with two functions and a queue of its own.
type scene struct {
	*testing.T
	*API
	rung   int
	broken []queue.ID
}

func (s *scene) Lane(n function.Name) (string, bool) {
	return n.String(), n.Name == "figlet" || n.Name == "env"
}

func (s *scene) MaxBody(n function.Name) int64 {
	if n.Name == "env" {
		return 100 << 10
	}
	return 0
}

func open(t *testing.T, options disk.Options) *scene {
	q, err := disk.Open(t.TempDir(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	s := &scene{T: t}
	s.API = &API{
		Queue: q, Rules: s, DefaultNamespace: "openfaas-fn", Logger: hclog.NewNullLogger(),
		Ring: func() { s.rung++ }, Break: func(id queue.ID) { s.broken = append(s.broken, id) },
	}
	return s
}

// do sends a request; headers are pairs of a name and a value.
func (s *scene) do(method, target, body string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func text(r *http.Response) string {
	body, _ := io.ReadAll(r.Body)
	return string(body)
}

func (s *scene) all() []*queue.Call {
	s.Helper()
	calls, err := s.Queue.List(queue.Query{Limit: 100})
	if err != nil {
		s.Fatal(err)
	}
	return calls
}

func TestAccept_KeepsTheWholeRequest(t *testing.T) {
	s := open(t, disk.Options{})
	for _, tc := range []struct {
		method, target, function, path string
	}{
		{"POST", "/async-function/figlet", "figlet.openfaas-fn", "/"},
		{"POST", "/async-function/figlet/", "figlet.openfaas-fn", "/"},
		{"PUT", "/async-function/figlet.dev/a/b", "figlet.dev", "/a/b"},
		{"PATCH", "/async-function/env/a%2Fb//c?x=1&y=%20", "env.openfaas-fn", "/a%2Fb//c?x=1&y=%20"},
		{"POST", "/async-function/figlet?only=query", "figlet.openfaas-fn", "/?only=query"},
		{"POST", "/async-function/figlet?raw=caf\xe9", "figlet.openfaas-fn", "/?raw=caf%E9"},
	} {
		before := time.Now()
		got := s.do(tc.method, tc.target, "hello", "X-Callback-Url", "https://example.com/back", "X-A", "1", "X-A", "2", "Connection", "X-Gone", "X-Gone", "1")
		if got.StatusCode != http.StatusAccepted || text(got) != "" {
			t.Fatalf("%s %s: %d %s", tc.method, tc.target, got.StatusCode, text(got))
		}
		c := s.all()[0]
		r := c.Request
		if c.Function.String() != tc.function || r.Method != tc.method || r.Path != tc.path || string(r.Body.Inline) != "hello" || r.Host != "example.com" || r.Remote == "" ||
			!slices.Equal(r.Header["X-A"], []string{"1", "2"}) || r.Header["X-Gone"] != nil || c.Callback != "https://example.com/back" || r.Header.Get("X-Callback-Url") == "" {
			t.Errorf("%s %s: kept is %+v", tc.method, tc.target, c)
		}
		if id := got.Header.Get("X-Call-Id"); id != c.CallID || id != c.ID.String() || got.Header.Get("Location") != "/async-function/"+id {
			t.Errorf("told are %v, want the ID %s", got.Header, c.ID)
		}
		var start int64
		fmt.Sscan(got.Header.Get("X-Start-Time"), &start)
		if at := time.Unix(0, start); at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("X-Start-Time is %s", at)
		}
	}
	if s.rung != 6 {
		t.Errorf("rung %d times, want 6", s.rung)
	}
}

func TestAccept_KeepsTheCallersOwnID(t *testing.T) {
	s := open(t, disk.Options{})
	for range 2 {
		if got := s.do("POST", "/async-function/figlet", "", "X-Call-Id", "trace-7"); got.Header.Get("X-Call-Id") != "trace-7" {
			t.Errorf("told is %q", got.Header.Get("X-Call-Id"))
		}
	}
	if calls, _ := s.Queue.FindAll("trace-7", uuid.Nil, 9); len(calls) != 2 {
		t.Errorf("%d calls are found, want 2", len(calls))
	}
}

func TestAccept_GivesAnIDForOneThatNoLogCanHave(t *testing.T) {
	s := open(t, disk.Options{})
	for _, odd := range []string{"a b", "a\"b", "caf\xe9", strings.Repeat("x", 129), "<script>"} {
		got := s.do("POST", "/async-function/figlet", "", "X-Call-Id", odd)
		if id := got.Header.Get("X-Call-Id"); got.StatusCode != 202 || id != s.all()[0].ID.String() {
			t.Errorf("%q: %d, told is %q", odd, got.StatusCode, id)
		}
	}
}

func TestAccept_RefusesWhatCannotBeMade(t *testing.T) {
	s := open(t, disk.Options{})
	long := strings.Repeat("x", 300)
	for _, tc := range []struct {
		name, method, target, body string
		headers                    []string
		code                       int
		says                       string
	}{
		{"an unknown function", "POST", "/async-function/nobody", "", nil, 404, "nobody"},
		{"no name", "POST", "/async-function/", "", nil, 404, "want a path such as"},
		{"an encoded slash for a name", "POST", "/async-function/%2F", "", nil, 404, ""},
		{"a method that reads", "HEAD", "/async-function/figlet", "", nil, 405, "POST"},
		{"OPTIONS", "OPTIONS", "/async-function/figlet", "", nil, 405, "POST"},
		{"a callback that is no URL", "POST", "/async-function/figlet", "", []string{"X-Callback-Url", "nowhere"}, 400, "X-Callback-Url"},
		{"a callback to a file", "POST", "/async-function/figlet", "", []string{"X-Callback-Url", "file:///etc/passwd"}, 400, "http"},
		{"a callback with credentials", "POST", "/async-function/figlet", "", []string{"X-Callback-Url", "http://a:b@example.com"}, 400, "credentials"},
		{"gRPC", "POST", "/async-function/figlet", "", []string{"Content-Type", "application/grpc"}, 400, "gRPC"},
		{"an upgrade", "POST", "/async-function/figlet", "", []string{"Connection", "Upgrade", "Upgrade", "websocket"}, 400, "upgraded"},
		{"a long key", "POST", "/async-function/figlet", "", []string{"Idempotency-Key", long}, 400, "255"},
		{"a key that is no text", "POST", "/async-function/figlet", "", []string{"Idempotency-Key", "caf\xe9"}, 400, "ASCII"},
		{"a long callback", "POST", "/async-function/figlet", "", []string{"X-Callback-Url", "http://example.com/" + strings.Repeat("x", 3000)}, 400, "2048"},
		{"a large body", "POST", "/async-function/env", strings.Repeat("x", 100<<10+1), nil, 413, "102400 bytes"},
	} {
		got := s.do(tc.method, tc.target, tc.body, tc.headers...)
		if body := text(got); got.StatusCode != tc.code || !strings.Contains(body, tc.says) || got.Header.Get("X-OpenFaaS-Internal") == "" || strings.Count(body, "\n") != 1 {
			t.Errorf("%s: %d %q, want %d and %q", tc.name, got.StatusCode, body, tc.code, tc.says)
		}
	}
	if left := s.all(); len(left) != 0 || s.rung != 0 {
		t.Errorf("%d calls were accepted, rung %d times", len(left), s.rung)
	}
	if got := s.do("POST", "/async-function/env", strings.Repeat("x", 100<<10)); got.StatusCode != 202 {
		t.Errorf("a body as large as may be: %d", got.StatusCode)
	}
}

func TestAccept_SaysThatTheQueueIsFull(t *testing.T) {
	s := open(t, disk.Options{MaxBytes: 2000})
	for range 10 {
		if got := s.do("POST", "/async-function/figlet", "hello"); got.StatusCode == 503 {
			if got.Header.Get("Retry-After") != "10" || !strings.Contains(text(got), "async_max_bytes") {
				t.Errorf("told are %v", got.Header)
			}
			return
		}
	}
	t.Error("it is never full")
}

func TestAccept_OneKeyIsOneCall(t *testing.T) {
	s := open(t, disk.Options{})
	long := strings.Repeat("long", 20_000)
	first := s.do("POST", "/async-function/figlet", long, "Idempotency-Key", "k")
	again := s.do("POST", "/async-function/figlet", long, "Idempotency-Key", "k")
	if first.Header.Get("Location") != again.Header.Get("Location") || again.StatusCode != 202 {
		t.Errorf("got %d %v, want the first call's", again.StatusCode, again.Header)
	}
	if got := s.do("POST", "/async-function/figlet", "other", "Idempotency-Key", "k"); got.StatusCode != 422 {
		t.Errorf("another body: got %d, want 422", got.StatusCode)
	}
	if got := s.do("POST", "/async-function/figlet/other", long, "Idempotency-Key", "k"); got.StatusCode != 422 {
		t.Errorf("another path: got %d, want 422", got.StatusCode)
	}
	if got := s.do("POST", "/async-function/env", "other", "Idempotency-Key", "k"); got.StatusCode != 202 {
		t.Errorf("another function: got %d, want 202", got.StatusCode)
	}
	if calls := s.all(); len(calls) != 2 {
		t.Fatalf("%d calls, want 2", len(calls))
	}
	body, err := s.Queue.Open(s.all()[1].Request.Body)
	if err != nil {
		t.Fatalf("the first call has lost its body: %v", err)
	}
	body.Close()
}

func TestTell_SaysHowACallStands(t *testing.T) {
	s := open(t, disk.Options{})
	place := s.do("POST", "/async-function/figlet", "hello", "Authorization", "secret").Header.Get("Location")
	read := func() (got map[string]any) {
		t.Helper()
		answer := s.do("GET", place, "")
		body := text(answer)
		if err := json.Unmarshal([]byte(body), &got); err != nil || answer.StatusCode != 200 || strings.Contains(body, "secret") || strings.Contains(body, "hello") {
			t.Fatalf("%d %s %v", answer.StatusCode, body, err)
		}
		return got
	}
	if got := read(); got["state"] != "ready" || got["function"] != "figlet.openfaas-fn" || got["tries"] != 0.0 || got["next"] == nil || got["last"] != nil {
		t.Errorf("got %v", got)
	}
	claimed, err := s.Queue.Claim("figlet.openfaas-fn", 1)
	if err != nil {
		t.Fatal(err)
	}
	c := claimed[0]
	c.State, c.Tries, c.Last = queue.Dead, 3, queue.Try{Ended: time.Now(), Status: 500, Took: 1500 * time.Millisecond}
	if err := s.Queue.Settle(t.Context(), queue.Settlement{Call: c}); err != nil {
		t.Fatal(err)
	}
	got := read()
	last, _ := got["last"].(map[string]any)
	if got["state"] != "dead" || got["tries"] != 3.0 || got["next"] != nil || last["status"] != 500.0 || last["seconds"] != 1.5 {
		t.Errorf("got %v", got)
	}
	for _, unknown := range []string{"figlet", "0199c0de-0000-7000-8000-000000000000", "", "../x"} {
		if got := s.do("GET", Prefix+unknown, ""); got.StatusCode != 404 {
			t.Errorf("%q: got %d, want 404", unknown, got.StatusCode)
		}
	}
}

func TestCancel_EndsAllCallsOfAnID(t *testing.T) {
	s := open(t, disk.Options{})
	for range 2 {
		s.do("POST", "/async-function/figlet", "", "X-Call-Id", "trace")
	}
	other := s.do("POST", "/async-function/figlet", "").Header.Get("Location")
	if _, err := s.Queue.Claim("figlet.openfaas-fn", 1); err != nil {
		t.Fatal(err)
	}
	if got := s.do("DELETE", Prefix+"trace", ""); got.StatusCode != 202 || len(s.broken) != 2 {
		t.Errorf("got %d, %d calls broken off, want 202 and 2", got.StatusCode, len(s.broken))
	}
	if got := s.do("DELETE", Prefix+"trace", ""); got.StatusCode != 409 {
		t.Errorf("again: got %d, want 409", got.StatusCode)
	}
	if got := s.do("DELETE", Prefix+"nothing", ""); got.StatusCode != 404 {
		t.Errorf("an unknown one: got %d, want 404", got.StatusCode)
	}
	left, err := s.Queue.Claim("figlet.openfaas-fn", 9)
	if err != nil || len(left) != 1 || Prefix+left[0].ID.String() != other {
		t.Errorf("left are %v %v, want %s", left, err, other)
	}
	if got := s.do("DELETE", other, ""); got.StatusCode != 202 {
		t.Errorf("by its own ID: got %d, want 202", got.StatusCode)
	}
	back := &queue.Call{CallID: "over", Lane: "callback:example.com", URL: "http://example.com/"}
	if err := s.Queue.Accept(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	if got := s.do("DELETE", Prefix+"over", ""); got.StatusCode != 409 {
		t.Errorf("a call of which only the callback is left: got %d, want 409", got.StatusCode)
	}
}
