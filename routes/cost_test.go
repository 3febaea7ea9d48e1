package routes_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"faas-docker/function"
	"faas-docker/routes"
	"faas-docker/routes/eskip"
	"faas-docker/routes/routestest"
)

// pieces are texts that are awkward to read when they are repeated.
func pieces() []string {
	return append(routestest.Pieces(),
		`a: Path("/x") -> b() -> `, "a: * -> <shunt>;", "* -> <shunt>;", "* && ", `Path("/`, `a("b",`, "a: b;", "a: ;", `a: * -> "function:`, `x: Host(/((a`, "<a>")
}

func TestParse_CostsInProportionToTheText(t *testing.T) {
	for _, piece := range pieces() {
		routestest.Linear(t, fmt.Sprintf("parse %q", piece), routestest.Repeated(piece), func(text string) { eskip.ParseEach(text) })
		routestest.Linear(t, fmt.Sprintf("parse one %q", piece), routestest.Repeated(piece), func(text string) { eskip.ParseOne("a", text, nil) })
	}
	numbered := func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "r%d: Pth(\"/%d\") -> <shunt>\n;", i, i)
		}
		return b.String()
	}
	routestest.Linear(t, "many broken rules", numbered, func(text string) { routes.Check(text, builtin()) })
}

func TestAPIRules_CostsInProportionToTheText(t *testing.T) {
	good := func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "r%d: Path(\"/%d\") -> <shunt>;\n", i, i)
		}
		return b.String()
	}
	put := func(text string) {
		api, err := routes.NewAPIRules(&ruleStore{texts: map[string]string{}}, builtin())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = api.PutText("", text)
	}
	routestest.Linear(t, "good rules", good, put)
	for _, piece := range []string{`{"a":`, "<", "a:", "a: ;", "a: * -> <shunt>;", "`\n"} {
		routestest.Linear(t, fmt.Sprintf("put %q", piece), routestest.Repeated(piece), put)
	}
}

// What is wrong with a text is told in bounded words: they go over the wire and to logs.
func TestParse_ErrorsAreShort(t *testing.T) {
	t.Parallel()
	api, err := routes.NewAPIRules(&ruleStore{texts: map[string]string{}}, builtin())
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1<<18)
	for _, text := range []string{
		long + `: * -> <shunt>`, `a: ` + long + `() -> <shunt>`, `a: Path("` + long + `") -> <shunt>`, `a: Path(/` + long + `/) -> <shunt>`,
		`a: * "` + long + `"`, `a: * -> ` + strings.Repeat("1", 1<<18), `a: * -> "` + long + `"`, `a: * -> "function:` + long + `"`, `a: * -> "http://` + long + `/x"`,
		`a: Host(/[` + long + `/) -> <shunt>`, `a: Method("` + long + `", "b") -> <shunt>`, `a: * -> status("` + long + `") -> <shunt>`, `a: * -> rateLimit(1, "` + long + `") -> <shunt>`,
		`a: ClientIP("` + long + `") -> <shunt>`, `a: * -> jwt("` + long + `", "x") -> <shunt>`, `a: * -> cors("` + long + `") -> <shunt>`, `a: * -> retry("` + long + `") -> <shunt>`,
		`a: * -> setPath("${request.` + long + `}") -> <shunt>`, `a: * -> setRequestHeader("` + long + ` ", "x") -> <shunt>`, `a: * -> tee("` + long + `") -> <shunt>`,
		`a: * -> responseCookie("a", "` + long + `;") -> <shunt>`, `a: * -> basicAuth("` + long + `") -> <shunt>`, `a: * -> redirectTo(308, "https:` + long + `") -> <shunt>`,
		`a: After("` + long + `") -> <shunt>`, `"` + long + `" && "` + long + `"`, `* -> <shunt>; * -> setPath("` + long + `") -> <shunt>`,
		strings.Repeat("a;", 1<<17), strings.Repeat("a: b;", 1<<16), long + long,
	} {
		if _, err := api.PutText("", text); err == nil || len(err.Error()) > 64<<10 {
			length := 0
			if err != nil {
				length = len(err.Error())
			}
			t.Errorf("%.60q: an error of %d bytes", text, length)
		}
	}
}

// What an expression costs with each request is bounded where it is read.
func TestExpression_ThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	for expression, good := range map[string]bool{
		"^/?a{1000}$": true, "(a{10}){10}": true, "^/?(www[.])?example[.]org$": true, strings.Repeat("a|", 500): true, "[": false,
		strings.Repeat("a{1000}", 10): false, "((a{10}){10}){60}": false, strings.Repeat("a", 4096+1): false, "(aa|bb|cc|dd|ee|ff){1000}": false,
		strings.Repeat(`\pL{900}`, 9): false, "(.{500}.{500}){6}": false, "(x{0,1000}){9}": false, "(x{9,}){999}": false,
	} {
		for _, call := range []string{"PathRegexp(`%`)", "Host(`%`)", "HeaderRegexp(`X`, `%`)", "Cookie(`x`, `%`)", "QueryParam(`x`, `%`)", "True() -> modPath(`%`, ``)"} {
			text := "a: " + strings.ReplaceAll(call, "%", expression) + " -> <shunt>"
			if _, problems := routes.Check(text, builtin()); (len(problems) == 0) != good {
				t.Errorf("%.40s…: %v, want it good: %t", text, problems, good)
			}
		}
	}
}

// The loader, the table and the printer see what the parser lets through.
func TestLoader_CostsInProportionToTheRules(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "r%d: Path(\"/:a/%d\") && HostAny(\"h%d.org\") && Method(\"GET\") -> setPath(\"/${a}\") -> <shunt>;\n", i, i%7, i)
		}
		return b.String()
	}
	routestest.Linear(t, "load, swap and print", many, func(text string) {
		var live routes.Live
		table, _ := routes.Build(eskip.ParseEach(text), builtin())
		live.Swap(table)
		again, _ := routes.Build(eskip.ParseEach(text), routes.Options{Filters: builtin().Filters, Previous: table})
		live.Swap(again)
		live.Lookup(httptest.NewRequest("GET", "http://h1.org/a/1", nil))
		eskip.Print(eskip.ParseEach(text)...)
	})
	specs := func(text string) []function.Spec {
		var list []function.Spec
		for i := range len(text) / 100 {
			list = append(list, function.Spec{Name: fmt.Sprintf("f%d", i), Namespace: "n", Annotations: map[string]string{routes.AnnotationHost: fmt.Sprintf("h%d.org,*.h%d.org", i, i), routes.AnnotationPath: "/a"}})
		}
		return list
	}
	routestest.Linear(t, "annotations", routestest.Repeated("a"), func(text string) {
		routes.Build(routes.FromSpecs(specs(text)), builtin())
	})
}

// Rules that compare much with much are judged in bounded time, too.
func TestAPIRules_JudgesLongListsInProportionToTheText(t *testing.T) {
	list := func(n, from int, item string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = fmt.Sprintf(item, from+i)
		}
		return strings.Join(items, ", ")
	}
	// Each list has its own names, and one that all have at its end.
	rule := func(condition, item, common string) func(n int) string {
		return func(n int) string {
			var b strings.Builder
			b.WriteString("a: ")
			for i := 0; b.Len() < n; i++ {
				fmt.Fprintf(&b, "%s(%s, %s) && ", condition, list(200, 1000*i, item), common)
			}
			return b.String() + "True() -> <shunt>"
		}
	}
	for name, text := range map[string]func(int) string{
		"hosts": rule("HostAny", `"h%d.org"`, `"all.org"`), "methods": rule("Methods", `"M%d"`, `"GET"`), "clients": rule("ClientIP", `"2001:db8::%x"`, `"10.0.0.1"`),
		"headers": rule("Header", `"X-%d"`, `"a"`), "queries": rule("QueryParam", `"%d"`, `"a"`),
	} {
		routestest.Linear(t, name, text, func(text string) { routes.Check(text, builtin()) })
	}
	many := func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "h%d.org,", i)
		}
		return b.String() + "x.org"
	}
	routestest.Linear(t, "takeover", many, func(text string) {
		spec := func(name string) function.Spec {
			return function.Spec{Name: name, Namespace: "n", Annotations: map[string]string{routes.AnnotationHost: text, routes.AnnotationPath: "/" + name}}
		}
		_ = routes.CheckSpec(spec("a"), builtin())
		if err := routes.CheckTakeover(spec("a"), []function.Spec{spec("b"), spec("c")}, builtin()); err != nil {
			t.Error(err)
		}
	})
	spec := function.Spec{Name: "f", Namespace: "n", Annotations: map[string]string{}}
	for i := range 100 + 1 {
		spec.Annotations[fmt.Sprintf("%sr%d", routes.AnnotationRoute, i)] = fmt.Sprintf(`Path("/%d")`, i)
	}
	if err := routes.CheckSpec(spec, builtin()); err == nil || !strings.Contains(err.Error(), "more than 100 rules") {
		t.Errorf("many rules: %v", err)
	}
}
