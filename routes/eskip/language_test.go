package eskip

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"faas-docker/function"
)

func TestParse_ReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	rules, err := Parse(`
		// the shop
		shop: Path("/shop/:item") && Method("GET") -> setPath("/${item}") -> "function:shop";
		other.v2-b: * -> <shunt>; // nothing
		url:Any()&&HeaderRegexp("X",/a\/[/]\d/)->status(4.5e2)->status(-.5)->"http://10.0.0.1:80"
		; text: True() -> inlineContent(` + "`a\n\\n\"b\"`" + `, "\d\"\\\n") -> "https://example.org";
		dev: * -> "function:shop.dev"; before: * -> "function:shop.dev@previous"`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Rule{
		{ID: "shop", Predicates: []Call{{Name: "Path", Args: []any{"/shop/:item"}}, {Name: "Method", Args: []any{"GET"}}},
			Filters: []Call{{Name: "setPath", Args: []any{"/${item}"}}}, Backend: Backend{BackendFunction, "shop"}},
		{ID: "other.v2-b"},
		{ID: "url", Predicates: []Call{{Name: "HeaderRegexp", Args: []any{"X", Regexp(`a/[/]\d`)}}},
			Filters: []Call{{Name: "status", Args: []any{450.0}}, {Name: "status", Args: []any{-0.5}}}, Backend: Backend{BackendURL, "http://10.0.0.1:80"}},
		{ID: "text", Predicates: []Call{{Name: "True", Args: nil}},
			Filters: []Call{{Name: "inlineContent", Args: []any{"a\n\\n\"b\"", "\\d\"\\\n"}}}, Backend: Backend{BackendURL, "https://example.org"}},
		{ID: "dev", Backend: Backend{BackendFunction, "shop.dev"}},
		{ID: "before", Backend: Backend{BackendFunction, "shop.dev@previous"}},
	}
	wantRules(t, rules, want)
}

func wantRules(t *testing.T, got, want []Rule) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d rules, want %d: %v", len(got), len(want), got)
	}
	for i := range want {
		if !got[i].Equal(want[i]) {
			t.Errorf("rule %d is\n%s\n%+v\nwant\n%s\n%+v", i, got[i], got[i], want[i], want[i])
		}
	}
}

func TestParse_ARuleAloneNeedsNoName(t *testing.T) {
	t.Parallel()
	rules, err := Parse(`* -> <shunt>`)
	if err != nil || len(rules) != 1 || rules[0].ID != "" {
		t.Errorf("got %v, %v", rules, err)
	}
	if _, err := Parse(`* -> <shunt>; a: * -> <shunt>`); err == nil {
		t.Error("a rule without a name beside another was taken")
	}
	for _, empty := range []string{"", " \n", "// nothing"} {
		if rules, err := Parse(empty); err != nil || len(rules) != 0 {
			t.Errorf("%q is %v, %v", empty, rules, err)
		}
	}
}

func TestParse_ErrorsNameThePlaceAndWhatWasExpected(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{`a: Path("/x") "function:f"`, `line 1, column 15: rule "a": expected "&&" or "->", found the string "function:f"`},
		{"a:\n  Path(/x/ y)", `line 2, column 12: rule "a": expected "," or ")", found y`},
		{`a: Path["/x"]`, `line 1, column 8: rule "a": nothing begins with '['`},
		{`a: Path -> <shunt>`, `line 1, column 9: rule "a": expected "(" behind Path, found "->"`},
		{`a: Path( -> <shunt>`, `line 1, column 10: rule "a": expected a number, a string or a /regular expression/, found "->"`},
		{`a: -> <shunt>`, `line 1, column 4: rule "a": expected a condition such as Path("/shop"), or *, found "->"`},
		{`a: * -> status(1) ;`, `line 1, column 19: rule "a": expected "->" and a filter or a backend, found ";"`},
		{`a: * -> 5`, `line 1, column 9: rule "a": expected a filter, "function:name", "http://host:port" or <shunt>, found 5`},
		{`a: * -> <loopback>`, `line 1, column 9: rule "a": the backend <loopback> is not supported: want "function:name", "http://host:port" or <shunt>`},
		{`a: * -> <roundRobin, "http://a">`, `line 1, column 9: rule "a": the backend <roundRobin, "http://a"> is not supported: want "function:name", "http://host:port" or <shunt>`},
		{`a: * -> "function:shop@old"`, `line 1, column 9: rule "a": backend: "function:shop@old": want "function:shop", or "function:shop@previous" for the revision before`},
		{`a: * -> "shop"`, `line 1, column 9: rule "a": backend: "shop": want "function:name", "http://host:port" or <shunt>`},
		{`a: * -> "http://x/y"`, `line 1, column 9: rule "a": backend: "http://x/y": want scheme, host and port only; setPath and modPath change the path`},
		{`a: * -> "function:Shop"`, `line 1, column 9: rule "a": backend: "function:Shop" is not a function: `},
		{"a: Päth(\"x\")", `line 1, column 5: rule "a": nothing begins with 'ä'`},
		{"é: *", `line 1, column 1: nothing begins with 'é'`},
		{"a: Header(\"äö\", \"x) -> <shunt>", `line 1, column 17: rule "a": the string that begins here is not closed on its line`},
		{"a: Host(/x) -> <shunt>", `line 1, column 9: rule "a": the regular expression that begins here is not closed on its line`},
		{"a: Host(`x) -> <shunt>", `line 1, column 9: rule "a": the string that begins here is never closed`},
		{"a: status(1.2.3)", `line 1, column 11: rule "a": not a number: "1.2.3"`},
		{"a: status(1e999)", `line 1, column 11: rule "a": not a number: "1e999"`},
		{"a: * -> <shunt> <shunt>", `line 1, column 17: rule "a": expected ";" behind the backend, found "<shunt>"`},
	}
	for _, test := range tests {
		rules, err := Parse(test.text)
		var place *SyntaxError
		if err == nil || !errors.As(err, &place) || !errors.Is(err, function.ErrInvalid) || len(rules) != 0 {
			t.Errorf("%s: got %v, %v", test.text, rules, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s:\n got %v\nwant %s", test.text, err, test.want)
		}
	}
}

func TestParse_ABrokenRuleTakesDownNoOther(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{
		`b: Path(;`, `b: Path("/x) -> <shunt>;`, "b: * -> `x;", `b: * -> <shunt>`, `b`, `b: Header("X", /x) -> <shunt>;`, `$$$;`, `b: "a;b" -> x;`,
	} {
		text := "a: * -> <shunt>;\n" + broken + "\nc: True() -> <shunt>; d: False() -> <shunt>"
		rules, err := Parse(text)
		if err == nil || len(rules) != 3 || rules[0].ID != "a" || rules[1].ID != "c" || rules[2].ID != "d" {
			t.Errorf("%s: got %v, %v", broken, rules, err)
		}
	}
}

func TestPrint_IsCanonical(t *testing.T) {
	t.Parallel()
	const text = "a:Path( `/x` )&&Any()&&Host(\"^\\d\\/\", /a\\/b/)->status(1.50)->\"function:f\" ; b : Any()-><shunt>"
	const want = `a: Path("/x") && Host("^\\d\\/", /a\/b/)
  -> status(1.5)
  -> "function:f";

b: *
  -> <shunt>;
`
	rules, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := Print(rules...); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPrint_IsTheInverseOfParse(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 11))
	for range 2000 {
		rules := []Rule{anyRule(random, "a"), anyRule(random, "b-1.c")}
		printed := Print(rules...)
		parsed, err := Parse(printed)
		if err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		wantRules(t, parsed, rules)
		if again := Print(parsed...); again != printed {
			t.Fatalf("printed\n%s\nand then\n%s", printed, again)
		}
	}
}

// anyRule is a rule that parses; it need not make sense.
func anyRule(random *rand.Rand, id string) Rule {
	backends := []Backend{{}, {BackendFunction, "f"}, {BackendFunction, "f.dev"}, {BackendFunction, "f@previous"}, {BackendURL, "http://10.0.0.1:80"}}
	r := Rule{ID: id, Backend: backends[random.IntN(len(backends))]}
	for range random.IntN(4) {
		r.Predicates = append(r.Predicates, anyCall(random, "P"))
	}
	for range random.IntN(4) {
		r.Filters = append(r.Filters, anyCall(random, "f"))
	}
	return r
}

func anyCall(random *rand.Rand, name string) Call {
	c := Call{Name: name + string(rune('a'+random.IntN(26)))}
	for range random.IntN(4) {
		c.Args = append(c.Args, anyArg(random))
	}
	return c
}

func anyArg(random *rand.Rand) any {
	switch random.IntN(4) {
	case 0:
		return (random.Float64() - 0.5) * []float64{1, 1e-9, 1e30}[random.IntN(3)]
	case 1:
		return float64(random.IntN(1000) - 500)
	case 2:
		// A regular expression is what a parse makes of one.
		if t := newLexer("/" + anyText(random) + "/").next(); t.kind == tokenRegexp {
			return Regexp(t.text)
		}
	}
	return anyText(random)
}

func anyText(random *rand.Rand) string {
	alphabet := []string{"a", "/", `\`, `"`, "`", "\n", "\t", "\x00", "\xff", "ä", " ", "[", "]", ";", "//", "->", "$", "\r"}
	var b strings.Builder
	for range random.IntN(8) {
		b.WriteString(alphabet[random.IntN(len(alphabet))])
	}
	return b.String()
}
