package main

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestServe_SendsEachEventInItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		answer := httptest.NewRecorder()
		serve(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?n=3&d=1s", nil))
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("three events took %s, want 2s", took)
		}
		if got := strings.Count(answer.Body.String(), "\n\n"); got != 3 {
			t.Errorf("%d events in %q, want 3", got, answer.Body)
		}
		if got := answer.Header().Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("content type %q", got)
		}
	})
}

func TestServe_FlushesBeforeTheNextEvent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(handler())
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/?n=2&d=1h", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if line, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil || line != "id: 1\n" {
		t.Errorf("first line %q, %v", line, err)
	}
}

func TestServe_RefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"?n=x", "?n=-1", "?d=x", "?d=0s", "?d=-1s"} {
		answer := httptest.NewRecorder()
		serve(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+query, nil))
		if answer.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", query, answer.Code)
		}
	}
}
