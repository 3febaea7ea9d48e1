package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"faas-docker/engine/enginetest"
	"faas-docker/handlers"
)

// route puts rules over the API until the test ends, and returns the host that they
// are for, which no other test has. In the rules $host stands for that condition, $id
// for the beginning of a name, and $to for the function as a backend.
func (h *host) route(t testing.TB, function, rules string) string {
	t.Helper()
	name := "r" + tokenOf(t)
	host := name + ".example.org"
	rules = strings.NewReplacer("$host", `HostAny("`+host+`")`, "$to", `"function:`+function+`"`, "$id", name).Replace(rules)
	for _, put := range h.putRoutes(t, "", rules) {
		if put.Problem != "" {
			t.Fatalf("route %s: %s", put.ID, put.Problem)
		}
	}
	return host
}

func (h *host) putRoutes(t testing.TB, id, rules string) []handlers.Route {
	t.Helper()
	path := strings.TrimSuffix("/system/routes/"+id, "/")
	got := h.do(t, request{method: http.MethodPut, path: path, body: rules}).wants(t, http.StatusOK)
	var put []handlers.Route
	if err := json.Unmarshal([]byte(got.body), &put); err != nil {
		t.Fatalf("%v: %s", err, got.body)
	}
	for _, route := range put {
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			defer cancel()
			if _, err := h.try(ctx, request{method: http.MethodDelete, path: "/system/routes/" + route.ID}); err != nil {
				t.Errorf("delete route %s: %v", route.ID, err)
			}
		})
	}
	return put
}

// routes lists the routes whose names begin so, by name.
func (h *host) routes(t testing.TB, prefix string) map[string]handlers.Route {
	t.Helper()
	var list handlers.RouteList
	body := h.get(t, "/system/routes").wants(t, http.StatusOK).body
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	found := map[string]handlers.Route{}
	for _, route := range list.Routes {
		if strings.HasPrefix(route.ID, prefix) {
			found[route.Source+" "+route.ID] = route
		}
	}
	return found
}

func TestRoutes_ReachAFunction(t *testing.T) {
	t.Parallel()
	h := patient(t)
	name := strings.TrimPrefix(h.echo(t), "/function/")
	host := h.route(t, name, `
		$id.all: $host -> $to;
		$id.shop: $host && Path("/shop/:item") -> setPath("/${item}") -> $to;
		$id.long: $host && Path("/long") -> "function:`+name+`.openfaas-fn";
		$id.root: $host && Path("/") -> setRequestHeader("X-Route", "root") -> $to`)
	for path, want := range map[string]string{
		"/shop/a+b%3Fc?q=1": "/a+b%3Fc?q=1", "//x/y%2Fz?a=%20&b": "//x/y%2Fz?a=%20&b", "//x/../y%2Fz": "/y%2Fz", "/long": "/long", "/x?": "/x?",
	} {
		if got := h.describe(t, request{method: http.MethodPost, path: path, host: host, body: "12345"}); got.URI != want || got.Host != host || got.BodyBytes != 5 {
			t.Errorf("%s: the function saw %+v, want the path %s", path, got, want)
		}
	}
	if got := h.describe(t, request{method: http.MethodGet, path: "/", host: host}); got.Headers.Get("X-Route") != "root" {
		t.Errorf("/ did not go to its route: %+v", got)
	}
	h.do(t, request{method: http.MethodGet, path: "/", host: "localhost"}).wants(t, http.StatusOK, "functions are at /function/")
	if got := h.status(t, name).InvocationCount; got < 6 {
		t.Errorf("%v invocations were counted, want those by route, too", got)
	}
}

func TestRoutes_CannotHaveTheProvidersPaths(t *testing.T) {
	t.Parallel()
	h := patient(t)
	path := h.echo(t)
	host := h.route(t, "nobody", `$id: $host -> inlineContent("route") -> $to`)
	at := func(method, path string) request {
		return request{method: method, path: path, host: host, body: "body"}
	}
	h.do(t, at(http.MethodGet, "/any")).wants(t, http.StatusOK, "route")
	h.do(t, at(http.MethodPost, path)).wants(t, http.StatusOK, "body")
	for _, own := range []string{"/system/functions", "/system/routes", "/healthz", "/metrics", "/system/no-such-thing", "/system"} {
		if got := h.do(t, request{method: http.MethodGet, path: own, host: host}); got.body == "route" {
			t.Errorf("%s went to the route", own)
		}
	}
	for _, rule := range []string{`Path("/system/functions")`, `PathSubtree("/function")`, `Path("/function/:any")`, `PathRegexp("^/healthz$")`} {
		h.do(t, request{method: http.MethodPut, path: "/system/routes/shadow", body: rule + ` -> <shunt>`}).wants(t, http.StatusBadRequest, "belong to the provider", "line 1, column 1")
	}
}

func TestRoutes_BrokenRulesAreRefusedWithTheirPlace(t *testing.T) {
	t.Parallel()
	h := patient(t)
	for body, want := range map[string]string{
		``: "no rule in it",
		"a: Path(\"/a\")\n -> nothing() -> <shunt>": `line 2, column 5: rule "a": nothing(): there is no filter`,
		"a: Path(\"/a\" -> <shunt>":                 `line 1, column 14`,
		"* -> <shunt>":                              "has no name",
		"a: * -> <shunt>; a: * -> <shunt>":          `"a" is there twice`,
	} {
		h.do(t, request{method: http.MethodPut, path: "/system/routes", body: body}).wants(t, http.StatusBadRequest, want)
	}
	h.do(t, request{method: http.MethodPut, path: "/system/routes/a", body: "b: * -> <shunt>"}).wants(t, http.StatusBadRequest, "leave out the name")
	h.do(t, request{method: http.MethodDelete, path: "/system/routes/no-such"}).wants(t, http.StatusNotFound)
	h.do(t, request{method: http.MethodGet, path: "/system/routes/no-such"}).wants(t, http.StatusNotFound)
}

func TestRoutes_OfAnnotationsComeAndGoWithTheirFunction(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	key := "com.openfaas.route." + spec.Service
	host := spec.Service + ".example.org"
	bad := map[string]string{key: `Path("/x" -> <shunt>`}
	spec.Annotations = &bad
	for range 2 {
		h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, `annotations["`+key+`"]`, "line 1, column 1")
		bad[key] = `Path("/x") -> nothing()`
	}
	h.get(t, "/system/function/"+spec.Service).wants(t, http.StatusNotFound)

	spec.Annotations = &map[string]string{"com.openfaas.host": host, "com.openfaas.path": "/shop", key: `HostAny("` + host + `") && Path("/own") -> setPath("/rule")`}
	h.deploy(t, spec)
	eventually(t, "the route of the host and path is in force", func() (bool, string) {
		got := h.do(t, request{method: http.MethodGet, path: "/shop/item?q=1", host: host, header: map[string]string{"X-Describe": "1"}})
		return got.StatusCode == http.StatusOK && strings.Contains(got.body, `"/item?q=1"`), got.body
	})
	if got := h.describe(t, request{method: http.MethodGet, path: "/own", host: host}); got.URI != "/rule" {
		t.Errorf("the whole rule made %s of /own", got.URI)
	}
	if listed := h.routes(t, spec.Service); len(listed) != 1 {
		t.Errorf("listed are %v", listed)
	}

	spec.Annotations = &map[string]string{"com.openfaas.host": "other." + host}
	h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusOK)
	eventually(t, "the route has changed", func() (bool, string) {
		old := h.do(t, request{method: http.MethodGet, path: "/shop/item", host: host})
		changed := h.do(t, request{method: http.MethodGet, path: "/shop/item", host: "other." + host})
		return old.StatusCode == http.StatusNotFound && changed.StatusCode == http.StatusOK, old.body + changed.body
	})
	h.forget(t, spec.Service, defaultNS)
	eventually(t, "the route has gone", func() (bool, string) {
		got := h.do(t, request{method: http.MethodGet, path: "/", host: "other." + host})
		return strings.Contains(got.body, "functions are at /function/"), got.body
	})
}

// The sources are tried on a provider of its own, which is stopped and started again.
func TestRoutes_OfSeveralSourcesAreMergedAndKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "routes.eskip")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`shop: Path("/shop") -> inlineContent("file") -> <shunt>; only: Path("/only") -> inlineContent("file 1") -> <shunt>`)
	network, settings := enginetest.Network(t), map[string]string{"routes_file": file, "data_dir": t.TempDir(), "netns_pool": "0"}
	h := startHost(t, network, settings)
	h.get(t, "/shop").wants(t, http.StatusOK, "file")
	h.do(t, request{method: http.MethodPut, path: "/system/routes/shop", body: `Path("/shop") -> inlineContent("api") -> <shunt>`}).wants(t, http.StatusOK, `"source":"api"`)
	h.get(t, "/shop").wants(t, http.StatusOK, "api")
	if clash := h.routes(t, "shop")[file+" shop"]; !strings.Contains(clash.Problem, `there is a rule "shop" from api, which comes first`) {
		t.Errorf("the clash is not reported: %+v", clash)
	}
	write(`shop: Path("/shop") -> inlineContent("file") -> <shunt>; only: Path("/only") -> inlineContent("file 2") -> <shunt>; broken: Pth()`)
	eventually(t, "the file is read again", func() (bool, string) {
		got := h.get(t, "/only")
		return got.body == "file 2", got.body
	})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the loss of the file is reported", func() (bool, string) {
		got := h.get(t, "/system/routes").body
		return strings.Contains(got, "no such file"), got
	})
	h.get(t, "/only").wants(t, http.StatusOK, "file 2")
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h = startHost(t, network, settings)
	h.get(t, "/shop").wants(t, http.StatusOK, "api")
	h.do(t, request{method: http.MethodDelete, path: "/system/routes/shop"}).wants(t, http.StatusOK)
	h.get(t, "/shop").wants(t, http.StatusNotFound)
}
