package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"faas-docker/function"
)

func TestHandler_TakesOnlyCallIDsThatFitIntoALog(t *testing.T) {
	t.Parallel()
	_, base := figlet(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Saw"] = r.Header["X-Call-Id"]
	})
	for given, kept := range map[string]bool{
		"call-7":                               true,
		"7":                                    true,
		"0f8fad5b-d9cb-469f-a165-70867728950e": true,
		"01ARZ3NDEKTSV4RRFFQ69G5FAV":           true,
		"Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1": true,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":                    true,
		"c29tZSBiYXNlNjQ+Lz8/Cg==":  true,
		"user@host/42#1":            true,
		strings.Repeat("a", 128):    true,
		strings.Repeat("a", 129):    false,
		strings.Repeat("a", 30_000): false,
		"":                          false,
		"two words":                 false,
		"tab\tin it":                false,
		`x" level=error err="`:      false,
		"it's":                      false,
		`back\slash`:                false,
		"<script>":                  false,
		"ünïcode":                   false,
		"\x80\xff":                  false,
	} {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", base, nil)
		r.Header["X-Call-Id"] = []string{given, "second"}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%.40q: %v", given, err)
		}
		answer.Body.Close()
		saw, told := answer.Header["Saw"], answer.Header.Get("X-Call-Id")
		if len(saw) != 1 || saw[0] != told || (told == given) != kept || len(told) > 128 {
			t.Errorf("%.40q: the function saw %.80q, the client %.80q; kept should be %t", given, saw, told, kept)
		}
	}
}

// What is refused is echoed only as far as a person reads.
func TestHandler_RefusalsAreShortWhateverWasSent(t *testing.T) {
	t.Parallel()
	h, _ := figlet(t, func(http.ResponseWriter, *http.Request) {})
	long := strings.Repeat("a", 1<<20)
	for name, r := range map[string]*http.Request{
		"name":      invocation("GET", "/function/"+long, ""),
		"namespace": invocation("GET", "/function/figlet."+long, ""),
		"encoded":   invocation("GET", "/function/"+strings.Repeat("%61", 1<<18), ""),
		"method":    invocation(strings.Repeat("A", 1<<20), "/function/figlet", ""),
		"gRPC name": invocation("POST", "/"+long, long),
		"gRPC path": invocation("POST", "/"+long+"/Method", "figlet."+long),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := len(w.Body.String()) + len(fmt.Sprint(w.Header())); w.Code == 200 && w.Header().Get("Grpc-Status") == "" || got > 16<<10 {
			t.Errorf("%s: answered %d with %d bytes", name, w.Code, got)
		}
	}
	w := httptest.NewRecorder()
	h.Direct(refuseAll).ServeHTTP(w, invocation("POST", "/"+long+"/Method", "x"))
	if got := len(fmt.Sprint(w.Header())); got > 16<<10 {
		t.Errorf("a director's refusal has %d bytes", got)
	}
}

// invocation is a request with a target as it is; with a function's name it is a gRPC call.
func invocation(method, target, named string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Method, r.RequestURI, r.URL.Path = method, target, target
	if named != "" {
		r.ProtoMajor, r.ProtoMinor, r.Body = 2, 0, io.NopCloser(strings.NewReader(""))
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("X-Function", named)
	}
	return r
}

func refuseAll(ctx context.Context, _ string, _ http.Header) (context.Context, function.Name, error) {
	return ctx, function.Name{}, ErrUnimplemented
}
