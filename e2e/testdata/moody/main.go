// Command moody is a function that the tests of policies deploy: it fails as often, and
// in the way, that the query asks for, then answers how often it was called and what
// it was sent.
//
//	?id=NAME       calls with the same name are counted together
//	&fails=2       the first two of them fail
//	&how=503       with this status; or by "die", "hang", "half" (an answer that breaks off)
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"sync"
)

func main() {
	m := &moody{calls: map[string]int{}}
	http.HandleFunc("/_/health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/calls", m.tell)
	http.HandleFunc("/", m.serve)
	log.Fatal(http.ListenAndServe(":8080", nil))
}

type moody struct {
	// mu protects calls: how many there were by name.
	mu    sync.Mutex
	calls map[string]int
}

func (m *moody) serve(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	call := m.count(query.Get("id"))
	hash := sha256.New()
	size, err := io.Copy(hash, r.Body)
	fails, _ := strconv.Atoi(query.Get("fails"))
	switch {
	case err != nil:
		panic(http.ErrAbortHandler)
	case call <= fails:
		fail(w, r, query.Get("how"))
	default:
		fmt.Fprintf(w, "call %d: %d bytes %x", call, size, hash.Sum(nil))
	}
}

func (m *moody) count(id string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[id]++
	return m.calls[id]
}

// tell answers how many calls there were.
func (m *moody) tell(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprint(w, m.calls[r.URL.Query().Get("id")])
}

func fail(w http.ResponseWriter, r *http.Request, how string) {
	status, err := strconv.Atoi(how)
	switch {
	case err == nil:
		http.Error(w, "in a bad mood", status)
	case how == "hang":
		<-r.Context().Done()
	case how == "half":
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		panic(http.ErrAbortHandler)
	}
}
