package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/front"
	"faas-docker/function"
	"faas-docker/policy"
	"faas-docker/proxy"
	"faas-docker/resolver"
	"faas-docker/routes"
	"faas-docker/routes/filters"
	"faas-docker/routes/servers"
)

// wiring is the way of a request by a route, from the client's bytes to those of a
// function, and of a server, which answer with bytes as well. No engine is needed.
type wiring struct {
	*testing.T
	address string
	// backend is where the function, and the server, listen.
	backend string
	// heads gets what the backend was sent.
	heads chan string
	// answer is what the backend says; unless speak is set, which is called after each head.
	answer string
	speak  func(conn net.Conn, rest *bufio.Reader)
}

// wire builds one with rules in which FUNCTION and SERVER stand for the backends.
func wire(t *testing.T, rules, answer string, policies function.Policies) *wiring {
	t.Helper()
	return (&wiring{T: t, answer: answer}).begin(rules, policies)
}

// begin has it listen.
func (s *wiring) begin(rules string, policies function.Policies) *wiring {
	t := s.T
	t.Helper()
	s.heads = make(chan string, 10000)
	s.backend = s.listen(s.backendSpeaks)
	h := &proxy.Handler{
		Resolver: resolver.New(),
		Timeouts: proxy.Timeouts{Timeout: 5 * time.Second},
		Rules:    proxy.Rules{Chains: &policy.Chains{Logger: hclog.NewNullLogger()}},
	}
	t.Cleanup(func() { _ = h.Shutdown(t.Context()) })
	name := function.ParseName("f", function.DefaultNamespace)
	h.Resolver.Declare(name, function.CallPolicy{Policies: &policies})
	h.Policy = h.Resolver.Policy
	h.Resolver.Add(function.Replica{ID: "1", Function: name, State: function.Running, Address: netip.MustParseAddrPort(s.backend)}, h.Resolver.Listing())
	if !h.Resolver.MarkReady(name, "1") {
		t.Fatal("the replica was not admitted")
	}
	parsed, err := routes.Parse(strings.NewReplacer("FUNCTION", `"function:f"`, "SERVER", `"http://`+s.backend+`"`).Replace(rules))
	if err != nil {
		t.Fatal(err)
	}
	table, problems := routes.Build(parsed, routes.Options{Filters: filters.All(filters.Options{})})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	routing := &routes.Mount{Functions: h, Previous: h, MountConfig: routes.MountConfig{Servers: servers.New(nil, servers.OwnAddress{}, serverTimeout, hclog.NewNullLogger())}}
	t.Cleanup(routing.Servers.Close)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &front.Server{HTTP: &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, params := table.Lookup(r)
		if route == nil {
			h.ServeHTTP(w, r)
			return
		}
		route.Serve(w, r, params, routing.Backend(route))
	})}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	s.address = listener.Addr().String()
	return s
}

func (s *wiring) listen(speak func(net.Conn)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go speak(conn)
		}
	}()
	return listener.Addr().String()
}

// backendSpeaks answers each head that comes, and ends behind an answer that switches
// protocols; a body it does not read.
func (s *wiring) backendSpeaks(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	reader := bufio.NewReader(conn)
	for {
		var head strings.Builder
		for !strings.HasSuffix(head.String(), "\r\n\r\n") {
			line, err := reader.ReadString('\n')
			head.WriteString(line)
			if err != nil {
				return
			}
		}
		s.heads <- head.String()
		if s.speak != nil {
			s.speak(conn, reader)
			return
		}
		_, _ = io.WriteString(conn, s.answer)
		if strings.Contains(s.answer, " 101 ") {
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			return
		}
	}
}

// say sends a request that ends its connection, and returns all that comes back.
func (s *wiring) say(format string, args ...any) string {
	s.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, format, args...)
	text, _ := io.ReadAll(conn)
	return string(text)
}

// sent is the head that the backend got.
func (s *wiring) sent() string {
	s.Helper()
	select {
	case head := <-s.heads:
		return head
	case <-time.After(10 * time.Second):
		s.Fatal("the backend was not asked")
		return ""
	}
}

const nothing = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// lanes are ways in which one request can be written: each is read by somebody else.
func lanes(path string) map[string]string {
	return map[string]string{
		"plain":    "GET " + path + " HTTP/1.1\r\nHost: x\r\n",
		"bare LF":  "GET " + path + " HTTP/1.1\nHost: x\n",
		"a URL":    "GET http://x" + path + " HTTP/1.1\r\nHost: x\r\n",
		"HTTP/1.0": "GET " + path + " HTTP/1.0\r\nHost: x\r\n",
	}
}

func retried() function.Policies { return function.Policies{TryTimeout: 5 * time.Second} }

// A client takes off with Connection only what it has sent itself.
func TestWire_ConnectionTakesOffWhatTheClientSent(t *testing.T) {
	t.Parallel()
	const filters = `setRequestHeader("X-Tenant", "acme") -> appendRequestHeader("X-Role", "guest") -> `
	for name, policies := range map[string]function.Policies{"no policy": {}, "policies": retried()} {
		s := wire(t, `f: Path("/f") -> `+filters+`FUNCTION; s: Path("/s") -> `+filters+`SERVER;`, nothing, policies)
		for _, path := range []string{"/f", "/s"} {
			for lane, line := range lanes(path) {
				for _, listing := range []string{
					"X-Tenant, close", "x-tenant, close", "X-Tenant, X-Role, Via, Host, X-Call-Id, X-Start-Time, close", "close, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Forwarded, X-Real-Ip", ",,X-TENANT ,\tclose",
				} {
					s.say("%sConnection: %s\r\nX-Tenant: evil\r\nX-Role: root\r\nX-Mine: 1\r\n\r\n", line, listing)
					head := s.sent()
					for _, want := range []string{"X-Tenant: acme\r\n", "X-Role: guest\r\n", "X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Host: x\r\n", "X-Mine: 1\r\n"} {
						if !strings.Contains(head, want) {
							t.Errorf("%s, %s %s, %q: missing %q in %q", name, path, lane, listing, want, head)
						}
					}
					if strings.Contains(head, "evil") {
						t.Errorf("%s, %s %s, %q: %q", name, path, lane, listing, head)
					}
				}
			}
		}
	}
}

// A function takes off with Connection, or with Trailer, only what it has sent itself.
func TestWire_AnswersKeepWhatFiltersHaveSet(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"Connection: X-Frame-Options\r\nContent-Length: 0\r\n\r\n",
		"Connection: x-frame-options, Set-Cookie\r\nX-Frame-Options: ALLOWALL\r\nContent-Length: 0\r\n\r\n",
		"Trailer: X-Frame-Options\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Frame-Options: ALLOWALL\r\n\r\n",
		"Trailer: X-Frame-Options, Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
	} {
		s := wire(t, `f: Path("/f") -> setResponseHeader("X-Frame-Options", "DENY") -> responseCookie("group", "beta") -> FUNCTION;
			s: Path("/s") -> setResponseHeader("X-Frame-Options", "DENY") -> responseCookie("group", "beta") -> SERVER;`, "HTTP/1.1 200 OK\r\n"+answer, function.Policies{})
		for _, path := range []string{"/f", "/s"} {
			for lane, line := range lanes(path) {
				head, _, _ := strings.Cut(s.say("%sConnection: close\r\n\r\n", line), "\r\n\r\n")
				if !strings.Contains(head, "X-Frame-Options: DENY") || !strings.Contains(head, "Set-Cookie: group=beta") {
					t.Errorf("%s %s: to %q the client got %q", path, lane, answer, head)
				}
			}
		}
	}
}

// What a client has encoded does not become a line, or a control character, of a header.
func TestWire_NoControlCharacterReachesAField(t *testing.T) {
	t.Parallel()
	const rules = `
		f: Path("/f/:item") -> setRequestHeader("X-Item", "${item}") -> FUNCTION;
		s: Path("/s/:item") -> setRequestHeader("X-Item", "${item}") -> SERVER;
		fq: Path("/fq") -> setRequestHeader("X-Item", "${request.query.item}") -> FUNCTION;
		sq: Path("/sq") -> setRequestHeader("X-Item", "${request.query.item}") -> SERVER;
		fp: Path("/fp/**") -> setRequestHeader("X-Item", "${request.path}") -> FUNCTION;
		fh: Path("/fh/:item") -> setRequestHeader("Host", "${item}") -> FUNCTION;
		sh: Path("/sh/:item") -> setRequestHeader("Host", "${item}") -> SERVER;
		r: Path("/r/:item") -> setResponseHeader("X-Item", "${item}") -> FUNCTION;
		rs: Path("/rs/:item") -> setResponseHeader("X-Item", "${item}") -> SERVER;
		l: Path("/l/:item") -> redirectTo(302, "/${item}") -> <shunt>;
		d: Path("/d") -> redirectTo(302, "${request.query.item}") -> <shunt>;`
	for name, policies := range map[string]function.Policies{"no policy": {}, "policies": retried()} {
		s := wire(t, rules, nothing, policies)
		for _, code := range []string{
			"a%0d%0aX-Evil:%201", "%0d", "%0a", "a%0aX-Evil: 1", "%00", "%01", "a%08b", "%0b", "%0c", "%1b[31m", "%1f", "%7f", "a%0d%0a%0d%0aGET%20evil",
		} {
			code = strings.ReplaceAll(code, " ", "%20")
			for _, path := range []string{"/f/" + code, "/s/" + code, "/fq?item=" + code, "/sq?item=" + code, "/fp/" + code, "/fh/" + code, "/sh/" + code} {
				for lane, line := range lanes(path) {
					got := s.say("%sConnection: close\r\n\r\n", line)
					if !strings.HasPrefix(got, "HTTP/1.1 400 ") && !strings.HasPrefix(got, "HTTP/1.0 400 ") {
						t.Errorf("%s, %s, %s: %q", name, lane, path, got)
					}
				}
			}
			for _, path := range []string{"/r/" + code, "/rs/" + code, "/l/" + code, "/d?item=" + code} {
				for lane, line := range lanes(path) {
					head, _, _ := strings.Cut(s.say("%sConnection: close\r\n\r\n", line), "\r\n\r\n")
					if strings.Contains(head, "\nX-Evil") || strings.Contains(head, "X-Item") || strings.ContainsAny(strings.ReplaceAll(head, "\r\n", ""), "\r\n\x00\x01\x08\x0b\x0c\x1b\x1f\x7f") {
						t.Errorf("%s, %s, %s: %q", name, lane, path, head)
					}
				}
			}
		}
		for len(s.heads) > 0 {
			if head := <-s.heads; strings.Contains(head, "X-Item") || strings.Contains(head, "vil") && !strings.HasPrefix(head, "GET /r") {
				t.Errorf("%s: the backend was sent %q", name, head)
			}
		}
	}
}

// No upgrade to HTTP is passed on, and none that is not asked for is let through.
func TestWire_UpgradesToHTTPStayOutside(t *testing.T) {
	t.Parallel()
	const rules = `f: Path("/f") -> FUNCTION; g: Path("/g") -> setRequestHeader("X-A", "1") -> FUNCTION; s: Path("/s") -> SERVER;`
	for name, policies := range map[string]function.Policies{"no policy": {}, "policies": retried()} {
		for _, upgrade := range []string{
			"h2c", "H2C", "h2", "HTTP/2.0", "HTTP/1.1", "TLS/1.0", "websocket, h2c", "h2c, websocket", "websocket\r\nUpgrade: h2c", "spdy/3.1", "h2c/1", "\tH2c ",
		} {
			s := wire(t, rules, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+strings.TrimSpace(strings.Split(upgrade, "\r\n")[0])+"\r\n\r\nsmuggled", policies)
			for _, path := range []string{"/f", "/g", "/s", "/function/f"} {
				for lane, line := range lanes(path) {
					got := s.say("%sConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nConnection: close\r\n\r\n", line, upgrade)
					if !strings.Contains(got, " 502 ") || strings.Contains(got, "smuggled") {
						t.Errorf("%s, %s %s, %q: %q", name, path, lane, upgrade, got)
					}
					if head := s.sent(); strings.Contains(strings.ToLower(head), "upgrade") || strings.Contains(strings.ToLower(head), "http2-settings") {
						t.Errorf("%s, %s %s, %q: the backend was sent %q", name, path, lane, upgrade, head)
					}
				}
			}
		}
	}
}

func TestWire_OnlyWhatWasAskedIsSwitchedTo(t *testing.T) {
	t.Parallel()
	const ask = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	for _, row := range []struct{ asked, answered string }{
		{"", "Connection: Upgrade\r\nUpgrade: websocket\r\n"}, {"", ""}, {"", "Upgrade: h2c\r\n"},
		{ask, "Connection: Upgrade\r\nUpgrade: h2c\r\n"}, {ask, "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"}, {ask, "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"},
		{ask, "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"}, {ask, "Connection: Upgrade\r\nUpgrade: web\u017focket\r\n"}, {ask, "Connection: Upgrade\r\nUpgrade: websocket/13\r\n"},
		{ask, "Connection: Upgrade\r\n"}, {ask, ""}, {ask, "Connection: Upgrade\r\nUpgrade:\r\n"},
	} {
		s := wire(t, `f: Path("/f") -> FUNCTION; s: Path("/s") -> SERVER;`, "HTTP/1.1 101 Switching Protocols\r\n"+row.answered+"\r\nsmuggled", function.Policies{})
		for _, path := range []string{"/f", "/s", "/function/f"} {
			got := s.say("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", path, row.asked)
			if !strings.Contains(got, " 502 ") || strings.Contains(got, "smuggled") {
				t.Errorf("%s, %q: %q", path, row, got)
			}
		}
	}
}

// The answer that switches protocols has what filters have given it.
func TestWire_SwitchingKeepsWhatFiltersHaveSet(t *testing.T) {
	t.Parallel()
	const filters = `setResponseHeader("X-Set", "1") -> setResponseHeader("X-Mine", "ours") -> appendResponseHeader("X-Both", "ours") -> dropResponseHeader("Server") -> responseCookie("group", "beta") -> cors() -> compress("text/") -> `
	for name, policies := range map[string]function.Policies{"no policy": {}, "policies": retried()} {
		s := wire(t, `f: Path("/f") -> `+filters+`FUNCTION; s: Path("/s") -> `+filters+`SERVER;`,
			"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Listed\r\nUpgrade: websocket\r\nX-Mine: theirs\r\nX-Both: theirs\r\nX-Listed: 1\r\nServer: f\r\nSec-WebSocket-Accept: x\r\nContent-Type: text/html\r\n\r\nfirst", policies)
		for _, path := range []string{"/f", "/s"} {
			got := s.say("GET %s HTTP/1.1\r\nHost: x\r\nOrigin: http://y\r\nAccept-Encoding: gzip\r\nConnection: Upgrade, keep-alive\r\nUpgrade: WebSocket\r\n\r\n\r\n\r\n", path)
			if head := s.sent(); !strings.Contains(head, "Upgrade: WebSocket\r\n") {
				t.Errorf("%s: the backend was sent %q", path, head)
			}
			for _, want := range []string{
				"HTTP/1.1 101 Switching Protocols\r\n", "Connection: Upgrade", "Upgrade: websocket\r\n", "X-Set: 1\r\n", "X-Mine: ours\r\n", "X-Both: theirs\r\n", "X-Both: ours\r\n",
				"Set-Cookie: group=beta", "Access-Control-Allow-Origin: *\r\n", "Sec-Websocket-Accept: x\r\n", "\r\n\r\nfirst",
			} {
				if !strings.Contains(got, want) {
					t.Errorf("%s, %s: missing %q in %q", name, path, want, got)
				}
			}
			for _, not := range []string{"Server:", "X-Mine: theirs", "Content-Encoding", "gzip"} {
				if strings.Contains(got, not) {
					t.Errorf("%s, %s: unwanted %q in %q", name, path, not, got)
				}
			}
			if path == "/f" && strings.Contains(got, "X-Listed") {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}
