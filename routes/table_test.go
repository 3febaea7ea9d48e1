package routes_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"faas-docker/routes"
	"faas-docker/routes/eskip"
	"faas-docker/routes/routestest"
)

// found is the name of the rule that a request gets; empty if none.
func found(table *routes.Table, r *http.Request) string {
	if route, _ := table.Lookup(r); route != nil {
		return route.Rule.ID
	}
	return ""
}

func get(target string) *http.Request { return httptest.NewRequest(http.MethodGet, target, nil) }

func TestTable_TheSeedsOwnExample(t *testing.T) {
	t.Parallel()
	table := routestest.Build(t, `Path("/some/path/to/:id") -> requestHeader("X-From", "skipper") -> "https://www.example.org"`, routes.Options{IgnoreTrailingSlash: true, Filters: builtin().Filters})
	r, err := http.NewRequest("GET", "https://www.example.com/some/path/to/Hello,+world!", nil)
	if err != nil {
		t.Fatal(err)
	}
	route, params := table.Lookup(r)
	if route == nil {
		t.Fatal("failed to route")
	}
	if got := route.URL.String(); got != "https://www.example.org" {
		t.Errorf("the backend is %q", got)
	}
	if got := params.Get("id"); got != "Hello, world!" {
		t.Errorf("id is %q", got)
	}
	var from string
	route.Serve(httptest.NewRecorder(), r, params, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { from = r.Header.Get("X-From") }))
	if from != "skipper" {
		t.Errorf("X-From is %q", from)
	}
}

func TestTable_ThePathDecidesFirst(t *testing.T) {
	t.Parallel()
	table := routestest.Build(t, `
		literal: Path("/a/b") -> <shunt>;
		wildcard: Path("/a/:x") -> <shunt>;
		deeper: Path("/a/:x/c") -> <shunt>;
		rest: Path("/a/*rest") -> <shunt>;
		posted: Path("/p/:x") && Method("POST") -> <shunt>;
		subtree: PathSubtree("/p") -> <shunt>;
		literalPost: Path("/a/only") && Method("POST") -> <shunt>;
		slash: Path("/s/") -> <shunt>;
		verb: Path("/v1/x:cancel") -> <shunt>;
		strict: Method("GET") && Host("example.com") && Weight(9) -> <shunt>;
		any: * -> <shunt>`, builtin())
	for target, want := range map[string]string{
		"/a/b": "literal", "/a/z": "wildcard", "/a/b/c": "deeper", "/a/b/d": "rest", "/a/z/y/x": "rest", "/a/only": "wildcard",
		"/a/": "strict", "/a": "strict", "/p": "subtree", "/p/": "subtree", "/p/x": "subtree", "/p/x/y": "subtree", "/pp": "strict",
		"/s/": "slash", "/s": "strict", "/v1/x:cancel": "verb",
		"//a//b": "literal", "/x/../a/b": "literal", "/a/./b": "literal", "/a/%62": "literal", "/a/b?x=/a/z": "literal",
		"/": "strict", "http://other.org/": "any",
	} {
		if got := found(table, get(target)); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
	if got := found(table, httptest.NewRequest("POST", "/p/x", nil)); got != "posted" {
		t.Errorf("POST /p/x: got %q", got)
	}
}

func TestTable_TheStrictestComesFirst(t *testing.T) {
	t.Parallel()
	table := routestest.Build(t, `
		b: Path("/x") && True() -> <shunt>;
		a: Path("/x") && Method("GET") -> <shunt>;
		one: Path("/w") && Weight(3) -> <shunt>;
		two: Path("/w") && Method("GET") && True() -> <shunt>;
		s: PathSubtree("/y") -> <shunt>;
		z: Path("/y") -> <shunt>;
		strict: PathSubtree("/z") && Method("GET") -> <shunt>;
		loose: Path("/z") -> <shunt>`, builtin())
	for target, want := range map[string]string{"/x": "a", "/w": "one", "/y": "z", "/y/": "s", "/z": "strict"} {
		if got := found(table, get(target)); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestTable_IgnoresTrailingSlashesIfTold(t *testing.T) {
	t.Parallel()
	const text = `a: Path("/a/") -> <shunt>; b: Path("/b") -> <shunt>; t: PathSubtree("/t/") -> <shunt>; root: PathSubtree("/") && Method("PUT") -> <shunt>`
	ignoring, strict := routestest.Build(t, text, routes.Options{IgnoreTrailingSlash: true}), routestest.Build(t, text, builtin())
	for target, want := range map[string][2]string{
		"/a": {"a", ""}, "/a/": {"a", "a"}, "/b": {"b", "b"}, "/b/": {"b", ""}, "/t": {"t", "t"}, "/t/": {"t", "t"}, "/t/x/": {"t", "t"},
	} {
		if got := [2]string{found(ignoring, get(target)), found(strict, get(target))}; got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
	for _, target := range []string{"/", "/x", "/x/"} {
		for _, table := range []*routes.Table{ignoring, strict} {
			if got := found(table, httptest.NewRequest("PUT", target, nil)); got != "root" {
				t.Errorf("PUT %s: got %q", target, got)
			}
		}
	}
}

func TestTable_GivesTheValuesOfWildcards(t *testing.T) {
	t.Parallel()
	table := routestest.Build(t, `
		two: Path("/two/:a/x/:b") -> <shunt>;
		rest: Path("/rest/:a/*more") -> <shunt>;
		tree: PathSubtree("/tree/:a") -> <shunt>;
		named: PathSubtree("/named/*all") -> <shunt>`, builtin())
	for target, want := range map[string]string{
		"/two/1/x/2":      "a=1 b=2",
		"/two/1%2Fx/2":    "a=1 b=2",
		"/two/c++/x/%2B+": "a=c   b=+ ",
		"/two/ä/x/%2541":  "a=ä b=%41",
		"/rest/1/2/3":     "a=1 more=/2/3",
		"/rest/1/2%2F3":   "a=1 more=/2/3",
		"/tree/1":         "a=1 *=/",
		"/tree/1/":        "a=1 *=/",
		"/tree/1/2/":      "a=1 *=/2/",
		"/named/x":        "all=/x",
	} {
		_, params := table.Lookup(get(target))
		var parts []string
		for _, p := range params {
			parts = append(parts, p.Name+"="+p.Value)
		}
		if got := strings.Join(parts, " "); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestTable_Predicates(t *testing.T) {
	t.Parallel()
	const noon = "2026-06-01T12:00:00Z"
	now, _ := time.Parse(time.RFC3339, noon)
	draw := 0.5
	o := routes.Options{World: routes.World{Now: func() time.Time { return now }, Random: func() float64 { return draw }}}
	tests := []struct {
		condition string
		request   func(*http.Request)
		want      bool
	}{
		{`Host(/^www[.]example[.]org$/)`, host("www.example.org"), true},
		{`Host(/^www[.]example[.]org$/)`, host("WWW.example.org:8080"), true},
		{`Host(/^www[.]example[.]org$/)`, host("www.example.org."), true},
		{`Host(/^www[.]example[.]org:80$/)`, host("www.example.org:80"), true},
		{`Host(/^www[.]example[.]org:80$/)`, host("www.example.org"), false},
		{`Host(/^www[.]example[.]org$/)`, host("wwwXexample.org"), false},
		{`Host(/^EXAMPLE/)`, host("example.org"), true},
		{`Host("^a|b$")`, host("cab"), true},
		{`HostAny("a.org", "B.org")`, host("b.org:80"), true},
		{`HostAny("a.org:80")`, host("a.org:80"), true},
		{`HostAny("a.org:80")`, host("a.org"), false},
		{`HostAny("[::1]")`, host("[::1]:80"), true},
		{`HostAny("a.org")`, host("c.org"), false},
		{`Method("get")`, host(""), true},
		{`Method("POST")`, host(""), false},
		{`Methods("POST", "GET")`, host(""), true},
		{`Header("x-a", "1")`, header("X-A", "0", "1"), true},
		{`Header("X-A", "1")`, header("X-A", "11"), false},
		{`HeaderRegexp("x-a", /^1/)`, header("X-A", "0", "11"), true},
		{`HeaderRegexp("x-a", "^1")`, header("X-B", "1"), false},
		{`Cookie("c", /^v/)`, header("Cookie", "b=v; c=v1"), true},
		{`Cookie("c", /^v/)`, header("Cookie", "b=v; c=1v"), false},
		{`QueryParam("q")`, query1("q"), true},
		{`QueryParam("q")`, query1("p=q"), false},
		{`QueryParam("q", /^v$/)`, query1("q=x&q=v"), true},
		{`QueryParam("q", /^v$/)`, query1("q=vv"), false},
		{`PathRegexp(/^\/p$/)`, host(""), true},
		{`PathRegexp(/[.]html$/)`, host(""), false},
		{`ClientIP("192.0.2.0/24")`, from("192.0.2.7:1"), true},
		{`ClientIP("192.0.2.8", "192.0.2.7")`, from("192.0.2.7:1"), true},
		{`ClientIP("192.0.2.7")`, from("[::ffff:192.0.2.7]:1"), true},
		{`ClientIP("2001:db8::/32")`, from("[2001:db8::1]:1"), true},
		{`ClientIP("192.0.2.0/24")`, from("192.0.3.7:1"), false},
		{`ClientIP("0.0.0.0/0")`, from("@"), false},
		{`Traffic(0.51)`, host(""), true},
		{`Traffic(0.5)`, host(""), false},
		{`Traffic(0, "group", "b")`, header("Cookie", "group=b"), true},
		{`Traffic(1, "group", "b")`, header("Cookie", "group=a"), false},
		{`Traffic(1, "group", "b")`, host(""), true},
		{`After("` + noon + `")`, host(""), true},
		{`After("2026-06-01T12:00:01Z")`, host(""), false},
		{`Before("` + noon + `")`, host(""), false},
		{`Before("2026-06-01T12:00:01Z")`, host(""), true},
		{`Between("2026-06-01T13:59:59+02:00", "2026-06-01T12:00:01Z")`, host(""), true},
		{`Between("2026-06-01T12:00:01Z", "2026-06-01T12:00:02Z")`, host(""), false},
		{`After(0)`, host(""), true},
		{`Before(0)`, host(""), false},
		{`True()`, host(""), true},
		{`False()`, host(""), false},
		{`Weight(-3)`, host(""), true},
		{`Method("GET") && False()`, host(""), false},
	}
	for _, test := range tests {
		table := routestest.Build(t, test.condition+" -> <shunt>", o)
		r := get("/p")
		test.request(r)
		if got, _ := table.Lookup(r); (got != nil) != test.want {
			t.Errorf("%s: got %t, want %t", test.condition, got != nil, test.want)
		}
	}
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func header(key string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[key] = values }
}

func query1(raw string) func(*http.Request) { return func(r *http.Request) { r.URL.RawQuery = raw } }

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

func TestTable_AsksTheOwnerWhoTheClientIs(t *testing.T) {
	t.Parallel()
	o := routes.Options{World: routes.World{ClientIP: func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("X-Real-Ip")) }}}
	r := get("/")
	r.Header.Set("X-Real-Ip", "10.1.2.3")
	if got := found(routestest.Build(t, `a: ClientIP("10.0.0.0/8") -> <shunt>`, o), r); got != "a" {
		t.Errorf("got %q", got)
	}
}

func TestTable_CanaryTakesItsShare(t *testing.T) {
	t.Parallel()
	table := routestest.Build(t, `canary: Path("/x") && Traffic(0.25) -> "function:v2"; stable: Path("/x") -> "function:v1"`, builtin())
	counts := map[string]int{}
	for range 10000 {
		counts[found(table, get("/x"))]++
	}
	if counts["canary"]+counts["stable"] != 10000 || counts["canary"] < 2200 || counts["canary"] > 2800 {
		t.Errorf("got %v, want a quarter", counts)
	}
}

func TestBuild_RejectsBrokenRulesAndSaysWhy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`b: Pth("/x") -> <shunt>`:                                     `there is no condition "Pth": there are `,
		`b: path("/x") -> <shunt>`:                                    `there is no condition "path": did you mean "Path"`,
		`b: METHOD("GET") -> <shunt>`:                                 `did you mean "Method"`,
		`b: * -> setpath("/") -> <shunt>`:                             `there is no filter "setpath": did you mean "setPath"`,
		`b: Path(/x/) -> <shunt>`:                                     `want Path("/shop/:item")`,
		`b: Path("x") -> <shunt>`:                                     `a path begins with /`,
		`b: Path("/a/*r/b") -> <shunt>`:                               `nothing may follow *r`,
		`b: Path("/a/:") -> <shunt>`:                                  `a : without a name`,
		`b: Path("/a/b*c") -> <shunt>`:                                `only the first character`,
		`b: Path("/:a/:a") -> <shunt>`:                                `two wildcards called a`,
		`b: Path("/a") && PathSubtree("/b") -> <shunt>`:               `one Path or PathSubtree`,
		`b: Host(/(/) -> <shunt>`:                                     `missing closing )`,
		`b: Host(/a)(b/) -> <shunt>`:                                  `unexpected )`,
		`b: Host("a", "b") -> <shunt>`:                                `want Host(/^www[.]example[.]org$/)`,
		`b: HeaderRegexp("x", /[/) -> <shunt>`:                        `not closed`,
		`b: ClientIP("10.0.0.0/33") -> <shunt>`:                       `want an address or a network`,
		`b: Traffic(1.1) -> <shunt>`:                                  `want a share from 0 to 1`,
		`b: Traffic(1, "cookie") -> <shunt>`:                          `with a cookie the group`,
		`b: After("noon") -> <shunt>`:                                 `is not a time`,
		`b: Between(2, 1) -> <shunt>`:                                 `2 is not before 1`,
		`b: Weight(1.5) -> <shunt>`:                                   `want a whole number`,
		`b: Method(1) -> <shunt>`:                                     `want Method("GET")`,
		`b: * -> status(99) -> <shunt>`:                               `want a status from 200 to 599`,
		`b: * -> redirectTo(200, "/") -> <shunt>`:                     `want a status of a redirection`,
		`b: * -> setPath("/${request.nose}") -> <shunt>`:              `${request.nose} is unknown`,
		`b: * -> setRequestHeader("a b", "") -> <shunt>`:              `not the name of a header field`,
		`b: * -> setPath() -> <shunt>`:                                `want setPath("/${item}")`,
		`b: Path("/function/x") -> <shunt>`:                           `belong to the provider`,
		`b: PathSubtree("/function") -> <shunt>`:                      `belong to the provider`,
		`b: Path("/x/../system/*any") -> <shunt>`:                     `belong to the provider`,
		`b: Path("/healthz") -> <shunt>`:                              `belong to the provider`,
		`b: Path("//metrics/") -> <shunt>`:                            `belong to the provider`,
		`b: PathRegexp(/^\/system\/fun/) -> <shunt>`:                  `belong to the provider`,
		`b: PathRegexp("^/healthz$") -> <shunt>`:                      `belong to the provider`,
		`b: Path(/ -> <shunt>`:                                        `line 1, column 64: rule "b": the regular expression`,
		`a: False() -> <shunt>`:                                       `there is a rule "a", which comes first`,
		`b: Path("/a/:y") && True() && Method("GET") -> "function:f"`: `no request would reach it: a rule "a" has the same conditions`,
	} {
		table, problems := routes.Build(eskip.ParseEach(`a: Method("GET") && Path("/a/:x") && True() -> <shunt>;`+text), builtin())
		if len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s:\n got %v\nwant %s", text, problems, want)
		}
		if got := found(table, get("/a/1")); got != "a" {
			t.Errorf("%s took down the other rule: got %q", text, got)
		}
	}
}

func TestBuild_TakesWhatOnlyLooksLikeAClash(t *testing.T) {
	t.Parallel()
	routestest.Build(t, `
		a: Path("/x") && Traffic(0.5) -> <shunt>; b: Path("/x") && Traffic(0.5) -> <shunt>;
		c: Path("/y") -> <shunt>; d: PathSubtree("/y") -> <shunt>; e: Path("/y") && Weight(1) -> <shunt>;
		f: Path("/systems") -> <shunt>; g: Path("/:any/x") -> <shunt>; h: PathRegexp(/^\/system(s|x)/) -> <shunt>; i: PathSubtree("/") -> <shunt>`, builtin())
}

func TestTable_DoesNotAnswerForTheProvidersPaths(t *testing.T) {
	t.Parallel()
	table := routestest.Build(t, `a: PathSubtree("/") -> <shunt>; b: * -> <shunt>; c: Path("/:x/y") -> <shunt>`, builtin())
	for target, want := range map[string]string{
		"/function/f": "", "/function/": "", "/function": "", "/system/y": "", "/healthz": "", "/metrics": "", "//x/../system/functions": "", "/%73ystem/x": "",
		"/functions/f": "a", "/systems/y": "c", "/health": "a", "/metricsx": "a", "/": "a",
	} {
		if got := found(table, get(target)); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestTable_WithoutRoutesFindsNothingAndAllocatesNothing(t *testing.T) {
	empty, _ := routes.Build(nil, builtin())
	r := get("//x/../y")
	for name, table := range map[string]*routes.Table{"nil": nil, "empty": empty} {
		if n := testing.AllocsPerRun(100, func() { table.Lookup(r) }); n != 0 || found(table, r) != "" {
			t.Errorf("%s: %v allocations, found %q", name, n, found(table, r))
		}
	}
	table := routestest.Build(t, `a: Path("/x/y") && Method("GET") && HostAny("example.com") -> <shunt>; b: Path("/x/:p") -> <shunt>`, builtin())
	for target, want := range map[string]float64{"/x/y": 0, "/x/z": 1, "/z": 0} {
		r := get(target)
		if n := testing.AllocsPerRun(100, func() { table.Lookup(r) }); n > want {
			t.Errorf("%s: %v allocations, want at most %v", target, n, want)
		}
	}
}

// odd is a condition of somebody else's.
type odd struct{}

func (odd) Name() string                           { return "Odd" }
func (odd) Weight() int                            { return -1 }
func (odd) Create([]any) (routes.Predicate, error) { return odd{}, nil }
func (odd) Match(r *http.Request) bool             { return len(r.URL.Path)%2 == 1 }

func TestBuild_TakesConditionsOfOthers(t *testing.T) {
	t.Parallel()
	table := routestest.Build(t, `a: Odd() && True() -> <shunt>; b: Odd() && Odd() && Odd() -> <shunt>`, routes.Options{Predicates: []routes.PredicateSpec{odd{}}})
	if found(table, get("/12")) != "a" || found(table, get("/1")) != "" {
		t.Errorf("got %q and %q", found(table, get("/12")), found(table, get("/1")))
	}
}

func TestTable_ARequestWithoutAPathReachesOnlyRulesWithout(t *testing.T) {
	t.Parallel()
	table := routestest.Build(t, `a: PathSubtree("/") -> <shunt>; b: * -> <shunt>`, builtin())
	if got := found(table, httptest.NewRequest("OPTIONS", "*", nil)); got != "b" {
		t.Errorf("OPTIONS *: got %q", got)
	}
}
