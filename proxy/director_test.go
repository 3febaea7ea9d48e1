package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

// directed is a server with a director before a function that says what it sees.
func directed(t *testing.T, director Director, serve http.HandlerFunc) (address string, client *http.Client) {
	t.Helper()
	h := newHandler(t)
	deploy(t, h, "greeter", serveBoth(t, serve))
	return serveBoth(t, h.Direct(director)), http2Client(t)
}

func TestDirect_TheDirectorChoosesOrRefuses(t *testing.T) {
	t.Parallel()
	greeter := function.ParseName("greeter", function.DefaultNamespace)
	director := func(ctx context.Context, method string, metadata http.Header) (context.Context, function.Name, error) {
		switch {
		case strings.HasPrefix(method, "/internal."):
			return ctx, function.Name{}, ErrUnimplemented
		case metadata.Get("X-Function") == "secret":
			return ctx, function.Name{}, &function.Failure{Kind: function.ErrInvalid, Text: "secret is secret"}
		case metadata.Get("X-Function") == "broken":
			return ctx, function.Name{}, errors.New("text for the log")
		case metadata.Get("X-Function") == "greeter":
			return ctx, function.Name{}, nil
		}
		metadata.Set("X-Tenant", "a")
		metadata.Del("X-Call-Secret")
		return ctx, greeter, nil
	}
	address, client := directed(t, director, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		fmt.Fprint(w, r.URL.Path, " ", r.Header.Get("X-Tenant"))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})
	for _, tc := range []struct{ path, function, status, message, body string }{
		{"/pkg.Greeter/Hello", "", "0", "", "/pkg.Greeter/Hello a"},
		{"/pkg.Greeter/Hello", "greeter", "0", "", "/pkg.Greeter/Hello "},
		{"/internal.Admin/Stop", "greeter", "12", "nobody serves /internal.Admin/Stop here", ""},
		{"/pkg.Greeter/Hello", "secret", "3", "secret is secret", ""},
		{"/pkg.Greeter/Hello", "broken", "14", "the request failed before it reached a function: look at the provider's log", ""},
	} {
		status, message, body := grpcCall(t, client, address, "", tc.path, tc.function)
		if status != tc.status || message != tc.message || body != tc.body {
			t.Errorf("%+v: got %s %q %q", tc, status, message, body)
		}
	}
	answer, err := client.Get("http://" + address + "/function/greeter")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); string(body) != "/ " {
		t.Errorf("a call that is not gRPC's: %q", body)
	}
}

// A director that returns a context of its own does not set the call free, and a
// deadline that it gives counts.
func TestDirect_TheCallEndsWithItsCallerAndWithItsDeadline(t *testing.T) {
	t.Parallel()
	greeter := function.ParseName("greeter", function.DefaultNamespace)
	ended := make(chan struct{}, 2)
	begun := make(chan struct{}, 2)
	director := func(ctx context.Context, method string, _ http.Header) (context.Context, function.Name, error) {
		if method == "/pkg.Greeter/Short" {
			short, cancel := context.WithTimeout(ctx, testPatience)
			context.AfterFunc(ctx, cancel)
			return short, greeter, nil
		}
		return context.Background(), greeter, nil
	}
	address, client := directed(t, director, func(_ http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	})
	wait := func(what string, happened <-chan struct{}) {
		t.Helper()
		select {
		case <-happened:
		case <-time.After(20 * time.Second):
			t.Fatal(what)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "POST", "http://"+address+"/pkg.Greeter/Long", strings.NewReader("\x00\x00\x00\x00\x00"))
	r.Header.Set("Content-Type", "application/grpc")
	go func() {
		if answer, err := client.Do(r); err == nil {
			answer.Body.Close()
		}
	}()
	wait("the function was not called", begun)
	cancel()
	wait("the function was not told that the caller left", ended)
	if status, message, _ := grpcCall(t, client, address, "", "/pkg.Greeter/Short", ""); status != "4" || !strings.Contains(message, "before its deadline") {
		t.Errorf("past the director's deadline: %s %q", status, message)
	}
	wait("the function was not told of the deadline", ended)
}
