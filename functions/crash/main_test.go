package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHandler_IsHealthyAsItComes(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/_/health"} {
		if got := get(t, path, nil); got.Code != http.StatusOK {
			t.Errorf("%s: status %d, want 200", path, got.Code)
		}
	}
}

func TestHandler_ExitsWithTheCodeAsked(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{"/exit": 1, "/exit?code=3": 3, "/exit?code=0": 0} {
		got := -1
		get(t, path, func(code int) { got = code })
		if got != want {
			t.Errorf("%s: exit %d, want %d", path, got, want)
		}
	}
	answer := get(t, "/exit?code=256", func(code int) { t.Errorf("exit %d for a code that does not exist", code) })
	if answer.Code != http.StatusBadRequest {
		t.Errorf("status %d, want 400", answer.Code)
	}
}

func TestCut_DropsConnectionHalfWay(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(handler(nil))
	defer server.Close()
	response, err := server.Client().Get(server.URL + "/cut")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if len(body) != 500 || response.ContentLength != 1000 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d of %d bytes, %v; want 500 of 1000 and an unexpected EOF", len(body), response.ContentLength, err)
	}
}

func get(t *testing.T, path string, exit func(int)) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	handler(exit).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return answer
}

func TestHang_AnswersThatOneAndNoMore(t *testing.T) {
	t.Parallel()
	h := handler(nil)
	asked := httptest.NewRecorder()
	h.ServeHTTP(asked, httptest.NewRequest(http.MethodGet, "/hang", nil))
	if asked.Code != http.StatusOK {
		t.Fatalf("status %d", asked.Code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan struct{})
	silent := httptest.NewRecorder()
	go func() {
		defer close(answered)
		h.ServeHTTP(silent, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	}()
	cancel()
	<-answered
	if silent.Body.Len() != 0 {
		t.Errorf("it answered %q", silent.Body)
	}
}
