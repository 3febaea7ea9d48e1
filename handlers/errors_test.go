package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

func newExchange(t *testing.T, method, target string) (*httptest.ResponseRecorder, *http.Request) {
	t.Helper()
	return httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, target, nil)
}

func TestAdapt_TellsTheCallerOnlyWhatWasWrittenForThem(t *testing.T) {
	t.Parallel()
	secretive := errors.New("open /var/lib/x: permission denied")
	for _, test := range []struct {
		name   string
		err    error
		status int
		answer string
		retry  string
		log    string
	}{
		{"internal", secretive, 500, "internal error: the provider's log says more\n", "", `[ERROR] request failed: method=GET path=/x status=500 err="open /var/lib/x: permission denied"`},
		{"bare sentinel", fmt.Errorf("read: %w", function.ErrNotFound), 404, "not found\n", "", `err="read: not found"`},
		{"failure", fmt.Errorf("start: %w", function.NotFound("no figlet")), 404, "no figlet\n", "", `err="start: no figlet"`},
		{"no replica", &function.Failure{Kind: function.ErrNoReplica, Text: "none", RetryAfter: time.Second}, 503, "none\n", "1", "[WARN]"},
		{"cause of another kind", function.Unavailable(function.ErrNotFound, "engine away"), 503, "engine away\n", "", `cause="not found"`},
		{"cause is a failure", function.Unavailable(function.Invalid("a", "b"), "engine away"), 503, "engine away\n", "", `cause="a: b"`},
		{"several lines", function.Invalid("image", "not found:\n\tline two"), 400, "image: not found: line two\n", "", "[DEBUG]"},
		{"failure of no kind", &function.Failure{Text: "odd"}, 500, "odd\n", "", "[ERROR]"},
		{"cancelled by ourselves", context.Canceled, 500, "internal error: the provider's log says more\n", "", "[ERROR]"},
		{"too large", &http.MaxBytesError{Limit: 4 << 20}, 413, "body: larger than 4 MiB\n", "", "[DEBUG]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScene()
			w, r := newExchange(t, http.MethodGet, "/x")
			s.adapt(func(http.ResponseWriter, *http.Request) error { return test.err })(w, r)
			if w.Code != test.status || w.Body.String() != test.answer {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, test.status, test.answer)
			}
			if got := w.Header().Get("Retry-After"); got != test.retry {
				t.Errorf("got Retry-After %q, want %q", got, test.retry)
			}
			if got := s.log.String(); !strings.Contains(got, test.log) {
				t.Errorf("got log %q, want %q in it", got, test.log)
			}
		})
	}
}

func TestAdapt_OnlyLogsACallerWhoLeft(t *testing.T) {
	t.Parallel()
	s := newScene()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	s.adapt(func(_ http.ResponseWriter, r *http.Request) error {
		return fmt.Errorf("start: %w", r.Context().Err())
	})(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/x", nil))
	if w.Code != statusClientGone || w.Body.Len() != 0 {
		t.Errorf("got %d %q, want 499 and no body", w.Code, w.Body)
	}
	if got := s.log.String(); !strings.Contains(got, "[DEBUG] caller left: method=GET path=/x") {
		t.Errorf("got log %q", got)
	}
}

func TestAPI_WorksWithoutALogger(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.Logger = nil
	knows(s)
	if got := s.call(t, "GET /system/function/nobody", "").Code; got != http.StatusNotFound {
		t.Errorf("got %d, want 404", got)
	}
}
