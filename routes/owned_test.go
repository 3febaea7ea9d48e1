package routes_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"faas-docker/function"
	"faas-docker/routes"
	"faas-docker/routes/eskip"
)

// owning is a function with annotations, "name: value" each.
func owning(name string, annotations ...string) function.Spec {
	spec := function.Spec{Name: name, Namespace: "dev", Annotations: map[string]string{}}
	for _, a := range annotations {
		key, value, _ := strings.Cut(a, ": ")
		spec.Annotations["com.openfaas."+key] = value
	}
	return spec
}

// A later deployment takes no host from another function, whatever it is called. Sharing a
// host by paths, or by a condition that somebody has meant, is allowed.
func TestCheckTakeover(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		there, comes []string
		taken        bool
	}{
		{"the same host", []string{"host: shop.org"}, []string{"host: shop.org"}, true},
		{"in other letters", []string{"host: shop.org"}, []string{"host: SHOP.Org"}, true},
		{"one of several", []string{"host: a.org, shop.org"}, []string{"host: shop.org, b.org"}, true},
		{"the same wildcard", []string{"host: *.shop.org"}, []string{"host: *.shop.org"}, true},
		{"the same host and path", []string{"host: shop.org", "path: /a"}, []string{"host: shop.org", "path: /a/"}, true},
		{"the root of the same host", []string{"host: shop.org"}, []string{"host: shop.org", "path: /"}, true},
		{"the host of a rule", []string{"route.x: HostAny(\"shop.org\")"}, []string{"host: shop.org"}, true},
		{"by a rule", []string{"host: shop.org"}, []string{"route.x: HostAny(\"shop.org\")"}, true},
		{"by a rule with an expression", []string{"host: shop.org"}, []string{"route.x: Host(/^shop[.]org$/)"}, true},
		{"by a rule with a weight", []string{"host: shop.org"}, []string{"route.x: HostAny(\"shop.org\") && Weight(100)"}, true},
		{"by a rule for every path", []string{"host: shop.org"}, []string{"route.x: PathSubtree(\"/\") && HostAny(\"shop.org\")"}, true},
		{"by a rule with True", []string{"host: shop.org"}, []string{"route.x: HostAny(\"shop.org\") && True()"}, true},
		{"by one of two rules", []string{"host: shop.org"}, []string{"route.y: Path(\"/y\")", "route.x: HostAny(\"shop.org\")"}, true},
		{"with a port", []string{"host: shop.org:8080"}, []string{"host: shop.org"}, true},
		{"the same port", []string{"host: shop.org:8080"}, []string{"host: shop.org:8080"}, true},
		{"a rule of the same conditions", []string{"route.x: HostAny(\"shop.org\") && Method(\"GET\")"}, []string{"route.y: Method(\"GET\") && HostAny(\"shop.org\")"}, true},
		{"the less strict of two, that outweighs", []string{"route.x: HostAny(\"shop.org\") && Method(\"GET\")"}, []string{"route.y: HostAny(\"shop.org\") && Weight(9)"}, true},

		{"another host", []string{"host: shop.org"}, []string{"host: cart.org"}, false},
		{"a host below it", []string{"host: shop.org"}, []string{"host: www.shop.org"}, false},
		{"another path of it", []string{"host: shop.org", "path: /a"}, []string{"host: shop.org", "path: /b"}, false},
		{"a path of it", []string{"host: shop.org"}, []string{"host: shop.org", "path: /cart"}, false},
		{"all of it but a path", []string{"host: shop.org", "path: /cart"}, []string{"host: shop.org"}, false},
		{"one of a wildcard", []string{"host: *.shop.org"}, []string{"host: a.shop.org"}, false},
		{"a wildcard around it", []string{"host: a.shop.org"}, []string{"host: *.shop.org"}, false},
		{"a path on every host", []string{"host: shop.org"}, []string{"path: /cart"}, false},
		{"every host", []string{"host: shop.org"}, []string{"route.x: * && Weight(1000)"}, false},
		{"by a further condition", []string{"host: shop.org"}, []string{"route.x: HostAny(\"shop.org\") && Header(\"X-Canary\", \"1\")"}, false},
		{"the rest of it", []string{"route.x: HostAny(\"shop.org\") && Method(\"GET\")"}, []string{"host: shop.org"}, false},
		{"no host", []string{"host: shop.org"}, nil, false},
		{"from no host", nil, []string{"host: shop.org"}, false},
		{"from a broken rule", []string{"host: a b"}, []string{"host: shop.org"}, false},
	} {
		for _, names := range [][2]string{{"aaa", "zzz"}, {"zzz", "aaa"}} {
			err := routes.CheckTakeover(owning(names[1], test.comes...), []function.Spec{owning("other", "host: other.org"), owning(names[0], test.there...)}, builtin())
			if (err != nil) != test.taken || test.taken && (!errors.Is(err, function.ErrConflict) || !strings.Contains(err.Error(), names[0]+".dev")) {
				t.Errorf("%s, %s after %s: %v, want it refused: %t", test.name, names[1], names[0], err, test.taken)
			}
			if err := routes.CheckTakeover(owning(names[0], test.comes...), []function.Spec{owning(names[0], test.there...)}, builtin()); err != nil {
				t.Errorf("%s, by itself: %v", test.name, err)
			}
		}
	}
}

// Between functions the host comes before the path, and the whole host before a pattern.
func TestTable_BetweenFunctionsTheHostComesBeforeThePath(t *testing.T) {
	t.Parallel()
	rules := routes.FromSpecs([]function.Spec{
		owning("host", "host: shop.org"), owning("path", "path: /cart"), owning("deep", "path: /cart/deep"),
		owning("both", "host: shop.org", "path: /both"), owning("wild", "host: *.shop.org"), owning("wildcart", "host: *.shop.org", "path: /cart"),
		owning("exact", "host: a.shop.org"), owning("rule", "route.r: Path(\"/r/:x\")"), owning("heavy", "route.h: Path(\"/h\") && Weight(1000)"),
		owning("all", "route.all: *"),
	})
	api, err := eskip.Parse(`api: Path("/api") -> <shunt>; apiCart: Path("/cart/api") -> <shunt>`)
	if err != nil {
		t.Fatal(err)
	}
	table, problems := routes.Build(append(api, rules...), builtin())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for target, want := range map[string]string{
		"shop.org/": "host", "shop.org/x": "host", "shop.org/cart": "host", "shop.org/cart/deep": "host", "shop.org/cart/deep/er": "host", "shop.org/both": "both", "shop.org/both/x": "both",
		"shop.org/r/1": "host", "shop.org/h": "host", "SHOP.org:8080/cart": "host", "shop.org./cart": "host",
		"b.shop.org/": "wild", "b.shop.org/cart": "wildcart", "b.shop.org/cart/deep": "wildcart", "b.shop.org/r/1": "wild", "b.shop.org/h": "wild",
		"a.shop.org/": "exact", "a.shop.org/cart": "exact", "a.shop.org/cart/deep": "exact",
		"other.org/cart": "path", "other.org/cart/deep": "deep", "other.org/r/1": "rule", "other.org/h": "heavy", "other.org/": "all",
		"shop.org/api": "api", "a.shop.org/cart/api": "apiCart", "other.org/api": "api",
	} {
		route, _ := table.Lookup(httptest.NewRequest(http.MethodGet, "http://"+target, nil))
		got := ""
		if route != nil {
			if got = route.Function.Name; got == "" {
				got = route.Rule.ID
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

// Who has a host keeps it when another one comes to it by a rollback, or at the same time.
func TestBuild_WhoHasAHostKeepsIt(t *testing.T) {
	t.Parallel()
	there, comes := owning("zzz", "host: shop.org"), owning("aaa", "host: shop.org")
	var table *routes.Table
	for _, specs := range [][]function.Spec{{there}, {comes, there}, {comes, there}} {
		var problems []routes.Problem
		table, problems = routes.Build(routes.FromSpecs(specs), routes.Options{Previous: table})
		if len(problems) != len(specs)-1 {
			t.Errorf("problems: %v", problems)
		}
		if got := found(table, httptest.NewRequest("GET", "http://shop.org/", nil)); got != "function.zzz.dev" {
			t.Errorf("%q has the host", got)
		}
	}
}

// Two functions that have one host already, because they came to it at the same time, can be
// updated; neither can come to the host of a third.
func TestCheckTakeover_AnUpdateThatLeavesTheRulesTakesNothing(t *testing.T) {
	t.Parallel()
	there := []function.Spec{owning("a", "host: shop.org"), owning("b", "host: shop.org"), owning("c", "host: c.org")}
	update := owning("b", "host: shop.org")
	update.Image = "another"
	if err := routes.CheckTakeover(update, there, builtin()); err != nil {
		t.Error(err)
	}
	if err := routes.CheckTakeover(owning("b", "host: shop.org, c.org"), there, builtin()); err == nil {
		t.Error("it came to a further host")
	}
	if err := routes.CheckTakeover(owning("b", "host: shop.org", "path: /"), there, builtin()); err == nil {
		t.Error("it took the whole of the host")
	}
}
