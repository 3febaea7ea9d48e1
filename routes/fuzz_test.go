package routes_test

import (
	"slices"
	"testing"

	"faas-docker/routes"
	"faas-docker/routes/eskip"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`shop: Path("/shop/:item") && Method("GET") -> setPath("/${item}") -> "function:shop";`,
		`* -> <shunt>`, "a: Host(/^[/]\\//) -> x(1, -2.5e-3, `a\nb`) -> \"http://h\"; // c", `a: Path("/x) -> <shunt>; b: * -> <shunt>`, "a-->b", "<", `"\`, "/[",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, _ := eskip.Parse(text)
		printed := eskip.Print(rules...)
		again, err := eskip.Parse(printed)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, printed, err)
		}
		if !slices.EqualFunc(again, rules, eskip.Rule.Equal) {
			t.Fatalf("%q became %v, want %v", text, again, rules)
		}
		if second := eskip.Print(again...); second != printed {
			t.Fatalf("printed %q and then %q", printed, second)
		}
		_, problems := routes.Build(eskip.ParseEach(text), builtin())
		for _, p := range problems {
			if p.String() == "" {
				t.Errorf("a problem without a word: %+v", p)
			}
		}
	})
}
