package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

func TestRun_CountsAStallForEachRequestThatWasDueInIt(t *testing.T) {
	const stall = 200 * time.Millisecond
	var calls atomic.Int64
	var until atomic.Pointer[time.Time]
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if calls.Add(1) == 300 { // well after the requests that do not count
			end := time.Now().Add(stall)
			until.Store(&end)
		}
		if end := until.Load(); end != nil {
			time.Sleep(time.Until(*end))
		}
	}))
	defer server.Close()
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	got := newLoad(target, 500, time.Second).run()
	if got.Requests != 500 || got.Errors != 0 {
		t.Errorf("got %+v, want 500 requests and no errors", got)
	}
	// A fifth of the requests are due in the stall.
	if got.P99 < float64(stall.Microseconds())*3/4 {
		t.Errorf("got %+v, want a p99 near the stall of %v", got, stall)
	}
}

func TestRun_CountsWhatFails(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := newLoad(target, 100, 100*time.Millisecond).run(); got.Requests != 10 || got.Errors != 10 {
		t.Errorf("got %+v, want 10 requests that all failed", got)
	}
}
