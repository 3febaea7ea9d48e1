package filters

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"faas-docker/routes/routestest"
)

func TestFilters_ChangeTheRequest(t *testing.T) {
	t.Parallel()
	const host = " shop.example.org "
	tests := []struct{ rule, target, want string }{
		{`* -> "function:f"`, "//a/../b%2Fc?q", "//a/../b%2Fc?q //a/../b/c" + host + `[]`},
		{`* -> setRequestHeader("x-out", "1") -> setRequestHeader("X-Out", "2") -> "function:f"`, "/", `/ /` + host + `["2"]`},
		{`* -> requestHeader("x-out", "1") -> requestHeader("X-Out", "2") -> "function:f"`, "/", `/ /` + host + `["1" "2"]`},
		{`Path("/a/:p") -> setRequestHeader("X-Out", "<${p}${nothing}>") -> "function:f"`, "/a/b+c", `/a/b+c /a/b+c` + host + `[]`},
		{`* -> setRequestHeader("X-Out", "${request.method} ${request.host} ${request.path} ${request.rawQuery} ${request.header.x-in} ${request.query.q} ${request.cookie.c}|${request.cookie.no}") -> "function:f"`,
			"/x?q=1", `/x?q=1 /x` + host + `["GET shop.example.org /x q=1 in 1 cookie|"]`},
		{`* -> setRequestHeader("X-Out", "${") -> "function:f"`, "/", `/ /` + host + `["${"]`},
		{`* -> setRequestHeader("Host", "inner") -> "function:f"`, "/", `/ / inner []`},
		{`Path("/shop/:item") -> setPath("/${item}") -> "function:f"`, "/shop/a+b%3Fc?q=1", `/a+b%3Fc?q=1 /a+b?c` + host + `[]`},
		{`PathSubtree("/shop") -> setPath("/new${*}") -> "function:f"`, "/shop/a/b", `/new/a/b /new/a/b` + host + `[]`},
		{`* -> setPath("x") -> "function:f"`, "/", `/x /x` + host + `[]`},
		{`* -> modPath(/^\/shop/, "") -> "function:f"`, "/shop", `/ /` + host + `[]`},
		{`* -> modPath(/^\/shop/, "") -> "function:f"`, "/shop/a%2Fb", `/a%2Fb /a/b` + host + `[]`},
		{`* -> modPath("/(.)/(.)$", "/$2/$1") -> "function:f"`, "/a/b", `/b/a /b/a` + host + `[]`},
		{`* -> modPath("2", "3") -> "function:f"`, "/a%2Fb", `/a/b /a/b` + host + `[]`},
		{`* -> modPath("F", "G") -> "function:f"`, "/F%2FF", `/G/G /G/G` + host + `[]`},
	}
	for _, test := range tests {
		server := routestest.Serve(t, test.rule, with(Options{}), echo)
		if got, body := routestest.Ask(t, server, test.target); body != test.want || got.StatusCode != http.StatusOK {
			t.Errorf("%s %s:\n got %d %s\nwant %s", test.rule, test.target, got.StatusCode, body, test.want)
		}
	}
}

func TestFilters_Answer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		rule, target string
		status       int
		body         string
		header       string // "Name: value"
	}{
		{`* -> <shunt>`, "/", 404, "", "Content-Length: 0"},
		{`* -> status(418) -> <shunt>`, "/", 418, "", ""},
		{`* -> status(503) -> "function:f"`, "/", 503, "backend", ""},
		{`* -> status(204) -> "function:f"`, "/", 204, "", ""},
		{`* -> inlineContent("hello") -> "function:f"`, "/", 200, "hello", "Content-Type: text/plain; charset=utf-8"},
		{`* -> inlineContent("{}", "application/json") -> <shunt>`, "/", 200, "{}", "Content-Type: application/json"},
		{`* -> status(201) -> inlineContent("a") -> inlineContent("b") -> status(202) -> <shunt>`, "/", 201, "a", "Content-Length: 1"},
		{`* -> redirectTo(308, "https://example.org") -> <shunt>`, "/a%2Fb?q=1", 308, "", "Location: https://example.org/a%2Fb?q=1"},
		{`Path("/a/:x") -> redirectTo(302, "/b/${x}?r=2") -> <shunt>`, "/a/c%3Fd?q=1", 302, "", "Location: /b/c%3Fd?r=2"},
		{`* -> redirectTo(302, "${request.path}") -> <shunt>`, "//evil.org/x", 302, "", "Location: /evil.org/x"},
		{`PathSubtree("/r") -> redirectTo(302, "/${*}") -> <shunt>`, "/r/evil.org", 302, "", "Location: /evil.org"},
		{`* -> redirectTo(308, "https:${request.path}") -> <shunt>`, "//evil.org/x", 308, "", "Location: https://shop.example.org/evil.org/x"},
		{`* -> redirectTo(308, "https:${request.path}") -> <shunt>`, `/\\evil.org/x`, 308, "", "Location: https://shop.example.org/%5C%5Cevil.org/x"},
		{`* -> redirectTo(308, "https:${request.query.to}") -> <shunt>`, "/?to=//evil.org", 308, "", "Location: https://shop.example.org/evil.org?to=//evil.org"},
		{`* -> redirectTo(308, "https:/${request.path}") -> <shunt>`, "/evil.org/x", 308, "", "Location: https://shop.example.org/evil.org/x"},
		{`* -> redirectTo(308, "https:/${request.path}") -> <shunt>`, "//evil.org/x", 308, "", "Location: https://shop.example.org/evil.org/x"},
		{`* -> redirectTo(308, "http:/a${request.path}") -> <shunt>`, "/x", 308, "", "Location: http://shop.example.org/a/x"},
		{`* -> redirectTo(302, "${request.query.to}") -> <shunt>`, "/?to=https://evil.org", 302, "", "Location: /https://evil.org?to=https://evil.org"},
		{`* -> redirectTo(302, "https://a.org${request.path}") -> <shunt>`, "//evil.org/x", 302, "", "Location: https://a.org//evil.org/x"},
		{`* -> redirectTo(302, "?a=b") -> <shunt>`, "//evil.org", 302, "", "Location: /evil.org?a=b"},
	}
	for _, test := range tests {
		server := routestest.Serve(t, test.rule, with(Options{}), func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "backend") })
		got, body := routestest.Ask(t, server, test.target)
		name, value, _ := strings.Cut(test.header, ": ")
		if got.StatusCode != test.status || body != test.body || got.Header.Get(name) != value {
			t.Errorf("%s: got %d %q %v", test.rule, got.StatusCode, body, got.Header)
		}
	}
}
