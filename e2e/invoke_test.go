package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// description is what functions/echo tells of a request.
type description struct {
	Instance, Method, URI, Host string
	Headers                     http.Header
	ContentLength               int64
	TransferEncoding            []string
	BodyBytes                   int64
}

func (h *host) describe(t testing.TB, r request) description {
	t.Helper()
	if r.header == nil {
		r.header = map[string]string{}
	}
	r.header["X-Describe"] = "1"
	var d description
	got := h.do(t, r).wants(t, http.StatusOK)
	if err := json.Unmarshal([]byte(got.body), &d); err != nil {
		t.Fatalf("%v: %s", err, got.body)
	}
	return d
}

// echo deploys functions/echo and returns its path.
func (h *host) echo(t testing.TB) string {
	t.Helper()
	spec := h.spec(t, "echo")
	h.deploy(t, spec)
	return "/function/" + spec.Service
}

func TestInvoke_AllMethods(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.echo(t)
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		t.Run(method, func(t *testing.T) {
			if got := h.describe(t, request{method: method, path: path + "/x"}); got.Method != method {
				t.Errorf("the function saw %s", got.Method)
			}
		})
	}
	t.Run("HEAD", func(t *testing.T) {
		got := h.do(t, request{method: http.MethodHead, path: path, header: map[string]string{"X-Describe": "1"}}).wants(t, http.StatusOK)
		if got.body != "" || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("body %q, header %v", got.body, got.Header)
		}
	})
	for _, method := range []string{"PROPFIND", "TRACE"} {
		t.Run(method, func(t *testing.T) {
			h.do(t, request{method: method, path: path}).wants(t, http.StatusMethodNotAllowed)
		})
	}
}

// The path and the query are sent over a bare connection, because every HTTP
// client would tidy them up.
func TestInvoke_PathAndQueryArriveByteForByte(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.echo(t)
	const refused = "" // the target is none of a request: half an escape
	for rest, want := range map[string]string{
		"":                           "/",
		"/":                          "/",
		"?":                          "/?",
		"?a=1":                       "/?a=1",
		"/a/b":                       "/a/b",
		"/a%2Fb%2f":                  "/a%2Fb%2f",
		"//a///b/":                   "//a///b/",
		"/a/../b/./c/..":             "/a/../b/./c/..",
		"/..%2f..%2fetc/passwd":      "/..%2f..%2fetc/passwd",
		"/%41%7e~%41":                "/%41%7e~%41",
		"/%41%7e~%":                  refused,
		"/x?a=%20+&b=&&c;d=?#":       "/x?a=%20+&b=&&c;d=?#",
		"/x?q=a/b:c@d!$'()*,[]{}|":   "/x?q=a/b:c@d!$'()*,[]{}|",
		"/\u00e4":                    "/\u00e4",
		"." + defaultNS + "/x?y=%2F": "/x?y=%2F",
	} {
		t.Run(rest, func(t *testing.T) {
			status, body := rawAnswer(t, h, path+rest)
			if want == refused {
				if status != http.StatusBadRequest {
					t.Errorf("%d %s, want a 400", status, body)
				}
				return
			}
			var got description
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
				t.Fatalf("%d %s", status, body)
			}
			if got.URI != want {
				t.Errorf("the function saw %q, want %q", got.URI, want)
			}
		})
	}
}

func rawAnswer(t *testing.T, h *host, target string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(soon))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nX-Describe: 1\r\nConnection: close\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func TestInvoke_BodyKeepsItsFraming(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.echo(t)
	known := h.describe(t, request{method: http.MethodPost, path: path, body: "12345"})
	if known.ContentLength != 5 || len(known.TransferEncoding) != 0 || known.BodyBytes != 5 {
		t.Errorf("a body of known length arrived as %+v", known)
	}
	none := h.describe(t, request{method: http.MethodGet, path: path})
	if none.ContentLength != 0 || len(none.TransferEncoding) != 0 {
		t.Errorf("no body arrived as %+v", none)
	}
	sent, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+path+"?describe=1", io.MultiReader(strings.NewReader("123"), strings.NewReader("45")))
	if err != nil {
		t.Fatal(err)
	}
	response, err := h.client.Do(sent)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var chunked description
	if err := json.NewDecoder(response.Body).Decode(&chunked); err != nil || chunked.ContentLength != -1 || chunked.BodyBytes != 5 {
		t.Errorf("a body of unknown length arrived as %+v, %v", chunked, err)
	}
	answer := h.do(t, request{method: http.MethodPost, path: path, body: "12345", header: map[string]string{"Content-Type": "text/csv"}}).wants(t, http.StatusOK, "12345")
	if answer.ContentLength != 5 || answer.Header.Get("Content-Type") != "text/csv" {
		t.Errorf("the answer has length %d and type %q", answer.ContentLength, answer.Header.Get("Content-Type"))
	}
}

func TestInvoke_LargeBodyArrivesWhole(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.echo(t)
	body := strings.Repeat("0123456789abcdef", 1<<20)
	got := h.do(t, request{method: http.MethodPost, path: path, body: body}).wants(t, http.StatusOK)
	if sha256.Sum256([]byte(got.body)) != sha256.Sum256([]byte(body)) {
		t.Errorf("%d bytes came back, want the same %d", len(got.body), len(body))
	}
}

func TestInvoke_StreamsBothWays(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.echo(t)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	body, pieces := io.Pipe()
	sent, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+path+"?stream=1", body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := h.client.Do(sent)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	for _, piece := range []string{"one", "two", "three"} {
		if _, err := io.WriteString(pieces, piece); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(piece))
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != piece {
			t.Fatalf("got %q, %v, want %q before the next piece is sent", got, err, piece)
		}
	}
	_ = pieces.Close()
	if rest, err := io.ReadAll(response.Body); err != nil || len(rest) != 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}

func TestInvoke_EventsArriveAsTheyAreSent(t *testing.T) {
	t.Parallel()
	h := hasty(t) // whose timeouts must not cut what streams
	spec := h.spec(t, "sse")
	h.deploy(t, spec)
	response, err := h.open(t.Context(), request{method: http.MethodGet, path: "/function/" + spec.Service + "?n=12&d=200ms", header: map[string]string{"Accept": "text/event-stream"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	began, count := time.Now(), 0
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), "data: ") {
			continue
		}
		if count++; count == 1 && time.Since(began) > time.Second {
			t.Errorf("the first event came after %s", time.Since(began))
		}
	}
	if count != 12 {
		t.Errorf("%d events, want 12", count)
	}
}

func TestInvoke_HeadersSayWhoCalled(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.echo(t)
	got := h.describe(t, request{method: http.MethodGet, path: path, host: "figlet.example:8080", header: map[string]string{
		"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "forged", "X-Forwarded-Proto": "https", "X-Custom": "kept",
	}})
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "figlet.example:8080", "X-Forwarded-Proto": "http", "X-Custom": "kept",
	} {
		if seen := got.Headers.Values(name); len(seen) != 1 || seen[0] != want {
			t.Errorf("%s is %q, want %q", name, seen, want)
		}
	}
	if _, err := strconv.ParseInt(got.Headers.Get("X-Start-Time"), 10, 64); err != nil {
		t.Errorf("X-Start-Time: %v", err)
	}
	if got.Headers.Get("Accept-Encoding") != "" {
		t.Errorf("Accept-Encoding was made up: %v", got.Headers)
	}
}

func TestInvoke_CallIDIsKeptOrMade(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.echo(t)
	given := h.do(t, request{method: http.MethodGet, path: path, header: map[string]string{"X-Call-Id": "mine", "X-Describe": "1"}}).wants(t, http.StatusOK, `"mine"`)
	if got := given.Header.Values("X-Call-Id"); len(got) != 1 || got[0] != "mine" {
		t.Errorf("the answer's X-Call-Id is %q", got)
	}
	made := h.do(t, request{method: http.MethodGet, path: path, header: map[string]string{"X-Describe": "1"}})
	id := made.Header.Get("X-Call-Id")
	if len(id) != 36 || !strings.Contains(made.body, id) {
		t.Errorf("X-Call-Id %q is not in %s", id, made.body)
	}
	if began, err := strconv.ParseInt(made.Header.Get("X-Start-Time"), 10, 64); err != nil || time.Since(time.Unix(0, began)) > time.Minute {
		t.Errorf("X-Start-Time: %d, %v", began, err)
	}
}

func TestInvoke_ManyCallersOfASleepingFunctionStartOneContainer(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	spec.Labels = &map[string]string{"com.openfaas.scale.min": "0"}
	if code, err := h.sdk.Deploy(t.Context(), spec); err != nil {
		t.Fatal(code, err)
	}
	h.awaitReplicas(t, spec.Service, 0)
	if found := h.containers(t, spec.Service); len(found) != 0 {
		t.Fatalf("%d containers before the first call", len(found))
	}
	var callers sync.WaitGroup
	instances := sync.Map{}
	for range 100 {
		callers.Go(func() {
			got, err := h.try(t.Context(), request{method: http.MethodGet, path: "/function/" + spec.Service + "?describe=1"})
			if err != nil || got.StatusCode != http.StatusOK {
				t.Errorf("%d %v %s", statusOf(got), err, got.body)
				return
			}
			var d description
			_ = json.Unmarshal([]byte(got.body), &d)
			instances.Store(d.Instance, true)
		})
	}
	callers.Wait()
	count := 0
	instances.Range(func(any, any) bool { count++; return true })
	if found := h.containers(t, spec.Service); count != 1 || len(found) != 1 {
		t.Errorf("%d instances answered, %d containers; want one", count, len(found))
	}
	if got := h.status(t, spec.Service).InvocationCount; got != 100 {
		t.Errorf("%v invocations counted, want 100", got)
	}
}

func statusOf(a answer) int {
	if a.Response == nil {
		return 0
	}
	return a.StatusCode
}

func TestInvoke_CallsSpreadOverReplicas(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.echo(t)
	name := strings.TrimPrefix(path, "/function/")
	if err := h.sdk.ScaleFunction(t.Context(), name, defaultNS, 3); err != nil {
		t.Fatal(err)
	}
	h.awaitReplicas(t, name, 3)
	counts := map[string]int{}
	for range 60 {
		counts[h.describe(t, request{method: http.MethodGet, path: path}).Instance]++
	}
	if len(counts) != 3 {
		t.Errorf("%v, want three instances", counts)
	}
	for instance, count := range counts {
		if count < 8 {
			t.Errorf("%s got %d of 60 calls", instance, count)
		}
	}
}

func TestInvoke_ScalingDownLetsCallsEnd(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "sleep")
	h.deploy(t, spec)
	ended := make(chan string, 1)
	go func() {
		got, err := h.try(t.Context(), request{method: http.MethodGet, path: "/function/" + spec.Service + "?d=2s"})
		ended <- fmt.Sprintf("%d %v", statusOf(got), err)
	}()
	eventually(t, "the call is under way", func() (bool, string) {
		return h.status(t, spec.Service).InvocationCount == 1, ""
	})
	if err := h.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, 0); err != nil {
		t.Fatal(err)
	}
	if got := <-ended; got != "200 <nil>" {
		t.Errorf("the call ended with %s", got)
	}
}

// A request that says in two ways where it ends is refused before anybody reads on.
func TestInvoke_TwoLengthsAreRefused(t *testing.T) {
	t.Parallel()
	h := patient(t)
	address := strings.TrimPrefix(h.url, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(soon))
	fmt.Fprintf(conn, "POST /function/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 400 ") || strings.Count(string(got), "HTTP/1.1") != 1 {
		t.Errorf("got %q, %v", got, err)
	}
}
