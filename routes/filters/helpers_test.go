package filters

import (
	"fmt"
	"net/http"
	"net/http/httptest"
)

func get(target string) *http.Request { return httptest.NewRequest(http.MethodGet, target, nil) }

// echo tells what it has been asked.
func echo(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "%s %s %s %q", r.RequestURI, r.URL.Path, r.Host, r.Header["X-Out"])
}
