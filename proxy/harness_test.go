package proxy

import (
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
	h := &Handler{Resolver: resolver.New(), Timeout: 5 * time.Second, WakeTimeout: 5 * time.Second, RetryTimeout: 500 * time.Millisecond}
	h.Resolver.Gone, h.Resolver.Died = h.Drop, h.Sever
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
		if !h.Resolver.Admit(id, name+"@"+address) {
			t.Fatalf("replica at %s was not admitted", address)
		}
	}
	return id
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

// get returns the status and the body of the answer to a request.
func fetch(t testing.TB, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s %s: read body: %v", method, url, err)
	}
	return answer, string(text)
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
