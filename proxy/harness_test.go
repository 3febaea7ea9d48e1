package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/resolver"
)

// newHandler returns a handler and its resolver, which knows no function yet.
func newHandler(t testing.TB) *Handler {
	t.Helper()
	h := &Handler{Resolver: resolver.New(), Timeouts: Timeouts{Timeout: 5 * time.Second, WakeTimeout: 5 * time.Second, RetryTimeout: 500 * time.Millisecond}}
	h.Resolver.CloseIdle, h.Resolver.Severed = h.Drop, h.Sever
	t.Cleanup(func() { _ = h.Shutdown(t.Context()) })
	return h
}

// deploy makes a function known whose replicas listen at these addresses.
func deploy(t testing.TB, h *Handler, name string, addresses ...string) function.Name {
	t.Helper()
	id := function.ParseName(name, function.DefaultNamespace)
	h.Resolver.Declare(id, function.CallPolicy{})
	for _, address := range addresses {
		h.Resolver.Add(function.Replica{ID: name + "@" + address, Function: id, State: function.Running,
			Address: netip.MustParseAddrPort(address)}, h.Resolver.Listing())
		if !h.Resolver.MarkReady(id, name+"@"+address) { // not Fatalf: some deploy in goroutines of their own
			t.Errorf("replica at %s was not admitted", address)
		}
	}
	return id
}

// prove has a replica of a function taken for one that has answered for itself.
func prove(t testing.TB, h *Handler, name function.Name) {
	t.Helper()
	lease, err := h.Resolver.Acquire(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	lease.Prove()
	lease.Release()
}

// serve runs a handler as a server and returns its address.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// figlet runs one function named figlet behind a handler and returns the base
// address to invoke it at.
func figlet(t testing.TB, f http.HandlerFunc) (*Handler, string) {
	t.Helper()
	h := newHandler(t)
	deploy(t, h, "figlet", serve(t, f))
	return h, "http://" + serve(t, h) + "/function/figlet"
}

// fetch returns the answer to a request, and its body.
func fetch(t testing.TB, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	answer, text, err := fetchFrom(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, text
}

// fetchFrom is fetch for goroutines other than the test's.
func fetchFrom(ctx context.Context, method, url string, body io.Reader) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, "", err
	}
	// Not the default one: every httptest.Server that closes ends its connections.
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return nil, "", fmt.Errorf("%s %s: %w", method, url, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, "", fmt.Errorf("%s %s: read body: %w", method, url, err)
	}
	return answer, string(text), nil
}

// witness is an Observer that remembers.
type witness struct {
	mu       sync.Mutex
	started  int
	finished chan int
}

func newWitness() *witness { return &witness{finished: make(chan int, 100)} }

func (o *witness) Started(function.Name) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.started++
}

func (o *witness) Finished(_ function.Name, code int, _ time.Duration) { o.finished <- code }

func mustPrefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

// okFunction answers "ok".
func okFunction() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
}
