package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"faas-docker/function"
	"faas-docker/proxy/upstream"
)

// exhausted names the function that the test calls in a process of its own, without
// descriptors.
const exhausted = "PROXY_TEST_EXHAUSTED"

// TestExhausted_SaysNothingOfAReplica runs itself in a process with a small limit of open
// files, because it uses all of them up.
func TestExhausted_SaysNothingOfAReplica(t *testing.T) {
	if address := os.Getenv(exhausted); address != "" {
		callWithoutDescriptors(t, address)
		return
	}
	t.Parallel()
	address := serveBoth(t, okFunction())
	child := exec.Command(os.Args[0], "-test.run=^TestExhausted_SaysNothingOfAReplica$", "-test.v")
	child.Env = append(os.Environ(), exhausted+"="+address)
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "called without descriptors") {
		t.Errorf("%v\n%s", err, out)
	}
}

func callWithoutDescriptors(t *testing.T, address string) {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{function.ProtocolHTTP1, function.ProtocolH2C} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
			h := newHandler(t)
			h.Policy = speaks(protocol)
			name := deploy(t, h, "f", address)
			free := useUp(t)
			code, retry, text := callDirectly(h, method)
			if code != 503 || retry == "" || !strings.Contains(text, "file descriptors") {
				t.Errorf("%s %s without descriptors: %d, Retry-After %q, %q", protocol, method, code, retry, text)
			}
			if _, err := h.Connect(t.Context(), name); err == nil {
				t.Errorf("connected without descriptors")
			}
			if members := h.Resolver.Members(name); len(members) != 1 || !members[0].IsOpen() {
				t.Errorf("%s %s: the replica is said to be %+v", protocol, method, members)
			}
			free()
			if code, _, text := callDirectly(h, method); code != 200 {
				t.Errorf("%s %s afterwards: %d %q", protocol, method, code, text)
			}
			h.Drop(h.Resolver.Members(name)[0].Replica)
		}
	}
	idleOnesGo(t, address)
	t.Log("called without descriptors")
}

// idleOnesGo connects while the last descriptor is that of a kept connection to another
// replica. Nothing listens at the second address: that it is refused takes a descriptor.
func idleOnesGo(t *testing.T, address string) {
	h := newHandler(t)
	deploy(t, h, "f", address)
	if code, _, text := callDirectly(h, "GET"); code != 200 {
		t.Fatalf("%d %q", code, text)
	}
	elsewhere := h.upstreams.At(strings.Replace(address, "127.0.0.1", "127.0.0.2", 1))
	defer useUp(t)()
	if _, err := elsewhere.DialTCP(t.Context()); !errors.Is(err, upstream.ErrUnreachable) {
		t.Errorf("an idle connection was not given up: %v", err)
	}
	if kept := h.upstreams.Counts().Kept; kept != 0 {
		t.Errorf("%d connections are counted as idle", kept)
	}
}

// useUp opens files until there can be no more.
func useUp(t *testing.T) (free func()) {
	var all []*os.File
	for {
		file, err := os.Open(os.DevNull)
		if err != nil {
			if !function.IsExhausted(err) {
				t.Fatal(err)
			}
			break
		}
		all = append(all, file)
	}
	return func() {
		for _, file := range all {
			file.Close()
		}
	}
}

func callDirectly(h *Handler, method string) (code int, retryAfter, text string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, "/function/f", http.NoBody)
	h.ServeHTTP(w, r)
	return w.Code, w.Header().Get("Retry-After"), fmt.Sprint(w.Body)
}
