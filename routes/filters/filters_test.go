package filters

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/bcrypt"

	"golang.org/x/time/rate"

	"faas-docker/function"
	"faas-docker/routes"
	"faas-docker/routes/eskip"
	"faas-docker/routes/files"
	"faas-docker/routes/routestest"
)

// one is a table with one route that is called without a server.
type one struct {
	t       testing.TB
	table   *routes.Table
	backend http.HandlerFunc
}

func oneRoute(t testing.TB, rule string, o Options, backend http.HandlerFunc) one {
	t.Helper()
	if backend == nil {
		backend = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "backend") }
	}
	return one{t, routestest.Build(t, rule, with(o)), backend}
}

// call sends a request with these fields ("Name: value") and returns what came back.
func (s one) call(method, target string, fields ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for _, field := range fields {
		key, value, _ := strings.Cut(field, ": ")
		r.Header.Add(key, value)
	}
	return s.send(r)
}

func (s one) send(r *http.Request) *httptest.ResponseRecorder {
	s.t.Helper()
	route, params := s.table.Lookup(r)
	if route == nil {
		s.t.Fatalf("no route for %s", r.URL)
	}
	w := httptest.NewRecorder()
	route.Serve(w, r, params, s.backend)
	return w
}

// close closes its filters.
func (s one) close() {
	var live routes.Live
	live.Swap(s.table)
	live.Swap(nil)
}

func writeFile(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// testFiles are options by which rules may name the files of tests.
// with are the options of rules that can have our filters.
func with(o Options) routes.Options { return routes.Options{Filters: All(o)} }

func testFiles() Options { return Options{Files: files.Folder(os.TempDir())}.withDefaults() }

func TestFilters_ChangeTheAnswersHeader(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		`* -> setResponseHeader("X-A", "<${request.path}>") -> "function:f"`:                        "[</x>] [s]",
		`* -> appendResponseHeader("x-a", "1") -> appendResponseHeader("X-A", "2") -> "function:f"`: "[a 2 1] [s]",
		`* -> dropResponseHeader("server") -> dropResponseHeader("X-A") -> "function:f"`:            "[] []",
	} {
		s := oneRoute(t, rule, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-A", "a")
			w.Header().Set("Server", "s")
		})
		h := s.call("GET", "/x").Header()
		if got := fmt.Sprint(h["X-A"], " ", h["Server"]); got != want {
			t.Errorf("%s: got %s, want %s", rule, got, want)
		}
	}
}

func TestFilters_ChangeTheQueryAndDropFields(t *testing.T) {
	t.Parallel()
	tests := []struct{ rule, target, want string }{
		{`* -> setQuery("v", "a b") -> "function:f"`, "/?x=%20&v=1&v=2", "/?x=%20&v=a+b []"},
		{`Path("/:p") -> setQuery("v", "${p}") -> "function:f"`, "/a%26b", "/a%26b?v=a%26b []"},
		{`* -> dropQuery("v") -> "function:f"`, "/?v&a=1&%76=2&b", "/?a=1&b []"},
		{`* -> dropQuery("v") -> "function:f"`, "/?v=1", "/ []"},
		{`* -> appendRequestHeader("X-Out", "1") -> appendRequestHeader("X-Out", "2") -> "function:f"`, "/", "/ [1 2]"},
		{`* -> appendRequestHeader("X-Out", "1") -> dropRequestHeader("x-out") -> "function:f"`, "/", "/ []"},
	}
	for _, test := range tests {
		s := oneRoute(t, test.rule, Options{}, func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprint(w, r.RequestURI, " ", r.Header["X-Out"])
		})
		if got := s.call("GET", test.target).Body.String(); got != test.want {
			t.Errorf("%s %s: got %s, want %s", test.rule, test.target, got, test.want)
		}
	}
}

func TestResponseCookie_IsSetForWhomItIsNews(t *testing.T) {
	t.Parallel()
	s := oneRoute(t, `* -> responseCookie("group", "beta", "1h") -> "function:f"`, Options{}, nil)
	for cookie, want := range map[string]string{
		"": "group=beta; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax", "group=alpha": "group=beta; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax", "group=beta": "",
	} {
		if got := s.call("GET", "/", "Cookie: "+cookie).Header().Get("Set-Cookie"); got != want {
			t.Errorf("%q: got %q, want %q", cookie, got, want)
		}
	}
}

func TestCompress_AsTheClientAccepts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 1000)
	for _, test := range []struct {
		accept, set, want string
	}{
		{"gzip", "", "gzip"},
		{"gzip, zstd", "", "zstd"},
		{"gzip;q=1, zstd;q=0.5", "", "gzip"},
		{"GZIP;Q=0, *", "", "zstd"},
		{"*;q=0", "", ""},
		{"br", "", ""},
		{"", "", ""},
		{"gzip", "Content-Encoding: br", "br"},
		{"gzip", "Content-Type: image/png", ""},
		{"gzip", "Content-Type: application/vnd.api+json", "gzip"},
		{"gzip", "Content-Type: application/grpc", ""},
		{"gzip", "Cache-Control: private, No-Transform", ""},
		{"gzip", "Content-Range: bytes 0-9/10", ""},
		{"gzip", "Content-Length: 100", ""},
		{"gzip", `ETag: "x"`, "gzip"},
	} {
		s := oneRoute(t, `* -> compress() -> compress() -> "function:f"`, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			if key, value, set := strings.Cut(test.set, ": "); set {
				w.Header().Set(key, value)
			}
			_, _ = io.WriteString(w, long)
		})
		got := s.call("GET", "/", "Accept-Encoding: "+test.accept)
		if encoding := got.Header().Get("Content-Encoding"); encoding != test.want {
			t.Errorf("%+v: encoding %q", test, encoding)
			continue
		}
		if plain := decompressed(t, test.want, got.Body); plain != long {
			t.Errorf("%+v: %d bytes came back", test, len(plain))
		}
		if tag := got.Header().Get("ETag"); tag != "" && tag != `W/"x"` {
			t.Errorf("the ETag is %s", tag)
		}
	}
}

func decompressed(t *testing.T, encoding string, body io.Reader) string {
	t.Helper()
	var err error
	switch encoding {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func TestCompress_LetsFlushesThroughAndCutsWhatIsCut(t *testing.T) {
	t.Parallel()
	proceed := make(chan bool)
	server := routestest.Serve(t, `* -> compress() -> "function:f"`, with(Options{}), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		if <-proceed {
			panic(http.ErrAbortHandler)
		}
	})
	for _, cut := range []bool{false, true} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := gzip.NewReader(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 5)
		if _, err := io.ReadFull(reader, first); err != nil || string(first) != "first" {
			t.Fatalf("got %q, %v while the backend goes on", first, err)
		}
		proceed <- cut
		if _, err := io.ReadAll(reader); (err != nil) != cut {
			t.Errorf("cut %t: the rest ended with %v", cut, err)
		}
		_ = response.Body.Close()
	}
}

func TestBasicAuth(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("pass:word"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, "# users\n\nalex:"+string(hash)+"\n")
	s := oneRoute(t, fmt.Sprintf(`* -> basicAuth(%q, "the shop") -> "function:f"`, path), testFiles(), nil)
	for _, test := range []struct {
		user, password string
		want           int
	}{{"alex", "pass:word", 200}, {"alex", "pass:word", 200}, {"alex", "wrong", 401}, {"alex", "", 401}, {"eve", "pass:word", 401}} {
		r := get("/")
		r.SetBasicAuth(test.user, test.password)
		if got := s.send(r); got.Code != test.want {
			t.Errorf("%+v: got %d", test, got.Code)
		}
	}
	got := s.call("GET", "/")
	if got.Code != 401 || got.Header().Get("WWW-Authenticate") != `Basic realm="the shop", charset="UTF-8"` {
		t.Errorf("without credentials: %d %v", got.Code, got.Header())
	}
}

func TestKeys_AreAskedFor(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "one\n  two  \n")
	for rule, fields := range map[string]map[string]int{
		`apiKey("x-api-key", %q)`: {"X-Api-Key: one": 200, "X-Api-Key: two": 200, "X-Api-Key: three": 401, "X-Api-Key: ": 401, "X: one": 401},
		`bearer(%q)`:              {"Authorization: Bearer one": 200, "Authorization: bearer  two": 200, "Authorization: Bearer three": 401, "Authorization: Basic one": 401, "Authorization: Bearer": 401, "X: one": 401},
	} {
		s := oneRoute(t, "* -> "+fmt.Sprintf(rule, path)+` -> "function:f"`, testFiles(), nil)
		for field, want := range fields {
			if got := s.call("GET", "/", field); got.Code != want {
				t.Errorf("%s, %s: got %d, want %d", rule, field, got.Code, want)
			}
		}
	}
	s := oneRoute(t, fmt.Sprintf(`* -> apiKey("K", %q) -> "function:f"`, path), testFiles(), nil)
	if got := s.call("GET", "/", "K: one", "K: two"); got.Code != 401 {
		t.Errorf("two keys at once: %d", got.Code)
	}
}

func TestFileValue_FollowsTheFileAndLetsNobodyInWithoutIt(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "one")
	var complaints []error
	f, err := newFileValue(testFiles(), "apiKey", path, parseKeys)
	if err != nil {
		t.Fatal(err)
	}
	f.failed = func(err error) { complaints = append(complaints, err) }
	look := func() keySet { f.looked = time.Time{}; return f.get() }
	if err := os.WriteFile(path, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys := look(); !keys.has("second") || keys.has("one") {
		t.Error("the new key is not known, or the old one still is")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if keys := look(); !keys.has("second") || len(complaints) != 1 {
		t.Errorf("an empty file counted at once; complaints: %v", complaints)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if keys := look(); !keys.has("second") || len(complaints) != 1 {
		t.Errorf("a file that has gone counted at once; complaints: %v", complaints)
	}
	f.failing = f.failing.Add(-fileGrace - time.Second)
	if keys := look(); len(keys) != 0 {
		t.Error("a key is still known, long after its file has gone")
	}
	if err := os.WriteFile(path, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys := look(); !keys.has("second") || !f.failing.IsZero() {
		t.Error("the file came back, and its key is not known")
	}
}

func TestFileValue_WithoutItsFileNobodyIsLetIn(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := &fileValue[map[string]string]{looked: time.Now()}
	users.value.Store(&map[string]string{"ann": string(hash)})
	f := basicAuth{users: users, known: newKnownPasswords(newTurns(1)), address: func(*http.Request) netip.Addr { return netip.Addr{} }}
	ask := func() bool {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("ann", "secret")
		c := &routes.Context{Request: r}
		reached := false
		route := routestest.Build(t, `* -> ask() -> "function:f"`, routes.Options{Filters: []routes.FilterSpec{
			spec("ask", "", "", func([]any) (basicAuth, error) { return f, nil }),
		}}).Routes()[0]
		route.Serve(httptest.NewRecorder(), c.Request, nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
		return reached
	}
	if !ask() {
		t.Error("the right password was refused")
	}
	users.value.Store(new(map[string]string))
	if ask() {
		t.Error("a password was right that no file has")
	}
}

func pemOf(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestJWT(t *testing.T) {
	t.Parallel()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	third, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := pemOf(t, &other.PublicKey) + pemOf(t, &signer.PublicKey)
	s := oneRoute(t, fmt.Sprintf(`* -> jwt("ES256", %q, "iss=us", "aud=shop") -> "function:f"`, writeFile(t, keys)), testFiles(), nil)
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	good := func(change func(jwt.MapClaims)) jwt.MapClaims {
		claims := jwt.MapClaims{"iss": "us", "aud": []string{"x", "shop"}, "exp": in(time.Hour)}
		if change != nil {
			change(claims)
		}
		return claims
	}
	for name, test := range map[string]struct {
		method jwt.SigningMethod
		key    any
		claims jwt.MapClaims
		want   int
	}{
		"good":             {jwt.SigningMethodES256, signer, good(nil), 200},
		"by the other":     {jwt.SigningMethodES256, other, good(nil), 200},
		"expired":          {jwt.SigningMethodES256, signer, good(func(c jwt.MapClaims) { c["exp"] = in(-time.Hour) }), 401},
		"never expires":    {jwt.SigningMethodES256, signer, good(func(c jwt.MapClaims) { delete(c, "exp") }), 401},
		"not yet":          {jwt.SigningMethodES256, signer, good(func(c jwt.MapClaims) { c["nbf"] = in(time.Hour) }), 401},
		"another issuer":   {jwt.SigningMethodES256, signer, good(func(c jwt.MapClaims) { c["iss"] = "them" }), 401},
		"no issuer":        {jwt.SigningMethodES256, signer, good(func(c jwt.MapClaims) { delete(c, "iss") }), 401},
		"for others":       {jwt.SigningMethodES256, signer, good(func(c jwt.MapClaims) { c["aud"] = "bank" }), 401},
		"by a stranger":    {jwt.SigningMethodES256, third, good(nil), 401},
		"none":             {jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good(nil), 401},
		"public as secret": {jwt.SigningMethodHS256, []byte(keys), good(nil), 401},
	} {
		text, err := jwt.NewWithClaims(test.method, test.claims).SignedString(test.key)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.call("GET", "/", "Authorization: Bearer "+text); got.Code != test.want {
			t.Errorf("%s: got %d %s", name, got.Code, got.Body)
		}
	}
	if got := s.call("GET", "/"); got.Code != 401 || got.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("without a token: %d %v", got.Code, got.Header())
	}
}

func TestJWT_RefusesKeysThatDoNotFit(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := writeFile(t, pemOf(t, &key.PublicKey))
	for args, want := range map[string]string{
		fmt.Sprintf(`"none", %q`, rsaKey):                                 "not an algorithm",
		fmt.Sprintf(`"RS257", %q`, rsaKey):                                "not an algorithm",
		fmt.Sprintf(`"ES256", %q`, rsaKey):                                "is no key for ES256",
		fmt.Sprintf(`"HS256", %q`, writeFile(t, "short")):                 "can be guessed",
		fmt.Sprintf(`"RS256", %q`, writeFile(t, "nothing")):               "no public key",
		fmt.Sprintf(`"RS256", %q, "aud"`, rsaKey):                         "want a claim and its value",
		fmt.Sprintf(`"RS256", %q`, filepath.Join(t.TempDir(), "missing")): "no such file",
	} {
		_, problems := routes.Check(`a: * -> jwt(`+args+`) -> <shunt>`, with(testFiles()))
		if len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s: %v, want %s", args, problems, want)
		}
	}
	if _, problems := routes.Check(fmt.Sprintf(`* -> jwt("PS256", %q) -> <shunt>`, rsaKey), with(testFiles())); len(problems) != 0 {
		t.Errorf("PS256 with an RSA key: %v", problems)
	}
}

func TestRateLimit_LetsSoManyPass(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	o := Options{World: routes.World{Now: func() time.Time { return now }, ClientIP: func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("From")) }}}
	for rule, clients := range map[string][2]string{
		`rateLimit(3, "3s")`:                   {"192.0.2.1", "192.0.2.1"},
		`clientRatelimit(3, "3s")`:             {"192.0.2.1", "192.0.2.2"},
		`clientRatelimit(3, "3s") `:            {"2001:db8::1", "2001:db8:0:1::1"},
		`clientRatelimit(3, "3s", "X-Tenant")`: {"192.0.2.1", "192.0.2.2"},
	} {
		s := oneRoute(t, "* -> "+rule+` -> "function:f"`, o, nil)
		var codes []int
		for range 4 {
			codes = append(codes, s.call("GET", "/", "From: "+clients[0]).Code)
		}
		refused := s.call("GET", "/", "From: "+clients[0])
		if fmt.Sprint(codes) != "[200 200 200 429]" || refused.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: got %v, then %v", rule, codes, refused.Header())
		}
		if other := s.call("GET", "/", "From: "+clients[1]); (other.Code == 200) != (clients[0] != clients[1]) {
			t.Errorf("%s: another client got %d", rule, other.Code)
		}
		now = now.Add(time.Second)
		if later := s.call("GET", "/", "From: "+clients[0]); later.Code != 200 {
			t.Errorf("%s: after a second: %d", rule, later.Code)
		}
	}
}

func TestClientRatelimit_ByHeaderAndWithBoundedMemory(t *testing.T) {
	t.Parallel()
	s := oneRoute(t, `* -> clientRatelimit(1, "1h", "X-Tenant") -> "function:f"`, Options{}, nil)
	for i, want := range []int{200, 429} {
		for _, tenant := range []string{"a", "b"} {
			if got := s.call("GET", "/", "X-Tenant: "+tenant).Code; got != want {
				t.Errorf("%s, request %d: %d", tenant, i, got)
			}
		}
	}
	clients := limiters{create: func() *rate.Limiter { return rate.NewLimiter(1, 1) }}
	for i := range 5 * mostClients {
		clients.of(fmt.Sprint(i))
	}
	if kept := len(clients.younger) + len(clients.older); kept > 2*mostClients {
		t.Errorf("%d clients are remembered", kept)
	}
}

func TestRequestSize(t *testing.T) {
	t.Parallel()
	s := oneRoute(t, `* -> requestSize("1Ki") -> "function:f"`, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})
	for size, want := range map[int]int{0: 200, 1024: 200, 1025: 413} {
		for _, known := range []bool{true, false} {
			var body io.Reader = strings.NewReader(strings.Repeat("x", size))
			if !known {
				body = io.MultiReader(body)
			}
			if got := s.send(httptest.NewRequest("POST", "/", body)); got.Code != want {
				t.Errorf("%d bytes, known %t: %d", size, known, got.Code)
			}
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const named = `cors("https://a.org", "credentials", "methods=GET,PUT", "expose=X-Total", "maxAge=60")`
	for _, test := range []struct {
		rule, method, origin string
		status               int
		allowed, further     string
	}{
		{`cors()`, "GET", "https://x.org", 200, "*", "[] [] []"},
		{`cors()`, "OPTIONS", "https://x.org", 204, "*", "[GET, HEAD, POST, PUT, PATCH, DELETE] [X-Item] []"},
		{`cors()`, "OPTIONS", "", 200, "", "[] [] []"},
		{named, "GET", "https://A.org", 200, "https://A.org", "[] [] [true]"},
		{named, "GET", "https://evil.org", 200, "", "[] [] []"},
		{named, "OPTIONS", "https://a.org", 204, "https://a.org", "[GET, PUT] [X-Item] [true]"},
		{named, "OPTIONS", "https://evil.org", 204, "", "[] [] []"},
		{`cors("headers=X-A")`, "OPTIONS", "https://x.org", 204, "*", "[GET, HEAD, POST, PUT, PATCH, DELETE] [X-A] []"},
	} {
		s := oneRoute(t, "* -> "+test.rule+` -> "function:f"`, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "https://function.org")
		})
		got := s.call(test.method, "/", "Origin: "+test.origin, "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: X-Item")
		if test.origin == "" {
			got = s.call(test.method, "/")
		}
		h := got.Header()
		further := fmt.Sprint(h["Access-Control-Allow-Methods"], " ", h["Access-Control-Allow-Headers"], " ", h["Access-Control-Allow-Credentials"])
		if got.Code != test.status || h.Get("Access-Control-Allow-Origin") != test.allowed || further != test.further || !strings.Contains(strings.Join(h["Vary"], ","), "Origin") {
			t.Errorf("%+v: got %d %v", test, got.Code, h)
		}
	}
}

func TestFilters_RefuseArgumentsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for call, want := range map[string]string{
		`compress("text")`:                "not a media type",
		`rateLimit(0, "1s")`:              "at least 1",
		`rateLimit(1.5, "1s")`:            "whole number",
		`rateLimit(1, "soon")`:            "not a length of time",
		`clientRatelimit(1, "1s", "a b")`: "not the name of a header field",
		`requestSize("lots")`:             "not an amount",
		`cors("credentials")`:             "name the origins",
		`cors("a.org")`:                   "want an origin",
		`latency(2, "1s")`:                "want a share",
		`latency(1, "-1s")`:               "not a length of time",
		`abort(1, 200)`:                   "want a status from 400",
		`consecutiveBreaker(0)`:           "at least 1",
		`consecutiveBreaker(1, "x")`:      "not a length of time",
		`tee("http://a")`:                 "want a function",
		`tee("function:A B")`:             "not a function",
		`tee("function:f@previous")`:      "want a function",
		`responseCookie("a b", "c")`:      "no cookie",
		`basicAuth("/no/such/file")`:      "is not below",
		`basicAuth("no-such-file")`:       "no such file",
		`dropRequestHeader("")`:           "not the name of a header field",
		`accessLog(1)`:                    "want accessLog()",
		`apiKey("X")`:                     "want apiKey(",
	} {
		_, problems := routes.Check(`a: * -> `+call+` -> "function:f"`, with(testFiles()))
		if len(problems) != 1 || !strings.Contains(problems[0].String(), want) || !strings.HasPrefix(problems[0].String(), `line 1, column 9: rule "a": `) {
			t.Errorf("%s: %v, want %s", call, problems, want)
		}
	}
}

func TestFaults_HitTheirShare(t *testing.T) {
	t.Parallel()
	drawn := 0.0
	o := Options{World: routes.World{Random: func() float64 { return drawn }}}
	s := oneRoute(t, `* -> abort(0.25, 503) -> "function:f"`, o, nil)
	for n, want := range map[float64]int{0: 503, 0.24: 503, 0.25: 200, 0.9: 200} {
		if drawn = n; s.call("GET", "/").Code != want {
			t.Errorf("%g: want %d", n, want)
		}
	}
}

func TestLatency_HoldsBackUnlessTheClientLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oneRoute(t, `* -> latency(1, "10s") -> "function:f"`, Options{}, nil)
		began := time.Now()
		s.call("GET", "/")
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("held back for %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.send(get("/").WithContext(ctx))
		if took := time.Since(began); took != 11*time.Second {
			t.Errorf("a client that left was held for %s", took-10*time.Second)
		}
	})
}

// The breaker is the policy of that name: it judges what the backend does, not the route.
func TestBreaker_IsAnotherNameOfThePolicy(t *testing.T) {
	t.Parallel()
	for filter, same := range map[string]string{
		`consecutiveBreaker(5)`:                     "failures=5 open=10s",
		`consecutiveBreaker(1, "30s")`:              "failures=1 open=30s",
		`consecutiveBreaker(15, "1m", 3)`:           "failures=15 open=1m trials=3",
		`consecutiveBreaker(15, "1m30s", 3, "30m")`: "failures=15 open=90s trials=3",
		`breaker("failures=2", "open=3s")`:          "failures=2 open=3s",
		`breaker("failures=2") -> disableBreaker()`: "off",
		`consecutiveBreaker(1) -> breaker("off")`:   "off",
	} {
		var want function.Policies
		if err := want.Set(function.PolicyBreaker, same); err != nil {
			t.Fatal(err)
		}
		s := oneRoute(t, "* -> "+filter+` -> "function:f"`, Options{}, func(_ http.ResponseWriter, r *http.Request) {
			if got := function.PoliciesFrom(r.Context()); got == nil || got.Breaker != want.Breaker {
				t.Errorf("%s asks for %+v, want %+v", filter, got, want.Breaker)
			}
		})
		s.call("GET", "/")
	}
}

// copies is a second function that keeps what it was sent.
type copies struct {
	mu    sync.Mutex
	seen  []string
	serve http.HandlerFunc
}

func (k *copies) invoke(name function.Name) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		k.mu.Lock()
		k.seen = append(k.seen, fmt.Sprintf("%s %s %s %s %d %q %v", name, r.Method, r.RequestURI, r.Header.Get("X-Shadow-Of"), r.ContentLength, body, err))
		k.mu.Unlock()
		if k.serve != nil {
			k.serve(w, r)
		}
	})
}

func TestTee_CopiesRequestsOnceTheyHaveBeenRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		second := &copies{serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); panic("the copy fails") }}
		backend := func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }
		s := oneRoute(t, `a: Path("/a/:x") -> setPath("/${x}") -> tee("function:next") -> setPath("/later") -> "function:f"`, Options{Invoke: second.invoke}, backend)
		defer s.close()
		send := func(body io.Reader) {
			if got := s.send(httptest.NewRequest("POST", "/a/1?q", body)); got.Code != 200 {
				t.Errorf("the caller got %d", got.Code)
			}
			synctest.Wait()
		}
		send(nil)
		send(strings.NewReader("known"))
		send(io.MultiReader(strings.NewReader("chunked")))
		send(strings.NewReader(strings.Repeat("x", longestShadow+1)))
		want := []string{
			`next.openfaas-fn POST /1?q a 0 "" <nil>`, `next.openfaas-fn POST /1?q a 5 "known" <nil>`, `next.openfaas-fn POST /1?q a 7 "chunked" <nil>`,
		}
		if fmt.Sprint(second.seen) != fmt.Sprint(want) {
			t.Errorf("the second function saw\n%q\nwant\n%q", second.seen, want)
		}
	})
}

func TestTee_NeverHoldsUpTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		second := &copies{serve: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
		s := oneRoute(t, `* -> tee("function:next") -> "function:f"`, Options{Invoke: second.invoke}, nil)
		began := time.Now()
		for range mostShadows + 10 {
			s.call("GET", "/")
		}
		synctest.Wait()
		if took := time.Since(began); took != 0 || len(second.seen) != mostShadows {
			t.Errorf("%s for the callers, %d copies, want %d", took, len(second.seen), mostShadows)
		}
		time.Sleep(shadowTime + time.Second) // the copies are over their time
		s.call("GET", "/")
		synctest.Wait()
		if len(second.seen) != mostShadows+1 {
			t.Errorf("%d copies, want one more", len(second.seen))
		}
		s.close() // ends the last one, or synctest would find it
	})
}

func TestTee_CopiesOnlyUnaryCallsOfGRPC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		second := &copies{}
		s := oneRoute(t, `* -> tee("function:next") -> "function:f"`, Options{Invoke: second.invoke}, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		defer s.close()
		message := "\x00\x00\x00\x00\x03abc"
		for _, body := range []string{message, message + message, message[:6]} {
			r := httptest.NewRequest("POST", "/pkg.S/M", io.MultiReader(strings.NewReader(body)))
			r.ProtoMajor = 2
			r.Header.Set("Content-Type", "application/grpc+proto")
			s.send(r)
			synctest.Wait()
		}
		if len(second.seen) != 1 || !strings.Contains(second.seen[0], `abc`) {
			t.Errorf("copied %q", second.seen)
		}
	})
}

func TestPolicyFilters_LeaveTheirWordsOnTheRequest(t *testing.T) {
	t.Parallel()
	table, problems := routes.Build(eskip.ParseEach(`a: * -> retry("attempts=3", "on=connect,503") -> tryTimeout("2s") -> retry("off") -> hedge("after=1s") -> "function:f"`), with(Options{}))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	route, params := table.Lookup(httptest.NewRequest(http.MethodGet, "/", nil))
	var got *function.Policies
	route.Serve(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), params, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = function.PoliciesFrom(r.Context())
	}))
	if got == nil || got.Retry.Attempts != 0 || got.TryTimeout != 2*time.Second || got.Hedge.After != time.Second {
		t.Errorf("got %+v", got)
	}
	for rule, says := range map[string]string{
		`retry("tries=3")`: "tries: there is no such option",
		`retry(3)`:         `want texts in quotes, as in retry("attempts=3", "on=connect,503", "backoff=50ms")`,
		`tryTimeout()`:     "want something like 2s",
	} {
		_, problems := routes.Build(eskip.ParseEach(`a: * -> `+rule+` -> "function:f"`), with(Options{}))
		if len(problems) != 1 || !strings.Contains(problems[0].Err.Error(), says) {
			t.Errorf("%s: got %v, want %s", rule, problems, says)
		}
	}
}

// Filters that repeat what a client sent must not make much of little.
func TestTemplates_DoNotGrowWithoutBound(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		`setRequestHeader("X-A", "${request.header.x-a}${request.header.x-a}${request.header.x-a}${request.header.x-a}")`,
		`setQuery("a", "${request.rawQuery}${request.rawQuery}${request.rawQuery}${request.rawQuery}")`,
		`setPath("${request.path}${request.path}${request.path}${request.path}")`,
		`modPath(/x/, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")`,
	} {
		text := "* -> " + strings.Repeat(call+" -> ", 40) + `"function:f"`
		s := oneRoute(t, text, Options{}, nil)
		got := s.call("GET", "/xxxxxxxxxx?a=1", "X-A: aaaa")
		if got.Code != 400 {
			t.Errorf("%s: %d", call, got.Code)
		}
	}
	if _, problems := routes.Check(`* -> setPath("`+strings.Repeat("${a}", mostPlaceholders+1)+`") -> <shunt>`, with(Options{})); len(problems) != 1 {
		t.Error("a template of many placeholders was taken")
	}
}
