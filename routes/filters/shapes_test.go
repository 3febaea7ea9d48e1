package filters

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"faas-docker/routes"
	"faas-docker/routes/files"
)

// behindProxy are options for requests that a proxy has taken in by https.
func behindProxy(*http.Request) Arrival { return Arrival{Scheme: "https", Host: "shop.org:8443"} }

// What a location does not name is kept.
func TestRedirectTo_KeepsWhatIsNotNamed(t *testing.T) {
	t.Parallel()
	const target = "http://example.org:8080/a%2Fb/c?x=%20&y;z"
	for location, want := range map[string]string{
		"https:":                    "https://example.org:8080/a%2Fb/c?x=%20&y;z",
		"https://":                  "https://example.org:8080/a%2Fb/c?x=%20&y;z",
		"https://:8443":             "https://example.org:8443/a%2Fb/c?x=%20&y;z",
		"//:8443":                   "http://example.org:8443/a%2Fb/c?x=%20&y;z",
		"//other.org":               "//other.org/a%2Fb/c?x=%20&y;z",
		"//other.org/new":           "//other.org/new?x=%20&y;z",
		"//other.org:81?q":          "//other.org:81/a%2Fb/c?q",
		"https://other.org":         "https://other.org/a%2Fb/c?x=%20&y;z",
		"https://other.org/":        "https://other.org/?x=%20&y;z",
		"https://other.org/new":     "https://other.org/new?x=%20&y;z",
		"https://other.org?lang=de": "https://other.org/a%2Fb/c?lang=de",
		"https://[::1]:8443":        "https://[::1]:8443/a%2Fb/c?x=%20&y;z",
		"https:/new":                "https://example.org:8080/new?x=%20&y;z",
		"https:?lang=de":            "https://example.org:8080/a%2Fb/c?lang=de",
		"/new":                      "/new?x=%20&y;z",
		"/new?":                     "/new",
		"/new?a=b":                  "/new?a=b",
		"?lang=de":                  "/a%2Fb/c?lang=de",
		"#top":                      "/a%2Fb/c?x=%20&y;z#top",
		"/${request.query.x}new":    "/%20new?x=%20&y;z",
		"https://${request.host}":   "https://example.org:8080/a%2Fb/c?x=%20&y;z",
		"https:${request.path}":     "https://example.org:8080/a%2Fb/c?x=%20&y;z",
	} {
		s := oneRoute(t, fmt.Sprintf(`* -> redirectTo(308, %q) -> <shunt>`, location), Options{}, nil)
		if got := s.call("GET", target); got.Code != 308 || got.Header().Get("Location") != want {
			t.Errorf("%s: %d %s, want %s", location, got.Code, got.Header().Get("Location"), want)
		}
	}
	for from, want := range map[string]string{"http://a.org:80/x": "https://a.org/x", "http://a.org/x": "https://a.org/x", "http://[::1]:80/x": "https://[::1]/x", "http://[::1]/": "https://[::1]/"} {
		s := oneRoute(t, `* -> redirectTo(301, "https:") -> <shunt>`, Options{}, nil)
		if got := s.call("GET", from).Header().Get("Location"); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
	s := oneRoute(t, `* -> redirectTo(301, "https:") -> <shunt>`, Options{Arrival: behindProxy}, nil)
	if got := s.call("GET", "http://inner/x").Header().Get("Location"); got != "https://shop.org:8443/x" {
		t.Errorf("behind a proxy: %s", got)
	}
	for _, bad := range []string{"", "https:path", "mailto:a@b.org", "https://a b", "https://user@example.org", "https://%", ":", "https://exa_mple<>", "//[::1"} {
		if _, problems := routes.Check(fmt.Sprintf(`* -> redirectTo(308, %q) -> <shunt>`, bad), with(Options{})); len(problems) != 1 {
			t.Errorf("%s was taken", bad)
		}
	}
}

// Values that filters make hold no control characters, wherever they come from.
func TestFilters_MakeNoControlCharacters(t *testing.T) {
	t.Parallel()
	for _, escaped := range []string{"%00", "%01", "%07", "%08", "%09", "%0A", "%0B", "%0D", "%0D%0AX-Evil:%201", "%1B[31m", "%1F", "%7F"} {
		for _, rule := range []string{
			`setRequestHeader("X-A", "${x}")`, `appendRequestHeader("X-A", "${x}")`, `setRequestHeader("X-A", "${request.path}")`, `setRequestHeader("X-A", "${request.query.q}")`,
			`setResponseHeader("X-A", "${x}")`, `appendResponseHeader("X-A", "${x}")`, `queryToHeader("q", "X-A")`, `setRequestHeader("X-Forwarded-Prefix", "/${x}")`,
			`setRequestHeader("Host", "${x}")`, `redirectTo(302, "/${x}")`, `redirectTo(302, "https://a.org/?q=${request.query.q}")`, `setQuery("q", "${x}")`, `setQuery("${x}", "1")`, `setPath("/${x}")`,
			`modRequestHeader("X-B", /b/, "$0")`,
		} {
			var seen *http.Request
			s := oneRoute(t, `Path("/*x") -> `+rule+` -> "function:f"`, Options{}, func(_ http.ResponseWriter, r *http.Request) { seen = r })
			got := s.call("GET", "/a"+escaped+"b?q=a"+escaped+"b", "X-B: b")
			texts := []string{}
			for _, values := range got.Header() {
				texts = append(texts, values...)
			}
			if seen != nil {
				for _, values := range seen.Header {
					texts = append(texts, values...)
				}
				texts = append(texts, seen.Host, seen.RequestURI, seen.URL.RawQuery)
				if got.Code == 400 {
					t.Errorf("%s of %s was refused, and sent all the same", rule, escaped)
				}
			}
			for _, text := range texts {
				if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
					t.Errorf("%s of %s makes %q", rule, escaped, text)
				}
			}
		}
	}
}

// A template that names a wildcard which the path lacks sets nothing; a client's own word
// does not take the place of it.
func TestTemplates_WithoutTheirWildcardSetNothing(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		`setRequestHeader("X-Out", "${none}")`:                  `GET /a/b?q=1 [] []`,
		`setRequestHeader("X-Out", "a${none}b${p}")`:            `GET /a/b?q=1 [] []`,
		`setRequestHeader("X-Out", "${p}")`:                     `GET /a/b?q=1 [b] []`,
		`appendRequestHeader("X-Out", "${none}")`:               `GET /a/b?q=1 [own] []`,
		`requestHeader("X-Out", "${none}")`:                     `GET /a/b?q=1 [own] []`,
		`setRequestHeader("Host", "${none}")`:                   `GET /a/b?q=1 [own] []`,
		`setRequestHeader("X-Out", "${*}")`:                     `GET /a/b?q=1 [] []`,
		`setRequestHeader("X-Out", "${P}")`:                     `GET /a/b?q=1 [] []`,
		`setRequestHeader("X-Out", "${}")`:                      `GET /a/b?q=1 [] []`,
		`setPath("/${none}")`:                                   `GET /a/b?q=1 [own] []`,
		`setPath("/x/${p}")`:                                    `GET /x/b?q=1 [own] []`,
		`setQuery("v", "${none}")`:                              `GET /a/b?q=1 [own] []`,
		`setQuery("${none}", "v")`:                              `GET /a/b?q=1 [own] []`,
		`setQuery("${p}", "v")`:                                 `GET /a/b?q=1&b=v [own] []`,
		`setQuery("x${p}", "${p}")`:                             `GET /a/b?q=1&xb=b [own] []`,
		`setQuery("${request.query.q}", "${request.method}")`:   `GET /a/b?q=1&1=GET [own] []`,
		`setQuery("q", "${none}")`:                              `GET /a/b [own] []`,
		`dropQuery("${none}")`:                                  `GET /a/b?q=1 [own] []`,
		`dropQuery("${p}")`:                                     `GET /a/b?q=1 [own] []`,
		`dropQuery("${request.header.x-name}")`:                 `GET /a/b [own] []`,
		`setResponseHeader("X-Answer", "${none}")`:              `GET /a/b?q=1 [own] []`,
		`setResponseHeader("X-Answer", "${p}")`:                 `GET /a/b?q=1 [own] [b]`,
		`setRequestHeader("X-Out", "${request.header.x-none}")`: `GET /a/b?q=1 [] []`,
	} {
		var seen string
		s := oneRoute(t, `Path("/a/:p") -> `+rule+` -> "function:f"`, Options{}, func(_ http.ResponseWriter, r *http.Request) {
			seen = fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Header["X-Out"])
		})
		got := s.call("GET", "/a/b?q=1", "X-Out: own", "X-Name: q")
		if seen = fmt.Sprint(seen, " ", got.Header()["X-Answer"]); seen != want {
			t.Errorf("%s: %s, want %s", rule, seen, want)
		}
	}
}

// A cookie of a client that came by https is for https alone.
func TestResponseCookie_IsSecureWhereTheClientIs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options Options
		tls     bool
		secure  bool
	}{
		"plain": {Options{}, false, false}, "tls": {Options{}, true, true}, "behind a proxy": {Options{Arrival: behindProxy}, false, true},
		"a proxy that says http": {Options{Arrival: func(*http.Request) Arrival { return Arrival{Scheme: "http"} }}, true, false},
	} {
		s := oneRoute(t, `* -> setRequestHeader("X-Forwarded-Proto", "https") -> responseCookie("a", "b", 3600, "change-only") -> "function:f"`, test.options, nil)
		r := get("/")
		r.Header.Set("X-Forwarded-Proto", "https")
		if test.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := s.send(r).Header().Get("Set-Cookie"); strings.Contains(got, "; Secure") != test.secure || !strings.Contains(got, "Max-Age=3600") {
			t.Errorf("%s: %s", name, got)
		}
	}
	s := oneRoute(t, `* -> responseCookie("a", "", 0) -> "function:f"`, Options{}, nil)
	if got := s.call("GET", "/").Header().Get("Set-Cookie"); !strings.Contains(got, "Max-Age=0") {
		t.Errorf("a cookie that ends: %s", got)
	}
	for _, bad := range []string{`responseCookie("a", "b", -1)`, `responseCookie("a", "b", 1.5)`, `responseCookie("a", "b", "1h", "always")`, `responseCookie("a", "b", 1e12)`} {
		if _, problems := routes.Check(`* -> `+bad+` -> <shunt>`, with(Options{})); len(problems) != 1 {
			t.Errorf("%s was taken", bad)
		}
	}
}

// Static answers show what lies in their folder and nothing else.
func TestStatic_ServesItsFolderOnly(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, content := range map[string]string{
		"keys": "secret", "www/a.txt": "hello", "www/index.html": "index", "www/sub/index.html": "sub", "www/.hidden": "secret", "www/.git/config": "secret", "www/empty/.keep": "", "www/a b.txt": "blank", "www/big.bin": strings.Repeat("0123456789", 1000),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"www/out": "../keys", "www/abs": "/etc/passwd", "www/in": "a.txt", "www/dev": "/dev/zero"} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Files: files.Folder(folder)}
	s := oneRoute(t, `* -> setResponseHeader("X-A", "b") -> static("/assets/", "www") -> <shunt>`, o, nil)
	for target, want := range map[string]string{
		"/assets/a.txt": "200 hello", "/assets": "200 index", "/assets/": "200 index", "/assets/sub": "200 sub", "/assets/sub/": "200 sub", "/assets//a.txt": "200 hello", "/assets/./a.txt": "200 hello", "/assets/a%20b.txt": "200 blank", "/assets/in": "200 hello",
		"/a.txt": "404", "/assetsx/a.txt": "404", "/assets/none": "404", "/assets/empty": "404", "/assets/.hidden": "404", "/assets/.git/config": "404", "/assets/../keys": "404", "/assets/%2e%2e/keys": "404", "/assets/..%2fkeys": "404", "/assets/out": "404", "/assets/abs": "404", "/assets/dev": "404", "/assets/%00": "404", "/keys": "404",
	} {
		got := s.call("GET", target)
		if text := strings.TrimSpace(fmt.Sprint(got.Code, " ", got.Body)); !strings.HasPrefix(text, want) || got.Header().Get("X-A") != "b" || strings.Contains(text, "secret") {
			t.Errorf("%s: %q, want %q", target, text, want)
		}
	}
	if got := s.call("GET", "/assets/big.bin", "Range: bytes=10-12"); got.Code != 206 || got.Body.String() != "012" {
		t.Errorf("a part: %d %q", got.Code, got.Body)
	}
	first := s.call("GET", "/assets/a.txt").Header().Get("Last-Modified")
	if got := s.call("GET", "/assets/a.txt", "If-Modified-Since: "+first); got.Code != 304 {
		t.Errorf("what the client has: %d", got.Code)
	}
	if got := s.call("HEAD", "/assets/a.txt"); got.Code != 200 || got.Body.Len() != 0 && got.Header().Get("Content-Length") != "5" {
		t.Errorf("HEAD: %d", got.Code)
	}
	if got := s.call("DELETE", "/assets/a.txt"); got.Code != 405 {
		t.Errorf("DELETE: %d", got.Code)
	}
	for _, bad := range []string{".", "", "..", "none", "keys", "/", "www/..", "www/a.txt"} {
		if _, problems := routes.Check(fmt.Sprintf(`* -> static("/", %q) -> <shunt>`, bad), with(o)); len(problems) != 1 {
			t.Errorf("static of %q was taken", bad)
		}
	}
}

// The names of skipper do what they do there.
func TestFilters_WithSkippersNames(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		`requestCookie("g", "b")`:                          `/x?a=1&b=2 c=d; e=f; g=b`,
		`requestCookie("c", "own")`:                        `/x?a=1&b=2 e=f; c=own`,
		`dropRequestCookie("c")`:                           `/x?a=1&b=2 e=f`,
		`dropRequestCookie("c") -> dropRequestCookie("e")`: `/x?a=1&b=2`,
		`stripQuery()`:                                     `/x c=d; e=f`,
		`headerToQuery("X-T", "a")`:                        `/x?b=2&a=t c=d; e=f`,
		`headerToQuery("X-None", "a")`:                     `/x?a=1&b=2 c=d; e=f`,
		`queryToHeader("a", "Cookie")`:                     `/x?a=1&b=2 c=d; e=f`,
		`dropRequestHeader("Cookie") -> queryToHeader("a", "Cookie", "n=%s")`:                            `/x?a=1&b=2 n=1`,
		`copyRequestHeader("X-T", "Cookie")`:                                                             `/x?a=1&b=2 t`,
		`copyRequestHeader("X-None", "Cookie")`:                                                          `/x?a=1&b=2`,
		`modRequestHeader("Cookie", /(.)=(.)/, "$2=$1")`:                                                 `/x?a=1&b=2 d=c; f=e`,
		`modRequestHeader("X-None", /x/, "y")`:                                                           `/x?a=1&b=2 c=d; e=f`,
		`latency(1) -> latency("1ms") -> latency(0, "1h")`:                                               `/x?a=1&b=2 c=d; e=f`,
		`ratelimit(5, "1m") -> localRatelimit(5, "1m")`:                                                  `/x?a=1&b=2 c=d; e=f`,
		`setQuery("z=9&y") -> comment("c") -> xforward() -> disableAccessLog(404, 3)`:                    `/x?z=9&y c=d; e=f`,
		`setQuery("${none}")`:                                                                            `/x?a=1&b=2 c=d; e=f`,
		`ratelimit(5, 60) -> clientRatelimit(5, 60, "X-T, X-U") -> consecutiveBreaker(5, 1000, 1, 1000)`: `/x?a=1&b=2 c=d; e=f`,
		`compress(11, "text/html") -> compress("...", "image/png") -> compress(5)`:                       `/x?a=1&b=2 c=d; e=f`,
		`consecutiveBreaker(5, "1m", 2, "1h") -> enableAccessLog()`:                                      `/x?a=1&b=2 c=d; e=f`,
	} {
		s := oneRoute(t, "* -> "+rule+` -> "function:f"`, Options{}, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.TrimSpace(r.RequestURI+" "+strings.Join(r.Header["Cookie"], "|")))
		})
		if got := s.call("GET", "/x?a=1&b=2", "Cookie: c=d; e=f", "X-T: t").Body.String(); got != want {
			t.Errorf("%s: %s, want %s", rule, got, want)
		}
	}
	for rule, want := range map[string]string{
		`dropResponseCookie("a")`:                      "[b=2] [1 x]",
		`dropResponseCookie("A")`:                      "[a=1 b=2] [1 x]",
		`responseHeader("X-A", "2")`:                   "[a=1 b=2] [1 x 2]",
		`copyResponseHeader("X-A", "Set-Cookie")`:      "[1 x] [1 x]",
		`copyResponseHeader("X-None", "X-A")`:          "[a=1 b=2] [1 x]",
		`modResponseHeader("X-A", /(.) x/, "<$1>")`:    "[a=1 b=2] [<1>]",
		`modResponseHeader("X-None", /(.) x/, "<$1>")`: "[a=1 b=2] [1 x]",
	} {
		s := oneRoute(t, "* -> "+rule+` -> "function:f"`, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
			w.Header().Set("X-A", "1 x")
		})
		h := s.call("GET", "/").Header()
		if got := fmt.Sprint(h["Set-Cookie"], " ", h["X-A"]); got != want {
			t.Errorf("%s: %s, want %s", rule, got, want)
		}
	}
	for call, want := range map[string]string{`preserveHost("yes")`: "want", `requestCookie("a b", "c")`: "no cookie", `redirectTo(301)`: "want redirectTo", `stripQuery("true")`: "want stripQuery()", `latency("soon")`: "length of time", `latency(0.5)`: "whole number", `latency("a", "b")`: "share", `consecutiveBreaker(1, "1s", 0)`: "at least 1"} {
		if _, problems := routes.Check(`* -> `+call+` -> <shunt>`, with(Options{})); len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s: %v", call, problems)
		}
	}
	limited := oneRoute(t, `* -> clientRatelimit(1, 3600, "X-A,X-B") -> "function:f"`, Options{}, nil)
	for _, step := range []struct {
		fields string
		want   int
	}{{"X-A: 1|X-B: 1", 200}, {"X-A: 1|X-B: 2", 200}, {"X-A: 1|X-B: 1", 429}, {"X-A: 1", 200}, {"X-B: 1", 200}, {"X-A: 1", 429}} {
		if got := limited.call("GET", "/", strings.Split(step.fields, "|")...).Code; got != step.want {
			t.Errorf("%s: %d, want %d", step.fields, got, step.want)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	if got := (Options{}).withDefaults().Arrival(r); got.Scheme != "http" || got.Host != "example.com" {
		t.Errorf("arrival: %+v", got)
	}
}
