package front

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// reuse says what a handler says that keeps nothing.
func reuse(w http.ResponseWriter, r *http.Request) {
	w.(interface{ Reuse(*http.Request) }).Reuse(r)
}

// TestServer_ServesTheNextRequestWithTheMemoryOfOneThatNobodyKeeps: it sees nothing of the
// one before, and its client nothing of that one's answer.
func TestServer_ServesTheNextRequestWithTheMemoryOfOneThatNobodyKeeps(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			w.Header().Set("X-First", "yes")
			r.Header.Set("X-Left", "yes")
			r.Form = map[string][]string{"left": {"yes"}}
			r.SetPathValue("left", "yes")
			w.WriteHeader(http.StatusTeapot)
			reuse(w, r)
			return
		}
		fmt.Fprint(w, r.Method, " ", r.RequestURI, " ", r.Host, " ", r.Header, " ", r.Form, " ", r.PathValue("left"), " ", r.ContentLength, " ", r.Context().Err())
		reuse(w, r)
	})
	c := dial(t, address)
	for range 3 {
		c.say("DELETE /first?a=b HTTP/1.1\r\nHost: first\r\nX-One: 1\r\nX-One: 2\r\nContent-Length: 0\r\n\r\n")
		if answer, body := c.answer("DELETE"); answer.StatusCode != http.StatusTeapot || answer.Header.Get("X-First") != "yes" || body != "" {
			t.Fatalf("first answer: %s %v %q", answer.Status, answer.Header, body)
		}
		c.say("GET /second HTTP/1.1\r\nHost: second\r\nX-Two: 3\r\n\r\n")
		answer, body := c.answer("GET")
		const want = "GET /second second map[X-Two:[3]] map[]  0 <nil>"
		if body != want || answer.StatusCode != http.StatusOK || answer.Header.Get("X-First") != "" {
			t.Fatalf("second answer: %s %v %q, want 200 and %q", answer.Status, answer.Header, body, want)
		}
	}
}

// TestServer_LeavesTheMemoryOfARequestToWhoMayKeepIt: to handlers that say nothing, or speak
// of another request, and to who has tied something to its context.
func TestServer_LeavesTheMemoryOfARequestToWhoMayKeepIt(t *testing.T) {
	t.Parallel()
	var kept []*http.Request
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		kept = append(kept, r)
		switch r.URL.Path {
		case "/silent":
		case "/other":
			reuse(w, r.WithContext(r.Context()))
		case "/tied":
			reuse(w, r)
			r.Context().Done()
		}
	})
	paths := []string{"/silent", "/other", "/tied"}
	c := dial(t, address)
	for _, path := range slices.Concat(paths, paths) {
		c.say("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", path)
		c.answer("POST")
	}
	for i, r := range kept {
		if r.URL.Path != paths[i%len(paths)] {
			t.Errorf("the request for %s has become one for %s", paths[i%len(paths)], r.URL.Path)
		}
		if r.Context().Err() == nil {
			t.Errorf("the context of the request for %s goes on", r.URL.Path)
		}
		for _, other := range kept[:i] {
			if r == other {
				t.Errorf("two requests for %s share their memory", r.URL.Path)
			}
		}
	}
}

// TestExchange_HoldsNoMemoryForWhatIsRare: a request with very many fields leaves none.
func TestExchange_HoldsNoMemoryForWhatIsRare(t *testing.T) {
	t.Parallel()
	var x exchange
	fields := strings.Repeat("X-A: 1\r\n", mostKept)
	if _, what := x.head.parse([]byte("GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n")); what != plain {
		t.Fatalf("verdict %d", what)
	}
	for i := range mostKept + 1 {
		x.response.Header()[fmt.Sprint("X-", i)] = []string{"1"}
	}
	x.reset()
	if cap(x.head.values) > 0 || x.head.header != nil || x.response.header != nil {
		t.Errorf("kept: %d values, header %v, answer's header %v", cap(x.head.values), x.head.header, x.response.header)
	}
}
