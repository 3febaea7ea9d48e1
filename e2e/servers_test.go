package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"faas-docker/routes/filters"
	"faas-docker/routes/servers"

	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	grpcstatus "google.golang.org/grpc/status"

	"faas-docker/front"
	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/routes"
)

// serverTimeout is how long the servers of these tests have to begin their answers.
const serverTimeout = 2 * time.Second

// routed serves rules whose backends are servers, as the program does, on a port of its own.
func routed(t *testing.T, trusted []netip.Prefix, text string) string {
	t.Helper()
	rules, err := routes.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	table, problems := routes.Build(rules, routes.Options{Filters: filters.All(filters.Options{Arrival: filters.ArrivalBehind(trusted)})})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	rt := &routes.Mount{MountConfig: routes.MountConfig{Servers: servers.New(trusted, servers.OwnAddress{}, serverTimeout, hclog.NewNullLogger())}}
	rt.Live.Swap(table)
	return serveHere(t, rt.Before(http.NotFoundHandler()))
}

// serveHere serves a handler as the program does, HTTP/2 without TLS included.
func serveHere(t *testing.T, handler http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &front.Server{HTTP: &http.Server{Handler: handler, Protocols: protocols, ReadHeaderTimeout: soon}}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close(); <-ended })
	return listener.Addr().String()
}

// askRaw sends one request by hand, and returns the head of the answer and its body.
func askRaw(t *testing.T, address, head string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(soon))
	if _, err := io.WriteString(conn, head+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got, string(body)
}

// What a client asks for reaches a server byte for byte.
func TestServers_QueriesAndPathsStayAsTheyWereSent(t *testing.T) {
	t.Parallel()
	seen := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) }))
	t.Cleanup(seen.Close)
	address := routed(t, nil, `a: * -> "`+seen.URL+`"`)
	for _, target := range []string{
		"/?a=1;b=2", "/?a;b", "/?%zz", "/?a=%", "/?a=%2", "/?", "/", "/?a", "/?a=", "/?=a", "/?&&a&", "/?b=2&a=1&b=1", "/?a=b+c%20d", "/?a=%E4%B8%AD", "/?a=[1]&b={x}|y",
		"/?q='x'", "/?q=a,b:c@d!$*()", "/?a=b?c", "/?u=http://x/y", "/a%2Fb?c%2Fd", "/a//b/./c?d", "/a;b=c?d;e", "/%7Euser?~x", "/a+b?c+d", "/?a=b%00c",
	} {
		if got, body := askRaw(t, address, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close"); body != target || got.StatusCode != 200 {
			t.Errorf("%s arrived as %s (%s)", target, body, got.Status)
		}
	}
}

// A server believes what it is told of the client, so a client must not say it.
func TestServers_WhoAsksIsSaidByThisProgram(t *testing.T) {
	t.Parallel()
	seen := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for key, values := range r.Header {
			if grammar.IsForwarding(key) {
				_, _ = fmt.Fprintf(w, "%s=%s\n", key, values)
			}
		}
	}))
	t.Cleanup(seen.Close)
	rule := `a: PathSubtree("/shop") -> setRequestHeader("X-Forwarded-Prefix", "/shop") -> setPath("${*}") -> "` + seen.URL + `"; b: * -> "` + seen.URL + `"`
	forged := "X-Forwarded-For: 1.2.3.4\r\nX_Forwarded_For: 1.2.3.4\r\nX-Forwarded_Proto: https\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nx_real_ip: 1.2.3.4\r\nX-Forwarded-Prefix: /api\r\nX-Forwarded-User: root"
	for _, trusted := range []bool{false, true} {
		var proxies []netip.Prefix
		if trusted {
			proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		}
		address := routed(t, proxies, rule)
		_, got := askRaw(t, address, "GET /shop/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+forged)
		if strings.Contains(got, "_") || strings.Contains(got, "1.2.3.4") != trusted || strings.Contains(got, "root") != trusted {
			t.Errorf("trusted: %t: %s", trusted, got)
		}
		want := map[bool]string{false: "X-Forwarded-Prefix=[/shop]", true: "X-Forwarded-Prefix=[/api/shop]"}[trusted]
		if !strings.Contains(got, want) {
			t.Errorf("trusted: %t: %s, want %s", trusted, got, want)
		}
		if _, got := askRaw(t, address, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close"); strings.Contains(got, "Prefix") {
			t.Errorf("nothing was taken off, and yet %s", got)
		}
	}
}

// The breaker of a route guards servers, too, and judges what they do.
func TestServers_TheBreakerJudgesByTheHeadOfAnswers(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		switch r.URL.Path {
		case "/fails":
			w.WriteHeader(http.StatusBadGateway)
		case "/socket":
			conn, _, _ := w.(http.Hijacker).Hijack()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			go func() { <-release; _ = conn.Close() }()
		case "/slow":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	address := routed(t, nil, `a: * -> consecutiveBreaker(2, "200ms") -> "`+server.URL+`"; b: Path("/filtered") -> consecutiveBreaker(1, "1h") -> status(500) -> "`+server.URL+`"`)
	get := func(path string) *http.Response {
		got, _ := askRaw(t, address, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close")
		return got
	}
	for range 5 { // callers that hang up
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/slow", nil)
		before := calls.Load()
		done := make(chan struct{})
		go func() {
			defer close(done)
			if got, err := http.DefaultClient.Do(r); err == nil {
				_ = got.Body.Close()
			}
		}()
		eventually(t, "the call has arrived", func() (bool, string) { return calls.Load() > before, "" })
		cancel()
		<-done
	}
	for range 3 { // what a filter makes of a good answer
		if got := get("/filtered"); got.StatusCode != 500 {
			t.Errorf("%s", got.Status)
		}
	}
	if got := get("/fails"); got.StatusCode != 502 {
		t.Errorf("impatient callers opened it: %s", got.Status)
	}
	get("/fails")
	if got := get("/"); got.StatusCode != 503 || got.Header.Get("X-Circuit-Open") != "true" || got.Header.Get("Retry-After") == "" {
		t.Errorf("after two failures: %s %v", got.Status, got.Header)
	}
	eventually(t, "a socket is let through as the trial", func() (bool, string) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false, err.Error()
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(soon))
		_, _ = io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return strings.Contains(line, " 101 "), line
	})
	if got := get("/"); got.StatusCode != 200 {
		t.Errorf("while the socket is open: %s", got.Status)
	}
}

// calm answers the interop calls that the test needs.
type calm struct {
	testpb.UnimplementedTestServiceServer
}

func (calm) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-end", "yes"))
	if status := r.GetResponseStatus(); status != nil {
		return nil, grpcstatus.Error(codes.Code(status.GetCode()), status.GetMessage())
	}
	return &testpb.SimpleResponse{Payload: &testpb.Payload{Body: make([]byte, r.GetResponseSize())}}, nil
}

func (calm) FullDuplexCall(stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	for {
		asked, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, p := range asked.GetResponseParameters() {
			if err := stream.Send(&testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: make([]byte, p.GetSize())}}); err != nil {
				return err
			}
		}
	}
}

// gRPC reaches servers that are no functions, and what they say comes back.
func TestServers_SpeakGRPCAndHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	testpb.RegisterTestServiceServer(server, calm{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	for _, scheme := range []string{"http", "h2c"} {
		address := routed(t, nil, `a: * -> setRequestHeader("x-a", "b") -> "`+scheme+`://`+listener.Addr().String()+`"; gone: PathSubtree("/gone") -> "`+scheme+`://127.0.0.1:1"`)
		cc, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		t.Cleanup(cancel)
		client := testpb.NewTestServiceClient(cc)
		var trailer metadata.MD
		got, err := client.UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: 100000, Payload: &testpb.Payload{Body: make([]byte, 50000)}}, grpc.Trailer(&trailer))
		if err != nil || len(got.GetPayload().GetBody()) != 100000 || len(trailer["x-end"]) != 1 {
			t.Errorf("%s: %d bytes, %v, %v", scheme, len(got.GetPayload().GetBody()), err, trailer)
		}
		if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{ResponseStatus: &testpb.EchoStatus{Code: 5, Message: "told so"}}); grpcstatus.Code(err) != codes.NotFound || grpcstatus.Convert(err).Message() != "told so" {
			t.Errorf("%s: the status came back as %v", scheme, err)
		}
		pingPong(t, ctx, client)
		if err := cc.Invoke(ctx, "/gone/Call", &testpb.Empty{}, &testpb.Empty{}); grpcstatus.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "cannot be reached") {
			t.Errorf("%s: a server that is gone: %v", scheme, err)
		}
	}
	plain := serveHere(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	address := routed(t, nil, `a: * -> "h2c://`+plain+`"; b: Path("/one") -> "http://`+plain+`"`)
	for path, want := range map[string]string{"/": "HTTP/2.0", "/one": "HTTP/1.1"} {
		if _, got := askRaw(t, address, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close"); got != want {
			t.Errorf("%s was asked in %s, want %s", path, got, want)
		}
	}
}

// What a trusted proxy says of the first server, and nobody else, is believed.
func TestArrival_IsBelievedOfTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	proxies := filters.ArrivalBehind([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	for _, test := range []struct {
		from, proto, host string
		want              filters.Arrival
	}{
		{"10.1.2.3:5", "https", "shop.org", filters.Arrival{Scheme: "https", Host: "shop.org"}},
		{"10.1.2.3:5", "HTTPS", "", filters.Arrival{Scheme: "https", Host: "inner"}},
		{"10.1.2.3:5", "https, http", "shop.org, inner", filters.Arrival{Scheme: "https", Host: "shop.org"}},
		{"10.1.2.3:5", " https ,http", " shop.org:8443 ", filters.Arrival{Scheme: "https", Host: "shop.org:8443"}},
		{"10.1.2.3:5", "http,https", "", filters.Arrival{Scheme: "http", Host: "inner"}},
		{"10.1.2.3:5", "javascript", "", filters.Arrival{Scheme: "http", Host: "inner"}},
		{"10.1.2.3:5", "", "", filters.Arrival{Scheme: "http", Host: "inner"}},
		{"[::ffff:10.1.2.3]:5", "https", "", filters.Arrival{Scheme: "https", Host: "inner"}},
		{"192.0.2.1:5", "https", "evil", filters.Arrival{Scheme: "http", Host: "inner"}},
		{"[::1]:5", "https", "evil", filters.Arrival{Scheme: "http", Host: "inner"}},
		{"", "https", "evil", filters.Arrival{Scheme: "http", Host: "inner"}},
	} {
		r := httptest.NewRequest("GET", "http://inner/", nil)
		r.RemoteAddr = test.from
		for key, value := range map[string]string{"X-Forwarded-Proto": test.proto, "X-Forwarded-Host": test.host} {
			if value != "" {
				r.Header.Set(key, value)
			}
		}
		if got := proxies(r); got != test.want {
			t.Errorf("%+v: got %+v", test, got)
		}
	}
}

// A host that only looks like one is not called.
func TestServers_TheHostOfAServer(t *testing.T) {
	t.Parallel()
	seen := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }))
	t.Cleanup(seen.Close)
	own, err := url.Parse(seen.URL)
	if err != nil {
		t.Fatal(err)
	}
	address := routed(t, nil, strings.ReplaceAll(`
		a: * -> $to; b: Path("/b") -> preserveHost("false") -> $to; c: Path("/c") -> setRequestHeader("Host", "c.org") -> $to;
		d: Path("/d") -> setRequestHeader("Host", "d.org") -> preserveHost("true") -> $to; e: Path("/e/:host") -> setRequestHeader("Host", "${host}") -> $to;
		f: Path("/f") -> modRequestHeader("Host", /^client/, "server") -> $to`, "$to", `"`+seen.URL+`"`))
	for path, want := range map[string]string{"/": "client.org", "/b": own.Host, "/c": "c.org", "/d": "client.org", "/e/e.org": "e.org", "/f": "server.org"} {
		if _, got := askRaw(t, address, "GET "+path+" HTTP/1.1\r\nHost: client.org\r\nConnection: close"); got != want {
			t.Errorf("%s: the server saw %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{"/e/a%20b", "/e/a%0d%0ab", "/e/%00", "/e/a@b", "/e/%5B::1", "/e/a:b:c", "/e/[::1]evil", "/e/%7F", "/e/a%09"} {
		if got, _ := askRaw(t, address, "GET "+path+" HTTP/1.1\r\nHost: client.org\r\nConnection: close"); got.StatusCode != 400 {
			t.Errorf("%s: %s", path, got.Status)
		}
	}
	if prefix, known := function.PrefixFrom(t.Context()); known || prefix != "" {
		t.Error("a context has a prefix that nobody gave it")
	}
}
