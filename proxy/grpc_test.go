package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"faas-docker/function"
	"faas-docker/wire/wiretest"
)

// grpcCall sends a gRPC call and returns its status, message and body.
func grpcCall(t *testing.T, client *http.Client, address, host, path, function string) (status, message, body string) {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+path, strings.NewReader("\x00\x00\x00\x00\x00"))
	r.Header.Set("Content-Type", "application/grpc+proto")
	r.Header.Set("Te", "trailers")
	if host != "" {
		r.Host = host
	}
	if function != "" {
		r.Header.Set("X-Function", function)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	bytes, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("read body: %v after %q", err, bytes)
	}
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "application/grpc" {
		t.Errorf("got %d %v", answer.StatusCode, answer.Header)
	}
	status, message = answer.Trailer.Get("Grpc-Status"), answer.Trailer.Get("Grpc-Message")
	if status == "" {
		status, message = answer.Header.Get("Grpc-Status"), answer.Header.Get("Grpc-Message")
	}
	return status, message, string(bytes)
}

func TestGRPC_FindsTheFunctionAndPassesTheCall(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	deploy(t, h, "greeter", serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		fmt.Fprintf(w, "%s %s %s", r.Proto, r.URL.Path, r.Header.Get("Te"))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "5")
	})))
	address, client := serveBoth(t, h), http2Client(t)
	const method = "/pkg.Greeter/Hello"
	for _, tc := range []struct{ host, path, function, status string }{
		{"", "/function/greeter" + method, "", "5"},
		{"", "/function/greeter.openfaas-fn" + method, "", "5"},
		{"", method, "greeter", "5"},
		{"", method, "greeter.openfaas-fn", "5"},
		{"greeter.openfaas-fn", method, "", "5"},
		{"greeter.openfaas-fn.localhost:8080", method, "", "5"},
		{"", method, "", "12"},
		{"", method, "nobody", "12"},
		{"greeter", method, "", "12"},
		{"greeter.elsewhere", method, "", "12"},
	} {
		status, message, body := grpcCall(t, client, address, tc.host, tc.path, tc.function)
		if status != tc.status {
			t.Errorf("%+v: status %s %q", tc, status, message)
		}
		if want := "HTTP/2.0 " + method + " trailers"; status == "5" && body != want {
			t.Errorf("%+v: body %q, want %q", tc, body, want)
		}
	}
}

func TestGRPC_FailuresAreStatuses(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	h.Policy = func(n function.Name) function.CallPolicy {
		if n.Name == "small" {
			return function.CallPolicy{MaxRequestBody: 1}
		}
		return function.CallPolicy{}
	}
	h.Timeout, h.WakeTimeout = testPatience, testPatience
	deploy(t, h, "dead", wiretest.Vacant(t, "127.0.0.1").String())
	deploy(t, h, "asleep")
	deploy(t, h, "silent", serveBoth(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })))
	small := serveBoth(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	deploy(t, h, "small", small)
	deploy(t, h, "dying", serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		io.WriteString(w, "half")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})))
	address, client := serveBoth(t, h), http2Client(t)
	for name, want := range map[string]string{"dead": "14", "asleep": "14", "silent": "4", "dying": "14", "small": "8"} {
		status, message, _ := grpcCall(t, client, address, "", "/pkg.S/M", name)
		if status != want || !strings.Contains(message, name) {
			t.Errorf("%s: status %s %q, want %s", name, status, message, want)
		}
	}
}

func TestNameInAuthority(t *testing.T) {
	for authority, want := range map[string]string{
		"figlet.dev": "figlet.dev", "figlet.dev:8080": "figlet.dev", "figlet.dev.example.com": "figlet.dev",
		"localhost": ".", "localhost:8080": ".", "127.0.0.1:8080": ".", "[::1]:8080": ".", "": ".", ".dev": ".",
	} {
		if got := nameInAuthority(authority); got.String() != want {
			t.Errorf("%q: got %v, want %v", authority, got, want)
		}
	}
}
