package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/engine/enginetest"
	"faas-docker/routes"
)

// canary is the rules of a canary: a share of those who are new goes to the second
// function, and everybody stays where they are.
func canary(share float64, second string) string {
	return fmt.Sprintf(`
		$id.forced: $host && Header("X-Canary", "green") && Weight(10) -> setPath("/green") -> "function:%[2]s";
		$id.green: $host && Traffic(%[1]g, "color", "green") -> responseCookie("color", "green") -> setPath("/green") -> "function:%[2]s";
		$id.blue: $host -> responseCookie("color", "blue") -> setPath("/blue") -> $to`, share, second)
}

// color is which of the two functions answered, and the cookie it came with.
func (h *host) color(ctx context.Context, host string, header map[string]string) (color, cookie string, err error) {
	got, err := h.try(ctx, request{method: http.MethodGet, path: "/", host: host, header: header})
	if err != nil {
		return "", "", err
	}
	color, answered := strings.CutPrefix(strings.TrimSpace(got.body), "GET /")
	if got.StatusCode != http.StatusOK || !answered {
		return "", "", fmt.Errorf("%d %s", got.StatusCode, got.body)
	}
	cookie, _, _ = strings.Cut(got.Header.Get("Set-Cookie"), ";")
	return color, cookie, nil
}

func TestRoutes_CanaryByShareHeaderAndCookie(t *testing.T) {
	t.Parallel()
	h := patient(t)
	blue, green := h.talker(t), h.talker(t)
	host := h.route(t, blue, canary(0.5, green))
	ask := func(header map[string]string) (string, string) {
		t.Helper()
		color, cookie, err := h.color(t.Context(), host, header)
		if err != nil {
			t.Fatal(err)
		}
		return color, cookie
	}
	seen := map[string]string{}
	for range 200 {
		color, cookie := ask(nil)
		seen[color] = cookie
	}
	if seen["blue"] != "color=blue" || seen["green"] != "color=green" || len(seen) != 2 {
		t.Fatalf("200 calls at a half went to %v", seen)
	}
	for want, cookie := range seen {
		for range 20 {
			if color, again := ask(map[string]string{"Cookie": cookie}); color != want || again != "" {
				t.Fatalf("somebody with the cookie %s was sent to %s, and given %q", cookie, color, again)
			}
		}
	}
	if color, _ := ask(map[string]string{"X-Canary": "green", "Cookie": "color=blue"}); color != "green" {
		t.Errorf("the header led to %s", color)
	}
	h.route(t, blue, canary(0, green))
	if color, _ := ask(nil); color != "blue" {
		t.Errorf("at a share of 0: %s", color)
	}
	if color, _ := ask(map[string]string{"Cookie": "color=green"}); color != "green" {
		t.Errorf("at a share of 0, somebody who is bound was sent to %s", color)
	}
}

func TestRoutes_SharesChangeWithoutADroppedCall(t *testing.T) {
	t.Parallel()
	h := patient(t)
	blue, green := h.talker(t), h.talker(t)
	host := h.route(t, blue, canary(0, green))
	calls, done := atomic.Int64{}, make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, _, err := h.color(t.Context(), host, nil); err != nil {
					t.Errorf("a call while the shares change: %v", err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for i := range 21 {
		before := calls.Load()
		h.route(t, blue, canary(float64(i%5)/4, green))
		eventually(t, "some calls pass", func() (bool, string) { return t.Failed() || calls.Load() >= before+20, fmt.Sprint(calls.Load()) })
	}
	close(done)
	callers.Wait()
	h.route(t, blue, canary(1, green))
	if color, _, err := h.color(t.Context(), host, nil); err != nil || color != "green" {
		t.Errorf("at last %s, %v", color, err)
	}
}

// The tables are swapped beneath the provider's own loader, which nothing wakes.
func TestRoutes_TenThousandSwappedAHundredTimesASecond(t *testing.T) {
	t.Parallel()
	h := startHost(t, enginetest.Network(t), map[string]string{"netns_pool": "0"})
	function := h.talker(t)
	live := &h.provider.View().Routes.Live
	tables := make([]*routes.Table, 4)
	for i := range tables {
		rules, err := routes.Parse(manyRules(i, function))
		if err != nil {
			t.Fatal(err)
		}
		tables[i], _ = routes.Build(rules, h.provider.View().Routes.Options)
		if tables[i].Len() != 10000 {
			t.Fatalf("%d routes", tables[i].Len())
		}
	}
	live.Swap(tables[0])
	const least = 200
	calls, enough := atomic.Int64{}, make(chan struct{})
	var callers sync.WaitGroup
	for caller := range 2 {
		callers.Go(func() {
			for n := caller; ; n += 2 {
				select {
				case <-enough:
					return
				default:
				}
				path := fmt.Sprintf("/team%d/service%d/x", n*37%10000%100, n*37%10000)
				got, err := h.try(t.Context(), request{method: http.MethodGet, path: path})
				if err != nil || got.StatusCode != http.StatusOK || !strings.HasPrefix(got.body, "GET /generation") {
					t.Errorf("%s: %v %+v %s", path, err, got.Response, got.body)
					return
				}
				calls.Add(1)
			}
		})
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(soon)
	for i := 0; i < 100 || calls.Load() < least && !t.Failed() && time.Now().Before(deadline); i++ {
		<-tick.C
		live.Swap(tables[i%len(tables)])
	}
	close(enough)
	callers.Wait()
	if calls.Load() < least {
		t.Errorf("only %d calls", calls.Load())
	}
}

// manyRules are 10,000 rules, all of which differ from those of another generation.
func manyRules(generation int, function string) string {
	var text strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&text, "r%[1]d: Path(\"/team%[2]d/service%[1]d/:item\") && Method(\"GET\") -> setPath(\"/generation%[3]d\") -> \"function:%[4]s\";\n", i, i%100, generation, function)
	}
	return text.String()
}
