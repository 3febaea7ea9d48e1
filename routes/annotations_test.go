package routes_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"faas-docker/function"
	"faas-docker/routes"
	"faas-docker/routes/eskip"
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
		{map[string]string{routes.AnnotationHost: "a.org, B.org"}, `function.shop.dev: HostAny("a.org", "B.org") -> "function:shop.dev";`},
		{map[string]string{routes.AnnotationHost: "a.org,*.b.org"}, `function.shop.dev: Host(/^(a\.org|[^.]+\.b\.org)$/) -> "function:shop.dev";`},
		{map[string]string{routes.AnnotationPath: "/shop/"}, `function.shop.dev: PathSubtree("/shop") -> modPath(/^\/+shop(\/|$)/, "/") -> setRequestHeader("X-Forwarded-Prefix", "/shop") -> "function:shop.dev";`},
		{map[string]string{routes.AnnotationPath: "/", routes.AnnotationHost: "a.org"}, `function.shop.dev: HostAny("a.org") && PathSubtree("/") -> "function:shop.dev";`},
		{map[string]string{routes.AnnotationRoute + "a": `Path("/x")`}, `a: Path("/x") -> "function:shop.dev";`},
		{map[string]string{routes.AnnotationRoute + "a": `* -> status(200);`}, `a: * -> status(200) -> "function:shop.dev";`},
		{map[string]string{routes.AnnotationRoute + "a-b.c": `a-b.c: True() -> "function:other"`}, `a-b.c: True() -> "function:other";`},
		{map[string]string{routes.AnnotationRoute + "b": `* -> <shunt>`, routes.AnnotationRoute + "a": `True()`}, `a: True() -> "function:shop.dev"; b: * -> <shunt>;`},
	}
	for _, test := range tests {
		rules := routes.FromSpecs([]function.Spec{annotated("shop", test.annotations)})
		if got := strings.Join(strings.Fields(eskip.Print(rules...)), " "); got != test.want {
			t.Errorf("%v:\n got %s\nwant %s", test.annotations, got, test.want)
		}
		if _, problems := routes.Build(rules, builtin()); len(problems) > 0 {
			t.Errorf("%v: %v", test.annotations, problems)
		}
	}
}

func TestFromSpecs_TheAnnotationCountsBeforeTheLabel(t *testing.T) {
	t.Parallel()
	for key, texts := range map[string][2]string{
		routes.AnnotationHost: {"a.org", "b.org"}, routes.AnnotationPath: {"/a", "/b"}, routes.AnnotationRoute + "x": {`Path("/a")`, `Path("/b")`},
	} {
		print := func(annotation, label map[string]string) string {
			spec := annotated("shop", annotation)
			spec.Labels = label
			return eskip.Print(routes.FromSpecs([]function.Spec{spec})...)
		}
		first, second := map[string]string{key: texts[0]}, map[string]string{key: texts[1]}
		if got, want := print(first, second), print(first, nil); got != want {
			t.Errorf("%s: got %s from both, want %s", key, got, want)
		}
		if got, want := print(nil, second), print(second, nil); got != want || got == print(first, nil) {
			t.Errorf("%s: got %s from a label, want %s", key, got, want)
		}
	}
	spec := annotated("shop", nil)
	spec.Labels = map[string]string{routes.AnnotationHost: "a.org,"}
	if _, problems := routes.Build(routes.FromSpecs([]function.Spec{spec}), builtin()); len(problems) != 1 || !strings.Contains(problems[0].String(), `labels["com.openfaas.host"]: `) {
		t.Errorf("got %v, want that the label is named", problems)
	}
}

func TestFromSpecs_SaysWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	for key, test := range map[string]struct{ value, want string }{
		routes.AnnotationHost:         {"a.org,", `annotations["com.openfaas.host"]: "" is not a host`},
		routes.AnnotationPath:         {"shop", `annotations["com.openfaas.path"]: "shop": want a path such as /shop`},
		routes.AnnotationPath + "x":   {"", ""},
		routes.AnnotationRoute:        {"*", `annotations["com.openfaas.route."]: "" is not a name`},
		routes.AnnotationRoute + "1":  {"*", `"1" is not a name`},
		routes.AnnotationRoute + "a":  {`Path("/x" -> <shunt>`, `annotations["com.openfaas.route.a"]: line 1, column 11: expected "," or ")", found "->"`},
		routes.AnnotationRoute + "b":  {`* -> <shunt>; c: * -> <shunt>`, `expected one rule and nothing behind it`},
		routes.AnnotationRoute + "c":  {`d: *`, `it is called "d" within and "c" without`},
		routes.AnnotationRoute + "ok": {`Path("/healthz")`, `belong to the provider`},
	} {
		_, problems := routes.Build(routes.FromSpecs([]function.Spec{annotated("shop", map[string]string{key: test.value})}), builtin())
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
	host := map[string]string{routes.AnnotationHost: "a.org"}
	table, problems := routes.Build(routes.FromSpecs([]function.Spec{annotated("b", host), annotated("a", host)}), builtin())
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
	table, _ := routes.Build(routes.FromSpecs([]function.Spec{annotated("shop", map[string]string{routes.AnnotationPath: "/team/shop", routes.AnnotationHost: "*.b.org"})}), builtin())
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
