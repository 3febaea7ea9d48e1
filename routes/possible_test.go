package routes_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"faas-docker/routes"
	"faas-docker/routes/routestest"
)

// Conditions that no request can meet are refused where they are written, and those that
// only look so are taken.
func TestBuild_RefusesConditionsThatNoRequestCanMeet(t *testing.T) {
	t.Parallel()
	for _, conditions := range []string{
		`Method("GET") && Method("POST")`, `Methods("GET", "HEAD") && Method("PUT")`, `Methods("GET", "PUT") && Methods("POST", "HEAD")`, `Method("GET ")`, `Method("")`, `Method("GE T")`,
		`HostAny("a.org") && HostAny("b.org")`, `Host(/^a[.]org$/) && HostAny("b.org")`, `Host(/^a[.]org$/) && Host(/^b[.]org$/)`, `HostAny("a.org", "b.org") && Host(/[.]net$/)`,
		`HostAny("*.example.org")`, `HostAny("https://example.org")`, `HostAny("example.org/path")`, `HostAny("exa mple.org")`, `HostAny("")`, `HostAny("bücher.example")`, `HostAny("a.org,b.org")`, `HostAny("a.org:99999")`,
		`Host(/^https:\/\/a[.]org$/)`, `Host(/a[.]org\/shop/)`, `Host(/ /)`, `Host(/a^b/)`, `Host(/a$b/)`, `Host(/$a/)`, `Host(/[^\x00-\x{10FFFF}]/)`, `Host(/^bücher[.]de$/)`,
		`PathRegexp(/^shop/)`, `PathRegexp(/^$/)`, `PathRegexp(/a^\/b/)`, `PathRegexp(/$\/a/)`, `PathRegexp(/^[a-z]+$/)`,
		`Path("/a") && PathRegexp(/^\/b/)`, `Path("/a") && PathRegexp(/[.]html$/)`, `Path("/a/:x") && PathRegexp(/^\/b/)`, `PathSubtree("/a") && PathRegexp(/^\/b\/c$/)`, `Path("/a/b") && PathRegexp(/^\/a$/)`,
		`Path("*a/b")`, `Path("/a?b=c")`, `Path("/a#b")`, `PathSubtree("/?x")`,
		`Header("Host", "a.org")`, `Header("host", "a.org")`, `HeaderRegexp("Host", /a/)`, `Header("Transfer-Encoding", "chunked")`, `Header("Trailer", "X")`, `Header("X A", "b")`, `Header("X-A:", "b")`, `Header("", "b")`,
		`Header("X-A", " b")`, `Header("X-A", "b ")`, "Header(\"X-A\", `b\nc`)", `HeaderRegexp("X-A", /\n/)`, `HeaderRegexp("X-A", /a$b/)`, `HeaderRegexp("X-A", /^\x00$/)`,
		`Cookie("a b", /x/)`, `Cookie("a=b", /x/)`, `Cookie("", /x/)`, `Cookie("a", /;/)`, `QueryParam("a", /a^b/)`,
		`ClientIP("10.0.0.0/8") && ClientIP("192.168.0.0/16")`, `ClientIP("10.0.0.1") && Source("10.0.0.2")`, `ClientIP("10.0.0.0/8") && ClientIP("2001:db8::/32")`,
		`After("2030-01-01T00:00:00Z") && Before("2029-01-01T00:00:00Z")`, `After(2000000000) && Before(2000000000)`, `Between(10, 20) && After(30)`, `Between(10, 20) && Between(20, 30)`, `Between(20, 10)`, `Between(10, 10)`,
	} {
		if _, problems := routes.Check("a: "+conditions+" -> <shunt>", builtin()); len(problems) != 1 || !strings.HasPrefix(problems[0].String(), "line 1, column 4: ") && !strings.HasPrefix(problems[0].String(), "line 1, column 1: ") {
			t.Errorf("%s was taken: %v", conditions, problems)
		}
	}
	for _, conditions := range []string{
		`Method("get")`, `Methods("GET", "HEAD") && Method("HEAD")`, `Method("PURGE")`,
		`HostAny("a.org", "b.org") && Host(/^b/)`, `HostAny("localhost:9090") && Host(/^localhost/)`, `HostAny("localhost:9090")`, `HostAny("[::1]:80")`, `HostAny("192.0.2.1")`, `HostAny("xn--bcher-kva.example")`, `HostAny("Example.ORG.")`,
		`Host(/./)`, `Host(/^$/)`, `Host(/a.org:8080$/)`, `Host(/A[.]ORG/)`, `Host(/^(www[.])?a[.]org(:\d+)?$/)`, `Host(/\ba\b/)`, `Host(/(?m)^a$/)`,
		`PathRegexp(/[.]html$/)`, `PathRegexp(/^\/$/)`, `PathRegexp(/^/)`, `PathRegexp(/^.?a/)`, `PathRegexp(/ä/)`, `PathRegexp(/%/)`,
		`Path("/a") && PathRegexp(/a/)`, `Path("/a/:x") && PathRegexp(/^\/a\/b$/)`, `Path("/:x") && PathRegexp(/^\/b/)`, `PathSubtree("/a") && PathRegexp(/^\/a\/b[.]html$/)`, `PathSubtree("/a") && PathRegexp(/^\/a$/)`, `PathSubtree("/") && PathRegexp(/x/)`,
		`Path("*")`, `Path("**")`, `Path("/a%20b")`, `Header("X-A", "")`, `Header("X-A", "a") && Header("X-A", "b")`, `HeaderRegexp("X-A", /^$/)`, `HeaderRegexp("X-A", /ä/)`, `Cookie("a", /^[a-z]+$/)`,
		`QueryParam("a", /^1$/) && QueryParam("a", /^2$/)`, `QueryParam("")`, `ClientIP("10.0.0.0/8") && ClientIP("10.1.0.0/16")`, `ClientIP("::ffff:10.0.0.0/104")`,
		`After(10) && Before(20)`, `Between(10, 30) && Before(20)`, `Before("2020-01-01T00:00:00Z")`, `False()`, `Traffic(0)`, `True() && False()`,
	} {
		if _, problems := routes.Check("a: "+conditions+" -> <shunt>", builtin()); len(problems) != 0 {
			t.Errorf("%s was refused: %v", conditions, problems)
		}
	}
}

// Path("*") is every path, as in skipper.
func TestTable_PathStarIsEveryPath(t *testing.T) {
	t.Parallel()
	table := routestest.Build(t, `any: Path("*") -> <shunt>; a: Path("/a") -> <shunt>`, builtin())
	for pattern, rest := range map[string]string{"*": "*", "**": "*", "*rest": "rest"} {
		named := routestest.Build(t, `Path("`+pattern+`") -> <shunt>`, builtin())
		for target, want := range map[string]string{"/": "/", "/a/b": "/a/b"} {
			if route, params := named.Lookup(get(target)); route == nil || params.Get(rest) != want {
				t.Errorf("Path(%q) for %s: %v", pattern, target, params)
			}
		}
	}
	for target, want := range map[string]string{"/": "any", "/a": "a", "/a/": "any", "/b": "any", "/b/c/d": "any", "/b/": "any", "//b": "any", "/function/x": ""} {
		if got := found(table, get(target)); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

// A network in IPv6's notation of IPv4 is the network that is meant.
func TestClientIP_KnowsIPv4InIPv6(t *testing.T) {
	t.Parallel()
	table := routestest.Build(t, `a: ClientIP("::ffff:192.0.2.0/120") -> <shunt>`, builtin())
	for from, want := range map[string]string{"192.0.2.7:1": "a", "[::ffff:192.0.2.7]:1": "a", "192.0.3.7:1": "", "[::1]:1": ""} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = from
		if got := found(table, r); got != want {
			t.Errorf("%s: %q", from, got)
		}
	}
}
