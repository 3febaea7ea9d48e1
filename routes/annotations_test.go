package routes

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"faas-docker/function"
)

func annotated(name string, annotations map[string]string) function.Spec {
	return function.Spec{Name: name, Namespace: "dev", Image: "i", Annotations: annotations}
}

func TestFromSpecs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		annotations map[string]string
		want        string // as printed
	}{
		{nil, ""},
		{map[string]string{"topic": "x"}, ""},
		{map[string]string{AnnotationHost: "a.org, B.org"}, `function.shop.dev: HostAny("a.org", "B.org") -> "function:shop.dev";`},
		{map[string]string{AnnotationHost: "a.org,*.b.org"}, `function.shop.dev: Host(/^(a\.org|[^.]+\.b\.org)$/) -> "function:shop.dev";`},
		{map[string]string{AnnotationPath: "/shop/"}, `function.shop.dev: PathSubtree("/shop") -> modPath(/^\/+shop(\/|$)/, "/") -> "function:shop.dev";`},
		{map[string]string{AnnotationPath: "/", AnnotationHost: "a.org"}, `function.shop.dev: HostAny("a.org") && PathSubtree("/") -> "function:shop.dev";`},
		{map[string]string{AnnotationRoute + "a": `Path("/x")`}, `a: Path("/x") -> "function:shop.dev";`},
		{map[string]string{AnnotationRoute + "a": `* -> status(200);`}, `a: * -> status(200) -> "function:shop.dev";`},
		{map[string]string{AnnotationRoute + "a-b.c": `a-b.c: True() -> "function:other"`}, `a-b.c: True() -> "function:other";`},
		{map[string]string{AnnotationRoute + "b": `* -> <shunt>`, AnnotationRoute + "a": `True()`}, `a: True() -> "function:shop.dev"; b: * -> <shunt>;`},
	}
	for _, test := range tests {
		rules := FromSpecs([]function.Spec{annotated("shop", test.annotations)})
		if got := strings.Join(strings.Fields(Print(rules...)), " "); got != test.want {
			t.Errorf("%v:\n got %s\nwant %s", test.annotations, got, test.want)
		}
		if _, problems := Build(rules, Options{}); len(problems) > 0 {
			t.Errorf("%v: %v", test.annotations, problems)
		}
	}
}

func TestFromSpecs_SaysWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	for key, test := range map[string]struct{ value, want string }{
		AnnotationHost:         {"a.org,", `annotations["com.openfaas.host"]: "" is not a host`},
		AnnotationPath:         {"shop", `annotations["com.openfaas.path"]: "shop": want a path such as /shop`},
		AnnotationPath + "x":   {"", ""},
		AnnotationRoute:        {"*", `annotations["com.openfaas.route."]: "" is not a name`},
		AnnotationRoute + "1":  {"*", `"1" is not a name`},
		AnnotationRoute + "a":  {`Path("/x" -> <shunt>`, `annotations["com.openfaas.route.a"]: line 1, column 11: expected "," or ")", found "->"`},
		AnnotationRoute + "b":  {`* -> <shunt>; c: * -> <shunt>`, `expected one rule and nothing behind it`},
		AnnotationRoute + "c":  {`d: *`, `it is called "d" within and "c" without`},
		AnnotationRoute + "ok": {`Path("/healthz")`, `belong to the provider`},
	} {
		_, problems := Build(FromSpecs([]function.Spec{annotated("shop", map[string]string{key: test.value})}), Options{})
		if test.want == "" {
			if len(problems) > 0 {
				t.Errorf("%s: %v", key, problems)
			}
			continue
		}
		if len(problems) != 1 || !strings.Contains(problems[0].String(), test.want) || !strings.HasPrefix(problems[0].String(), "function shop.dev: ") {
			t.Errorf("%s: got %v, want %s", key, problems, test.want)
		}
	}
}

func TestFromSpecs_TwoFunctionsForOneHostAreReported(t *testing.T) {
	t.Parallel()
	host := map[string]string{AnnotationHost: "a.org"}
	table, problems := Build(FromSpecs([]function.Spec{annotated("b", host), annotated("a", host)}), Options{})
	if got := found(table, get("http://a.org/")); got != "function.a.dev" {
		t.Errorf("got %q", got)
	}
	want := `function b.dev: rule "function.b.dev": no request would reach it: a rule "function.a.dev" from function a.dev has the same conditions and comes first`
	if len(problems) != 1 || problems[0].String() != want {
		t.Errorf("got %v, want %s", problems, want)
	}
}

func TestFromSpecs_TheFunctionSeesThePathWithoutItsOwn(t *testing.T) {
	t.Parallel()
	table, _ := Build(FromSpecs([]function.Spec{annotated("shop", map[string]string{AnnotationPath: "/team/shop", AnnotationHost: "*.b.org"})}), Options{})
	for target, want := range map[string]string{
		"/team/shop": "/", "/team/shop/": "/", "/team/shop/a//b%2Fc?q": "/a//b%2Fc?q", "//team/shop/x": "/x", "/team/shops": "none", "/team": "none",
	} {
		r := get(target)
		r.Host = "x.b.org"
		got := "none"
		if route, params := table.Lookup(r); route != nil {
			route.Serve(httptest.NewRecorder(), r, params, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI }))
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
}
