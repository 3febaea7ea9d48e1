package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"faas-docker/function"
)

// moody deploys testdata/moody with policies, "retry: attempts=2; hedge: off", and
// returns its path.
func (h *host) moody(t testing.TB, policies string) string {
	t.Helper()
	spec := h.spec(t, "moody")
	annotations := map[string]string{}
	for part := range strings.SplitSeq(policies, ";") {
		if name, text, found := strings.Cut(part, ":"); found {
			annotations[function.PolicyPrefix+strings.TrimSpace(name)] = strings.TrimSpace(text)
		}
	}
	spec.Annotations = &annotations
	h.deploy(t, spec)
	return "/function/" + spec.Service
}

func TestPolicies_EachAroundARealFunction(t *testing.T) {
	t.Parallel()
	h := patient(t)
	for name, tc := range map[string]struct {
		policies, method, query string
		status                  int
		says                    string
		// calls is how often the function was called; -1 where that is left open.
		calls int
	}{
		"none":                            {"", "GET", "fails=1&how=503", 503, "bad mood", 1},
		"retry":                           {"retry: attempts=3 backoff=1ms", "GET", "fails=2&how=503", 200, "call 3", 3},
		"retry of what is not idempotent": {"retry: attempts=3 backoff=1ms", "POST", "fails=1&how=503", 503, "bad mood", 1},
		"retry of any method":             {"retry: attempts=3 backoff=1ms methods=any", "POST", "fails=1&how=502", 200, "call 2", 2},
		"retry of a call without answer":  {"retry: attempts=3 backoff=1ms", "PUT", "fails=2&how=die", 200, "call 3", 3},
		"retry in vain":                   {"retry: attempts=2 backoff=1ms on=5xx", "GET", "fails=9&how=500", 500, "bad mood", 2},
		"tryTimeout":                      {"tryTimeout: 1s", "GET", "fails=1&how=hang", 504, "within 1s", 1},
		"tryTimeout and retry":            {"tryTimeout: 3s; retry: attempts=2 backoff=1ms", "GET", "fails=1&how=hang", 200, "call 2", 2},
		"hedge":                           {"hedge: after=50ms", "GET", "fails=1&how=hang", 200, "call 2", 2},
		"breaker":                         {"breaker: failures=1; retry: attempts=3 backoff=1ms", "GET", "fails=9&how=503", 503, "circuit breaker", -1},
		"fault":                           {"fault: abort=418", "GET", "", 418, "policy fault", -1},
		"fault that only delays":          {"fault: delay=10ms", "GET", "", 200, "call 1", 1},
		"logCalls":                        {"logCalls: level=info", "GET", "", 200, "call 1", 1},
		"progress":                        {"progress: every=1ms from=1", "PUT", "", 200, "call 1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := h.moody(t, tc.policies)
			body := ""
			if tc.method != "GET" {
				body = "hello"
			}
			h.do(t, request{method: tc.method, path: path + "?id=x&" + tc.query, body: body}).wants(t, tc.status, tc.says)
			if tc.calls < 0 {
				return
			}
			if got := h.get(t, path+"/calls?id=x").body; got != fmt.Sprint(tc.calls) {
				t.Errorf("called %s times, want %d", got, tc.calls)
			}
		})
	}
}

// noise is a body of random bytes, which is made while it is read.
func noise(size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{7}), size)
}

func TestPolicies_RetrySendsTheSameBytes(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.moody(t, "retry: attempts=3 backoff=1ms")
	for _, size := range []int64{1, 1 << 20, 100 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			hash := sha256.New()
			_, _ = io.Copy(hash, noise(size))
			sent, err := http.NewRequestWithContext(t.Context(), http.MethodPut, fmt.Sprintf("%s%s?id=%d&fails=1&how=503", h.url, path, size), noise(size))
			if err != nil {
				t.Fatal(err)
			}
			sent.ContentLength = size
			response, err := h.client.Do(sent)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			got, err := io.ReadAll(response.Body)
			if want := fmt.Sprintf("call 2: %d bytes %x", size, hash.Sum(nil)); err != nil || string(got) != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestPolicies_NothingIsSentAgainOnceAnAnswerHasBegun(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.moody(t, "retry: attempts=3 backoff=1ms on=connect,timeout,5xx; tryTimeout: 10s; hedge: after=10s")
	if got, err := h.try(t.Context(), request{method: http.MethodGet, path: path + "?id=x&fails=3&how=half"}); err == nil {
		t.Errorf("half an answer looks whole: %d %s", got.StatusCode, got.body)
	}
	if got := h.get(t, path+"/calls?id=x").body; got != "1" {
		t.Errorf("called %s times", got)
	}
}

// allPolicies are those that let a well-behaved function be.
const allPolicies = "retry: attempts=3 backoff=1ms; tryTimeout: 10s; hedge: after=10s; breaker: failures=100; fault: delay=1ms; logCalls: level=debug; progress: every=1ms from=1"

func TestPolicies_AWebSocketPassesAllOfThem(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "talker")
	annotations := map[string]string{}
	for part := range strings.SplitSeq(allPolicies, "; ") {
		name, text, _ := strings.Cut(part, ": ")
		annotations[function.PolicyPrefix+name] = text
	}
	spec.Annotations = &annotations
	h.deploy(t, spec)
	var filters string
	for name, text := range annotations {
		filters += fmt.Sprintf(` -> %s("%s")`, strings.TrimPrefix(name, function.PolicyPrefix), text)
	}
	routed := h.route(t, spec.Service, `$id: $host && Path("/socket")`+filters+` -> setPath("/ws") -> $to`)
	for target, host := range map[string]string{"/function/" + spec.Service + "/ws": "", "/socket": routed} {
		conn, response, err := websocket.Dial(t.Context(), h.url+target, &websocket.DialOptions{Host: host, HTTPClient: h.client})
		if err != nil {
			t.Fatalf("%s: %v: %+v", target, err, response)
		}
		for _, message := range []string{"hello", strings.Repeat("x", 20000)} {
			if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
				t.Fatal(err)
			}
			if _, got, err := conn.Read(t.Context()); err != nil || string(got) != message {
				t.Fatalf("%s: got %d bytes, %v, want %d", target, len(got), err, len(message))
			}
		}
		if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
	}
}

func TestPolicies_ARouteAsksForItsOwn(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.moody(t, "retry: attempts=2 backoff=1ms")
	name := strings.TrimPrefix(path, "/function/")
	host := h.route(t, name, `
		$id.more: $host && Path("/more") -> retry("attempts=4 backoff=1ms") -> $to;
		$id.none: $host && Path("/none") -> retry("off") -> $to`)
	for target, want := range map[string]string{"/more?id=m": "call 4", "/none?id=n": "bad mood"} {
		got := h.do(t, request{method: http.MethodGet, path: target + "&fails=3&how=503", host: host})
		if !strings.Contains(got.body, want) {
			t.Errorf("%s: got %d %s, want %s", target, got.StatusCode, got.body, want)
		}
	}
	if got := h.get(t, path+"/calls?id=n").body; got != "1" {
		t.Errorf("without a retry it was called %s times", got)
	}
}

func TestPolicies_WhatCannotBeUnderstoodIsRefusedByName(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "moody")
	for name, says := range map[string]string{"retry": "attempts", "retri": "no policy is called retri"} {
		spec.Annotations = &map[string]string{function.PolicyPrefix + name: "attempts=many"}
		h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, function.PolicyPrefix+name, says)
	}
}

func TestPolicies_ABreakerSurvivesADeploymentThatLeavesItAsItIs(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "moody")
	spec.Annotations = &map[string]string{function.PolicyPrefix + "breaker": "failures=1 open=1h"}
	h.deploy(t, spec)
	path := "/function/" + spec.Service
	h.do(t, request{method: http.MethodGet, path: path + "?id=x&fails=1&how=500"}).wants(t, http.StatusInternalServerError)
	update := func(breaker string) {
		t.Helper()
		spec.EnvVars = map[string]string{"v": breaker}
		spec.Annotations = &map[string]string{function.PolicyPrefix + "breaker": breaker}
		if code, err := h.sdk.Update(t.Context(), spec); err != nil {
			t.Fatal(code, err)
		}
		h.awaitReplicas(t, spec.Service, 1)
	}
	update("failures=1 open=1h")
	h.get(t, path).wants(t, http.StatusServiceUnavailable, "circuit breaker")
	update("failures=2 open=1h")
	h.get(t, path).wants(t, http.StatusOK)
}

func TestPolicies_LogCallsLeavesSecretsOut(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.moody(t, "logCalls: level=info headers=Authorization,User-Agent; retry: attempts=3 backoff=1ms")
	from := h.log.len()
	h.do(t, request{method: http.MethodPut, path: path + "?id=x&fails=1&how=503&token=hush", body: "hello",
		header: map[string]string{"Authorization": "Bearer hush", "User-Agent": "tester"}}).wants(t, http.StatusOK)
	name := strings.TrimPrefix(path, "/function/")
	eventually(t, "the line is written", func() (bool, string) {
		line := h.log.about(from, name)
		return strings.Contains(line, "status=200") && strings.Contains(line, "tries=2") && strings.Contains(line, "sent=5") &&
			strings.Contains(line, "token=REDACTED") && strings.Contains(line, "header_user-agent=tester"), line
	})
	if line := h.log.about(from, name); strings.Contains(line, "hush") {
		t.Errorf("a secret was written: %s", line)
	}
}
