package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/crypto/bcrypt"
)

// talker deploys testdata/talker and returns its name.
func (h *host) talker(t testing.TB) string {
	t.Helper()
	spec := h.spec(t, "talker")
	h.deploy(t, spec)
	return spec.Service
}

// heard is what a talker was sent.
func (h *host) heard(t testing.TB, name string) []string {
	t.Helper()
	var lines []string
	if err := json.Unmarshal([]byte(h.get(t, "/function/"+name+"/heard").wants(t, http.StatusOK).body), &lines); err != nil {
		t.Fatal(err)
	}
	return lines
}

// secretFiles are what filters read: passwords, keys and tokens.
func secretFiles(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"htpasswd": "alex:" + string(hash), "keys": "k1\n", "hmac": hmacSecret,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

const hmacSecret = "0123456789abcdef0123456789abcdef"

func bearerOf(t *testing.T, audience string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"aud": audience, "exp": time.Now().Add(time.Hour).Unix()})
	text, err := token.SignedString([]byte(hmacSecret))
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + text
}

// filterCase is one filter before a real function, and what a caller sees of it.
type filterCase struct {
	filter string
	send   request
	status int
	// says is part of the answer's body, has a field of its header: "Name: value".
	says, has string
}

func filterCases(t *testing.T) []filterCase {
	folder := secretFiles(t)
	get := func(pairs ...string) request {
		r := request{method: http.MethodGet, path: "/x?a=1&b=2", header: map[string]string{"X-Describe": "1"}}
		for i := 0; i < len(pairs); i += 2 {
			r.header[pairs[i]] = pairs[i+1]
		}
		return r
	}
	post := func(size int) request {
		return request{method: http.MethodPost, path: "/x", body: strings.Repeat("x", size)}
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("alex:secret"))
	file := func(call, name string) string {
		return strings.ReplaceAll(call, "$", fmt.Sprintf("%q", filepath.Join(folder, name)))
	}
	return []filterCase{
		{`setRequestHeader("X-A", "${request.method}")`, get(), 200, `"X-A":["GET"]`, ""},
		{`appendRequestHeader("X-A", "2")`, get("X-A", "1"), 200, `"X-A":["1","2"]`, ""},
		{`dropRequestHeader("X-A") -> setRequestHeader("X-B", "only")`, get("X-A", "1"), 200, `"X-B":["only"]`, ""},
		{`setResponseHeader("X-A", "a")`, get(), 200, "", "X-A: a"},
		{`appendResponseHeader("X-A", "a")`, get(), 200, "", "X-A: a"},
		{`dropResponseHeader("X-Call-Id")`, get(), 200, "", "X-Call-Id: "},
		{`setPath("/new${request.path}")`, get(), 200, `"uri":"/new/x?a=1`, ""},
		{`modPath(/x/, "y/z")`, get(), 200, `"uri":"/y/z?a=1`, ""},
		{`setQuery("a", "3")`, get(), 200, `"query":"b=2&a=3"`, ""},
		{`dropQuery("a")`, get(), 200, `"query":"b=2"`, ""},
		{`redirectTo(308, "https://example.org")`, get(), 308, "", "Location: https://example.org/x?a=1&b=2"},
		{`status(418)`, get(), 418, `"method":"GET"`, ""},
		{`inlineContent("hello", "text/x")`, get(), 200, "hello", "Content-Type: text/x"},
		{`responseCookie("group", "b")`, get(), 200, "", "Set-Cookie: group=b; Path=/; HttpOnly; SameSite=Lax"},
		{`compress()`, get("Accept-Encoding", "gzip", "X-Long", strings.Repeat("x", 600)), 200, "", "Content-Encoding: gzip"},
		{`compress()`, get("X-Long", strings.Repeat("x", 600)), 200, `"uri"`, "Content-Encoding: "},
		{file(`basicAuth($)`, "htpasswd"), get("Authorization", basic), 200, `"uri"`, ""},
		{file(`basicAuth($)`, "htpasswd"), get("Authorization", basic+"x"), 401, "a user and a password", `WWW-Authenticate: Basic realm="Restricted", charset="UTF-8"`},
		{file(`apiKey("X-Key", $)`, "keys"), get("X-Key", "k1"), 200, `"uri"`, ""},
		{file(`apiKey("X-Key", $)`, "keys"), get("X-Key", "k2"), 401, "X-Key", "X-OpenFaaS-Internal: routes"},
		{file(`bearer($)`, "keys"), get("Authorization", "Bearer k1"), 200, `"uri"`, ""},
		{file(`bearer($)`, "keys"), get(), 401, "bearer token", "WWW-Authenticate: Bearer"},
		{file(`jwt("HS256", $, "aud=shop")`, "hmac"), get("Authorization", bearerOf(t, "shop")), 200, `"uri"`, ""},
		{file(`jwt("HS256", $, "aud=shop")`, "hmac"), get("Authorization", bearerOf(t, "bank")), 401, "claims", `WWW-Authenticate: Bearer error="invalid_token"`},
		{`rateLimit(1, "1h") -> rateLimit(1, "1h")`, get(), 200, `"uri"`, ""},
		{`clientRatelimit(1, "1h")`, get(), 200, `"uri"`, ""},
		{`requestSize("1Ki")`, post(1024), 200, strings.Repeat("x", 1024), ""},
		{`requestSize("1Ki")`, post(1025), 413, "larger than 1Ki", ""},
		{`cors("https://a.example")`, get("Origin", "https://a.example"), 200, `"uri"`, "Access-Control-Allow-Origin: https://a.example"},
		{`cors("https://a.example")`, get("Origin", "https://b.example"), 200, `"uri"`, "Access-Control-Allow-Origin: "},
		{`latency(1, "1ms")`, get(), 200, `"uri"`, ""},
		{`abort(1, 503)`, get(), 503, "made by the filter abort", ""},
		{`abort(0, 503)`, get(), 200, `"uri"`, ""},
		{`consecutiveBreaker(1)`, get(), 200, `"uri"`, ""},
		{`healthcheck()`, get(), 200, `"uri"`, ""},
		{`xforward()`, get(), 200, `"uri"`, ""},
		{`disableAccessLog()`, get(), 200, `"uri"`, ""},
		{`comment("why")`, get(), 200, `"uri"`, ""},
		{`disableBreaker()`, get(), 200, `"uri"`, ""},
		{`responseHeader("X-A", "a")`, get(), 200, "", "X-A: a"},
		{`copyRequestHeader("X-From", "X-A")`, get("X-From", "1", "X_A", "2"), 200, `"X-A":["1"]`, ""},
		{`copyResponseHeader("Content-Type", "X-A")`, get(), 200, "", "X-A: application/json"},
		{`modRequestHeader("X-A", /^o/, "n")`, get("X-A", "old"), 200, `"X-A":["nld"]`, ""},
		{`modResponseHeader("Content-Type", /json/, "x")`, get(), 200, "", "Content-Type: application/x"},
		{`preserveHost("true")`, get(), 200, `"uri"`, ""},
		{`stripQuery()`, get(), 200, `"uri":"/x"`, ""},
		{`queryToHeader("a", "X-A", "<%s>")`, get(), 200, `"X-A":["<1>"]`, ""},
		{`headerToQuery("X-A", "a")`, get("X-A", "9"), 200, `"query":"b=2&a=9"`, ""},
		{`requestCookie("c", "d")`, get("Cookie", "a=b"), 200, `"Cookie":["a=b;c=d"]`, ""},
		{`dropRequestCookie("a")`, get("Cookie", "a=b; c=d"), 200, `"Cookie":["c=d"]`, ""},
		{`dropResponseCookie("group") -> responseCookie("group", "b")`, get(), 200, "", "Set-Cookie: "},
		{`ratelimit(1, "1h")`, get(), 200, `"uri"`, ""},
		{`localRatelimit(1, "1h")`, get(), 200, `"uri"`, ""},
		{`static("/x", ` + fmt.Sprintf("%q", folder) + `)`, get(), 404, "not found", ""},
		{`enableAccessLog()`, get(), 200, `"uri"`, ""},
		{`accessLog()`, get(), 200, `"uri"`, ""},
		{`tee("function:nobody")`, post(10), 200, "xxxxxxxxxx", ""},
		{`retry("attempts=2", "methods=any")`, post(10), 200, "xxxxxxxxxx", ""},
		{`tryTimeout("10s")`, get(), 200, `"uri"`, ""},
		{`hedge("after=10s")`, get(), 200, `"uri"`, ""},
		{`breaker("failures=3")`, get(), 200, `"uri"`, ""},
		{`fault("abort=418")`, get(), 418, "policy fault", "X-OpenFaaS-Internal: proxy"},
		{`logCalls()`, get(), 200, `"uri"`, ""},
		{`progress("every=1s")`, post(10), 200, "xxxxxxxxxx", ""},
	}
}

func TestRoutes_EveryFilterBeforeARealFunction(t *testing.T) {
	t.Parallel()
	h := patient(t)
	name := strings.TrimPrefix(h.echo(t), "/function/")
	tried := map[string]bool{}
	for i, tc := range filterCases(t) {
		tried[tc.filter[:strings.IndexByte(tc.filter, '(')]] = true
		t.Run(tc.filter, func(t *testing.T) {
			tc.send.host = h.route(t, name, fmt.Sprintf("$id.%d: $host -> %s -> $to", i, tc.filter))
			got := h.do(t, tc.send).wants(t, tc.status)
			if compact := strings.Join(strings.Fields(got.body), ""); !strings.Contains(got.body, tc.says) && !strings.Contains(compact, tc.says) {
				t.Errorf("%s does not say %s", got.body, tc.says)
			}
			key, value, _ := strings.Cut(tc.has, ": ")
			if key != "" && got.Header.Get(key) != value {
				t.Errorf("%s is %q, want %q", key, got.Header.Get(key), value)
			}
		})
	}
	for _, filter := range h.provider.View().Routes.Options.FilterNames() {
		if !tried[filter] && filter != "requestHeader" {
			t.Errorf("the filter %s was not tried", filter)
		}
	}
}

func TestRoutes_CompressedAnswersComeBackWhole(t *testing.T) {
	t.Parallel()
	h := patient(t)
	host := h.route(t, strings.TrimPrefix(h.echo(t), "/function/"), `$id: $host -> compress() -> $to`)
	body := strings.Repeat("compress me ", 100000)
	got := h.do(t, request{method: http.MethodPost, path: "/", host: host, body: body, header: map[string]string{"Accept-Encoding": "gzip", "Content-Type": "text/plain"}})
	reader, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil || len(got.body) > len(body)/10 {
		t.Fatalf("%v, %d bytes", err, len(got.body))
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(reader); err != nil || plain.String() != body {
		t.Errorf("%d bytes, %v, want %d", plain.Len(), err, len(body))
	}
}

func TestRoutes_LimitsAndBreakersCountOverRequests(t *testing.T) {
	t.Parallel()
	h := patient(t)
	name := h.talker(t)
	host := h.route(t, name, `
		$id.rate: $host && Path("/rate") -> rateLimit(2, "1h") -> $to;
		$id.client: $host && Path("/client") -> clientRatelimit(2, "1h") -> $to;
		$id.breaker: $host && PathSubtree("/status") -> consecutiveBreaker(2, "1h") -> $to`)
	for path, want := range map[string][]int{
		"/rate":       {200, 200, 429, 429},
		"/client":     {200, 200, 429},
		"/status/502": {502, 502, 503, 503},
	} {
		var got []int
		for range want {
			got = append(got, h.do(t, request{method: http.MethodGet, path: path, host: host}).StatusCode)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	// Another rule beside them leaves the counts as they are.
	h.route(t, name, `$id.new: $host && Path("/new") -> $to`)
	h.do(t, request{method: http.MethodGet, path: "/rate", host: host}).wants(t, http.StatusTooManyRequests)
	h.do(t, request{method: http.MethodGet, path: "/status/200", host: host}).wants(t, http.StatusServiceUnavailable, "circuit breaker")
}

func TestRoutes_TeeReachesASecondFunction(t *testing.T) {
	t.Parallel()
	h := patient(t)
	first, second := h.talker(t), h.talker(t)
	host := h.route(t, first, `$id: $host -> tee("function:`+second+`") -> $to`)
	h.do(t, request{method: http.MethodPost, path: "/a?b=c", host: host, body: "body"}).wants(t, http.StatusOK, "POST /a?b=c body")
	eventually(t, "the copy has arrived", func() (bool, string) {
		got := h.heard(t, second)
		return slices.Equal(got, []string{"POST /a?b=c body"}), fmt.Sprint(got)
	})
	h.forget(t, second, defaultNS)
	h.do(t, request{method: http.MethodPost, path: "/b", host: host, body: "alone"}).wants(t, http.StatusOK, "POST /b alone")
}

func TestRoutes_AccessLogTellsOfTheEnd(t *testing.T) {
	t.Parallel()
	h := patient(t)
	host := h.route(t, h.talker(t), `$id: $host -> accessLog() -> $to`)
	from := h.log.len()
	got := h.do(t, request{method: http.MethodGet, path: "/secret?token=abc", host: host}).wants(t, http.StatusOK)
	eventually(t, "the line is written", func() (bool, string) {
		line := h.log.about(from, host)
		return strings.Contains(line, "status=200") && strings.Contains(line, fmt.Sprintf("bytes=%d", len(got.body))) &&
			strings.Contains(line, "path=/secret ") && strings.Contains(line, "client=127.0.0.1") && !strings.Contains(line, "abc"), line
	})
}

func TestRoutes_WebSocketsPassThroughEveryKindOfFilter(t *testing.T) {
	t.Parallel()
	h := patient(t)
	host := h.route(t, h.talker(t), `$id: $host && Path("/socket")
		-> accessLog() -> consecutiveBreaker(5) -> rateLimit(100, "1s") -> compress() -> cors() -> requestSize("1Ki")
		-> tee("function:nobody") -> responseCookie("a", "b") -> setResponseHeader("X-A", "a") -> setPath("/ws") -> $to`)
	conn, response, err := websocket.Dial(t.Context(), h.url+"/socket", &websocket.DialOptions{Host: host, HTTPClient: h.client})
	if err != nil {
		t.Fatalf("%v: %+v", err, response)
	}
	defer func() { _ = conn.CloseNow() }()
	for _, message := range []string{"hello", strings.Repeat("x", 20000)} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || string(got) != message {
			t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(message))
		}
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

func TestRoutes_CannotLeadBackToTheProvider(t *testing.T) {
	t.Parallel()
	h := patient(t)
	port := portOf(h.url)
	for _, own := range []string{h.url, "http://localhost:" + port, "https://127.0.0.1:" + port, "http://0.0.0.0:" + port} {
		h.do(t, request{method: http.MethodPut, path: "/system/routes/loop", body: `Path("/loop") -> "` + own + `"`}).wants(t, http.StatusBadRequest, "provider's own address", "again and again")
	}
	spec := h.spec(t, "echo")
	spec.Annotations = &map[string]string{"com.openfaas.route.loop": `Path("/loop") -> "` + h.url + `"`}
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, "provider's own address")
}

// Where a server sends a request back, it ends after a few rounds.
func TestRoutes_ARequestThatComesBackAgainAndAgainIsRefused(t *testing.T) {
	t.Parallel()
	h := patient(t)
	back := httputil.NewSingleHostReverseProxy(mustURL(t, h.url))
	rounds := atomic.Int32{}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rounds.Add(1)
		back.ServeHTTP(w, r)
	}))
	defer other.Close()
	host := h.route(t, "", `$id: $host -> "`+other.URL+`"`)
	h.do(t, request{method: http.MethodGet, path: "/x", host: host}).wants(t, http.StatusLoopDetected, "comes back again and again")
	if n := rounds.Load(); n > 10 {
		t.Errorf("it went round %d times", n)
	}
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRoutes_AServerThatIsNoFunction(t *testing.T) {
	t.Parallel()
	h := patient(t)
	other := strings.TrimPrefix(hasty(t).url, "http://")
	host := h.route(t, "", `
		$id: $host -> setPath("/healthz") -> "http://`+other+`";
		$id.gone: $host && Path("/gone") -> "http://127.0.0.1:1"`)
	h.do(t, request{method: http.MethodGet, path: "/x", host: host}).wants(t, http.StatusOK)
	got := h.do(t, request{method: http.MethodGet, path: "/gone", host: host}).wants(t, http.StatusBadGateway, "http://127.0.0.1:1, where a route sends this request, cannot be reached")
	if got.Header.Get("X-OpenFaaS-Internal") != "routes" {
		t.Errorf("header %v", got.Header)
	}
}

func TestRoutes_ABodyOfUnknownLengthIsBoundedToo(t *testing.T) {
	t.Parallel()
	h := patient(t)
	host := h.route(t, strings.TrimPrefix(h.echo(t), "/function/"), `$id: $host -> requestSize("1Ki") -> $to`)
	for size, want := range map[int]int{1024: http.StatusOK, 1 << 20: http.StatusRequestEntityTooLarge} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url, io.MultiReader(strings.NewReader(strings.Repeat("x", size))))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		got, err := h.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("%d bytes: %s", size, got.Status)
		}
	}
}
