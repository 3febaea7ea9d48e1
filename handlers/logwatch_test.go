package handlers

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

// falls is an engine that writes these lines and then nothing, until it is let go.
func falls(silent string, lines ...string) func(context.Context, function.LogQuery, func(function.LogLine) error) error {
	return func(ctx context.Context, q function.LogQuery, emit func(function.LogLine) error) error {
		if err := writes(1, lines...)(ctx, q, emit); err != nil {
			return err
		}
		<-ctx.Done()
		return errors.Join(errors.New(silent), ctx.Err())
	}
}

func TestLogs_OfASilentEngineEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, query string
		pings       bool // the engine answers whether it is there
		lines       []string
		status      int
		want        string
	}{
		{"nothing at all", "", false, nil, http.StatusServiceUnavailable, "the container engine does not answer"},
		{"the last lines", "&tail=5", false, nil, http.StatusServiceUnavailable, "the container engine does not answer"},
		{"since", "&since=2026-01-01T00:00:00Z", false, nil, http.StatusServiceUnavailable, "the container engine does not answer"},
		{"of an instance", "&instance=x", false, nil, http.StatusServiceUnavailable, "the container engine does not answer"},
		{"silent after a line", "", false, []string{"one"}, http.StatusOK, "one, the logs break off here: the container engine does not answer"},
		{"followed", "&follow=true", false, nil, http.StatusOK, "the logs break off here: the container engine does not answer"},
		{"followed, after a line", "&follow=true", false, []string{"one"}, http.StatusOK, "one, the logs break off here: the container engine does not answer"},
		{"there, but without lines", "", true, nil, http.StatusServiceUnavailable, "the container engine sends no lines"},
		{"there, silent after two lines", "", true, []string{"one", "two"}, http.StatusOK, "one, two, the logs break off here: the container engine sends no lines"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScene()
			s.fleet.status = func(function.Name) (function.Status, error) { return function.Status{}, nil }
			s.engine.logs, s.engine.silent = falls("silent", test.lines...), !test.pings
			s.API.patience = logPatience{ping: 20 * time.Millisecond}
			if test.pings {
				s.API.patience = logPatience{line: 20 * time.Millisecond}
			}
			got := s.call(t, "GET /system/logs?name=figlet"+test.query, "")
			body := got.Body.String()
			if got.Code == http.StatusOK {
				body = texts(t, body)
			}
			if got.Code != test.status || !strings.HasPrefix(body, test.want) {
				t.Errorf("got %d %q, want %d %q", got.Code, body, test.status, test.want)
			}
		})
	}
}

// A function may be silent for as long as it likes.
func TestLogs_OfASilentFunctionGoOn(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.fleet.status = func(function.Name) (function.Status, error) { return function.Status{}, nil }
	pings := make(chan struct{})
	s.engine.ping = func() error { pings <- struct{}{}; return nil }
	s.engine.logs = func(ctx context.Context, _ function.LogQuery, emit func(function.LogLine) error) error {
		for range 5 { // longer than the next of written lines may take
			<-pings
		}
		go func() {
			for range pings {
			}
		}()
		return emit(function.LogLine{Time: at(1), Text: "at last"})
	}
	s.API.patience = logPatience{ping: 20 * time.Millisecond, line: time.Millisecond}
	if got := texts(t, s.call(t, "GET /system/logs?name=figlet&follow=true", "").Body.String()); got != "at last" {
		t.Errorf("got %q", got)
	}
	close(pings)
}
