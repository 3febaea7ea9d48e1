package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/proxy/upstream"
	"faas-docker/wire/wiretest"
)

func TestHandler_PassesPathAndQueryByteForByte(t *testing.T) {
	_, base := figlet(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RequestURI) })
	for _, tc := range []struct{ sent, want string }{
		{"", "/"},
		{"/", "/"},
		{"/a/b", "/a/b"},
		{"?x=1", "/?x=1"},
		{"/a%2Fb?", "/a%2Fb?"},
		{"//x/../y", "//x/../y"},
		{"/p?a=1;b=2&c=%zz&d=3", "/p?a=1;b=2&c=%zz&d=3"},
		{".openfaas-fn/a/", "/a/"},
	} {
		t.Run(tc.sent, func(t *testing.T) {
			if got := rawGet(t, base, tc.sent); got != tc.want {
				t.Errorf("the function saw %q, want %q", got, tc.want)
			}
		})
	}
}

// rawGet writes a request line of its own, which no client library would.
func rawGet(t *testing.T, base, path string) string {
	t.Helper()
	address, root, _ := strings.Cut(strings.TrimPrefix(base, "http://"), "/")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /%s%s HTTP/1.1\r\nHost: x\r\n\r\n", root, path)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestHandler_FailuresNameTheFunctionAndSayWhatHappened(t *testing.T) {
	h := newHandler(t)
	h.Timeout, h.WakeTimeout = 50*time.Millisecond, 50*time.Millisecond
	closing := rawFunction(t, func(conn net.Conn) { bufio.NewReader(conn).ReadString('\n') })
	silent := rawFunction(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	deploy(t, h, "dead", wiretest.Vacant(t, "127.0.0.1").String())
	deploy(t, h, "closing", closing)
	deploy(t, h, "silent", silent)
	deploy(t, h, "asleep")
	refused := deploy(t, h, "refused")
	h.Resolver.Refuse(refused, &function.Failure{Kind: function.ErrNoReplica, Text: "image \"x\"\nnot found", RetryAfter: 1500 * time.Millisecond}, time.Now().Add(time.Minute))
	address := serve(t, h)
	for _, tc := range []struct {
		method, path string
		code         int
		text         string
	}{
		{"GET", "/function/", 404, "no function is named"},
		{"GET", "/function/unknown", 404, `"unknown" is not deployed`},
		{"GET", "/function/dead.elsewhere", 404, `"elsewhere"`},
		{"GET", "/function/fig$let", 404, "no function is named"},
		{"PROPFIND", "/function/dead", 405, "PROPFIND"},
		{"GET", "/function/dead", 502, `"dead.openfaas-fn": cannot be reached`},
		{"POST", "/function/closing", 502, `"closing.openfaas-fn": closed the connection`},
		{"GET", "/function/silent", 504, `"silent.openfaas-fn": did not begin to answer`},
		{"GET", "/function/asleep", 503, `"asleep.openfaas-fn": no replica became ready`},
		{"GET", "/function/refused", 503, `function "refused.openfaas-fn": image "x" not found`},
	} {
		t.Run(tc.method+tc.path, func(t *testing.T) {
			answer, body := fetch(t, tc.method, "http://"+address+tc.path, nil)
			if answer.StatusCode != tc.code || !strings.Contains(body, tc.text) {
				t.Errorf("got %d %q, want %d with %q", answer.StatusCode, body, tc.code, tc.text)
			}
			if strings.Count(body, "\n") != 1 || answer.Header.Get("X-OpenFaaS-Internal") != "proxy" {
				t.Errorf("got headers %v and text %q, want X-OpenFaaS-Internal and one line", answer.Header, body)
			}
			if tc.path == "/function/refused" && answer.Header.Get("Retry-After") != "2" {
				t.Errorf("Retry-After is %q, want 2", answer.Header.Get("Retry-After"))
			}
		})
	}
}

// rawFunction listens and gives each connection to act, then closes it.
func rawFunction(t testing.TB, act func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); act(conn) }()
		}
	}()
	return listener.Addr().String()
}

func TestHandler_TellsTheFunctionWhoCalls(t *testing.T) {
	h, base := figlet(t, func(w http.ResponseWriter, r *http.Request) {
		for _, key := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Call-Id", "X-Real-Ip", "Forwarded"} {
			w.Header()["Saw-"+key] = r.Header[key]
		}
		w.Header().Set("Saw-Host", r.Host)
		w.Header().Set("Saw-Start", r.Header.Get("X-Start-Time"))
	})
	send := func() http.Header {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", base, nil)
		r.Host = "fns.example.com"
		r.Header.Set("X-Forwarded-For", "1.2.3.4")
		r.Header.Set("X-Forwarded-Host", "spoofed")
		r.Header.Set("X-Real-Ip", "1.2.3.4")
		r.Header.Set("Forwarded", "for=1.2.3.4")
		r.Header.Set("X-Call-Id", "call-7")
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.Header
	}
	want := func(header http.Header, key, value string) {
		t.Helper()
		if got := strings.Join(header[grammar.Key(key)], "|"); got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
	header := send()
	want(header, "Saw-Host", "fns.example.com")
	want(header, "Saw-X-Forwarded-For", "127.0.0.1")
	want(header, "Saw-X-Forwarded-Host", "fns.example.com")
	want(header, "Saw-X-Forwarded-Proto", "http")
	want(header, "Saw-X-Real-Ip", "127.0.0.1")
	want(header, "Saw-Forwarded", `for="127.0.0.1";host="fns.example.com";proto=http`)
	want(header, "Saw-X-Call-Id", "call-7")
	want(header, "X-Call-Id", "call-7")
	if header.Get("Saw-Start") == "" || header.Get("X-Start-Time") != header.Get("Saw-Start") {
		t.Errorf("X-Start-Time is %q for the client and %q for the function", header.Get("X-Start-Time"), header.Get("Saw-Start"))
	}
	h.TrustedProxies = append(h.TrustedProxies, mustPrefix("127.0.0.0/8"))
	header = send()
	want(header, "Saw-X-Forwarded-For", "1.2.3.4, 127.0.0.1")
	want(header, "Saw-X-Forwarded-Host", "spoofed")
	want(header, "Saw-X-Real-Ip", "1.2.3.4")
	want(header, "Saw-Forwarded", `for=1.2.3.4, for="127.0.0.1";host="fns.example.com";proto=http`)
}

func TestHandler_ObservesOnlyFunctionsThatExist(t *testing.T) {
	h, base := figlet(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) })
	seen := newWitness()
	h.Observer = seen
	fetch(t, "GET", strings.Replace(base, "figlet", "unknown", 1), nil)
	fetch(t, "GET", base, nil)
	if code := <-seen.finished; code != 418 || seen.started != 1 || len(seen.finished) != 0 {
		t.Errorf("finished with %d after %d starts, want 418 after one", code, seen.started)
	}
}

func TestHandler_AFunctionThatDiesMidBodyLooksFailed(t *testing.T) {
	h, base := figlet(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "half")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	seen := newWitness()
	h.Observer = seen
	r, _ := http.NewRequestWithContext(t.Context(), "GET", base, nil)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("the client read %q to a clean end", body)
	}
	<-seen.finished
}

func TestHandler_TheClientGoingAwayEndsTheCallAtTheFunction(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	h, base := figlet(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(ended)
	})
	seen := newWitness()
	h.Observer = seen
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	r, _ := http.NewRequestWithContext(ctx, "GET", base, nil)
	if answer, err := http.DefaultTransport.RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, %v", answer, err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the function was not told")
	}
	if code := <-seen.finished; code != 499 {
		t.Errorf("observed %d, want 499", code)
	}
}

// A function that builds links is told what of the client's path it does not see.
func TestForwarding_SaysWhatThePathHasLost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		target, before string
		route          []string
		trusted        bool
		want           string
	}{
		{target: "/function/f/a/b", want: "/function/f"},
		{target: "/function/f", want: "/function/f"},
		{target: "/function/f?a=/b", want: "/function/f"},
		{target: "/function/f.dev/", want: "/function/f.dev"},
		{target: "/function/%66/x", want: "/function/%66"},
		{target: "/pkg.Service/Method", want: ""},
		{target: "/function/f/a", route: []string{""}, want: ""},
		{target: "/function/f/a", route: []string{"/shop"}, want: "/shop"},
		{target: "/function/f/a", before: "/forged", want: "/function/f"},
		{target: "/function/f/a", before: "/forged", route: []string{""}, want: ""},
		{target: "/function/f/a", before: "/api", trusted: true, want: "/api/function/f"},
		{target: "/function/f/a", before: "/api/", trusted: true, route: []string{"/shop"}, want: "/api/shop"},
		{target: "/function/f/a", before: "/api", trusted: true, route: []string{""}, want: "/api"},
	} {
		r := httptest.NewRequest("GET", test.target, nil)
		r.RemoteAddr = "10.0.0.1:5"
		if test.before != "" {
			r.Header.Set("X-Forwarded-Prefix", test.before)
		}
		for _, prefix := range test.route {
			r = r.WithContext(function.WithPrefix(r.Context(), prefix))
		}
		h := &Handler{}
		if test.trusted {
			h.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}
		out := upstream.Request{HTTP: r, Path: "/", Forwarded: h.forwardingOf(r)}
		fields, err := out.Header()
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(fields["X-Forwarded-Prefix"], "")
		text, err := out.AppendHead(nil)
		if err != nil {
			t.Fatal(err)
		}
		head := string(text)
		if said != test.want || strings.Contains(head, "X-Forwarded-Prefix: "+test.want+"\r\n") != (test.want != "") || strings.Contains(head, "forged") {
			t.Errorf("%+v: HTTP/2 says %q, HTTP/1 %q", test, said, head)
		}
	}
}
