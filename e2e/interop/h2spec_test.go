package interop

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello, world") }

// TestH2Spec_ShowsNoFailureThatABareServerDoesNot compares us with net/http on its
// own, which is known to fail five cases, and some more now and then: they race with
// the end of the connection.
func TestH2Spec_ShowsNoFailureThatABareServerDoesNot(t *testing.T) {
	h := newHandler(t)
	deploy(t, h, "hello", serve(t, http.HandlerFunc(hello)))
	bareAddress, ourAddress := serve(t, http.HandlerFunc(hello)), serve(t, h)
	bare, total := h2spec(t, bareAddress)
	ours, again := h2spec(t, ourAddress)
	t.Logf("bare net/http fails %d of %d: %s", len(bare), total, names(bare))
	t.Logf("we fail %d of %d: %s", len(ours), again, names(ours))
	if total < 140 || again != total {
		t.Errorf("%d cases ran on the bare server, %d on ours", total, again)
	}
	for name, failure := range ours {
		if bare[name] == nil && differs(t, name, bareAddress, ourAddress) {
			t.Errorf("%s: %v", name, failure)
		}
	}
}

// differs reports whether a case that we have failed once keeps failing here, and
// there never does.
func differs(t *testing.T, name, bareAddress, ourAddress string) bool {
	t.Helper()
	for range 20 {
		if ours, _ := h2spec(t, ourAddress, name); ours[name] == nil {
			return false
		}
		if bare, _ := h2spec(t, bareAddress, name); bare[name] != nil {
			return false
		}
	}
	return true
}

// h2spec runs the suite, or some of its cases, and returns what failed, by name,
// and how many cases ran.
func h2spec(t *testing.T, address string, only ...string) (failed map[string]error, total int) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	settings := &config.Config{Host: host, Port: number, Path: "/function/hello", Timeout: time.Second, MaxHeaderLen: 4000, Sections: only}
	defer quiet(t)()
	failed = map[string]error{}
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(settings)
		total += group.PassedCount + group.FailedCount
		collect(group, failed)
	}
	return failed, total
}

func names(failed map[string]error) string {
	return strings.Join(slices.Sorted(maps.Keys(failed)), " ")
}

func collect(group *spec.TestGroup, failed map[string]error) {
	for i, c := range group.Tests {
		if c.Result != nil && c.Result.Failed {
			failed[fmt.Sprintf("%s/%d", group.ID(), i+1)] = c.Result.Error
		}
	}
	for _, inner := range group.Groups {
		collect(inner, failed)
	}
}

// quiet keeps the suite from writing its own report among ours.
func quiet(t *testing.T) (restore func()) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdout
	os.Stdout = null
	return func() { os.Stdout = before; null.Close() }
}
