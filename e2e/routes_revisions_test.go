package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

// revisions is the rules of a canary of two revisions: a share of those who are new
// gets the present one.
func revisions(name string, share float64) string {
	return fmt.Sprintf(`
		$id.forced: $host && Header("X-Canary", "1") && Weight(10) -> $to;
		$id.before: $host && Header("X-Canary", "0") && Weight(10) -> "function:%[1]s@previous";
		$id.new: $host && Traffic(%[2]g, "revision", "new") -> responseCookie("revision", "new") -> $to;
		$id.old: $host -> responseCookie("revision", "old") -> "function:%[1]s@previous"`, name, share)
}

// colored is a function that tells its color, and keeps the revision before it.
func colored(t testing.TB, h *host, window string) types.FunctionDeployment {
	t.Helper()
	spec := h.spec(t, "env")
	spec.EnvVars = map[string]string{"color": "red"}
	spec.Annotations = &map[string]string{function.AnnotationRollback: window}
	h.deploy(t, spec)
	return spec
}

// repaint updates a function and returns when the new color takes the calls.
func (h *host) repaint(t testing.TB, spec types.FunctionDeployment, color string) {
	t.Helper()
	spec.EnvVars = map[string]string{"color": color}
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatalf("update to %s: %d %v", color, code, err)
	}
	eventually(t, color+" takes the calls", func() (bool, string) {
		way := h.wayBack(t, spec.Service).Rollback
		got := h.get(t, "/function/"+spec.Service).body
		return way.Replicas > 0 && !way.Until.IsZero() && strings.Contains(got, "color="+color+"\n"), fmt.Sprintf("%+v %s", way, got)
	})
}

// painted is the color that answers, and the cookie it came with.
func (h *host) painted(ctx context.Context, host string, header map[string]string) (color, cookie string, err error) {
	got, err := h.try(ctx, request{method: http.MethodGet, path: "/", host: host, header: header})
	if err != nil {
		return "", "", err
	}
	_, rest, told := strings.Cut("\n"+got.body, "\ncolor=")
	if got.StatusCode != http.StatusOK || !told {
		return "", "", fmt.Errorf("%d %s", got.StatusCode, got.body)
	}
	color, _, _ = strings.Cut(rest, "\n")
	cookie, _, _ = strings.Cut(got.Header.Get("Set-Cookie"), ";")
	return color, cookie, nil
}

// wantsColor fails the test unless a call with a header is answered so.
func (h *host) wantsColor(t testing.TB, host, key, value, want string) {
	t.Helper()
	if color, _, err := h.painted(t.Context(), host, map[string]string{key: value}); err != nil || color != want {
		t.Errorf("%s: %s led to %s, %v; want %s", key, value, color, err, want)
	}
}

func TestRevisions_BehindOneRouteByShareHeaderAndCookie(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := colored(t, h, "10m")
	host := h.route(t, spec.Service, revisions(spec.Service, 0.5))
	h.wantsColor(t, host, "X-Canary", "0", "red") // there is nothing before it yet
	h.repaint(t, spec, "blue")
	h.awaitFrozen(t, spec.Service, 1)
	h.wantsColor(t, host, "X-Canary", "1", "blue")
	h.wantsColor(t, host, "X-Canary", "0", "red")
	seen := map[string]string{}
	for range 200 {
		color, cookie, err := h.painted(t.Context(), host, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen[color] = cookie
	}
	if seen["blue"] != "revision=new" || seen["red"] != "revision=old" || len(seen) != 2 {
		t.Fatalf("200 calls at a half went to %v", seen)
	}
	for range 20 {
		h.wantsColor(t, host, "Cookie", "revision=new", "blue")
		h.wantsColor(t, host, "Cookie", "revision=old", "red")
	}
	h.wantsColor(t, host, "Cookie", "revision=old; x=y", "red")
	h.awaitFrozen(t, spec.Service, 1) // it rests again, and wakes again
	h.wantsColor(t, host, "X-Canary", "0", "red")
}

// called has a route called from several sides until stop. some waits until some calls
// have passed.
func (h *host) called(t testing.TB, host string) (some, stop func()) {
	t.Helper()
	calls, done := atomic.Int64{}, make(chan struct{})
	var callers sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			header := map[string]string{"Cookie": [...]string{"", "revision=old", "revision=new", ""}[caller]}
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, _, err := h.painted(context.Background(), host, header); err != nil {
					t.Errorf("call %d: %v", calls.Load(), err)
					return
				}
				calls.Add(1)
			}
		})
	}
	some = func() {
		t.Helper()
		before := calls.Load()
		eventually(t, "some calls pass", func() (bool, string) { return t.Failed() || calls.Load() >= before+20, fmt.Sprint(calls.Load()) })
	}
	return some, func() {
		close(done)
		callers.Wait()
		t.Logf("%d calls", calls.Load())
	}
}

func TestRevisions_ChangeWithoutADroppedCall(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := colored(t, h, "10m")
	host := h.route(t, spec.Service, revisions(spec.Service, 0))
	someCalls, stop := h.called(t, host)
	defer stop()
	h.repaint(t, spec, "blue")
	for i := range 10 {
		h.route(t, spec.Service, revisions(spec.Service, float64(i%5)/4))
		someCalls()
	}
	for _, color := range []string{"red", "blue", "red", "blue"} {
		h.send(t, http.MethodPost, "/system/rollback/"+spec.Service, nil).wants(t, http.StatusOK)
		h.wantsColor(t, host, "X-Canary", "1", color)
		h.wantsColor(t, host, "X-Canary", "0", "red")
		someCalls()
	}
	h.repaint(t, spec, "green")
	h.wantsColor(t, host, "X-Canary", "0", "blue")
	h.wantsColor(t, host, "X-Canary", "1", "green")
	someCalls()
}

func TestRevisions_WhenTheWindowEndsThePresentOneHasAll(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := colored(t, h, "5s")
	host := h.route(t, spec.Service, revisions(spec.Service, 0.1))
	someCalls, stop := h.called(t, host)
	defer stop()
	spec.EnvVars = map[string]string{"color": "blue"}
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	eventually(t, "only the present revision is left", func() (bool, string) {
		left := h.containers(t, spec.Service)
		return len(left) == 1 && strings.Contains(h.get(t, "/function/"+spec.Service).body, "color=blue\n"), strings.Join(left, " ")
	})
	someCalls()
	h.wantsColor(t, host, "X-Canary", "0", "blue")
	h.wantsColor(t, host, "Cookie", "revision=old", "blue")
}
