package routes_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"faas-docker/routes"
	"faas-docker/routes/filters"
)

// weekend is a condition of one's own: Weekend() and nothing between the brackets.
type weekend struct{}

func (weekend) Name() string { return "Weekend" }

func (weekend) Create(args []any) (routes.Predicate, error) {
	if len(args) > 0 {
		return nil, fmt.Errorf("want Weekend()")
	}
	return routes.PredicateFunc(func(r *http.Request) bool {
		day, err := time.Parse(time.DateOnly, r.Header.Get("X-Day"))
		return err == nil && (day.Weekday() == time.Saturday || day.Weekday() == time.Sunday)
	}), nil
}

// maintenance is a filter of one's own, which answers by itself: maintenance("text").
type maintenance struct {
	routes.RequestOnly
	text string
}

func (maintenance) Name() string { return "maintenance" }

func (maintenance) Create(args []any) (routes.Filter, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf(`want maintenance("text")`)
	}
	return maintenance{text: fmt.Sprint(args[0])}, nil
}

func (m maintenance) Request(c *routes.Context) {
	c.Serve(&routes.Response{Status: http.StatusServiceUnavailable, Body: strings.NewReader(m.text)})
}

// Conditions and filters of one's own stand beside the built-in ones.
func ExampleBuild() {
	rules, err := routes.Parse(`
		shop: Path("/shop")              -> "function:shop";
		rest: Path("/shop") && Weekend() -> maintenance("back on Monday") -> "function:shop"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	table, problems := routes.Build(rules, routes.Options{
		Predicates: []routes.PredicateSpec{weekend{}},
		Filters:    []routes.FilterSpec{maintenance{}},
	})
	fmt.Println(len(problems), "problems")
	var live routes.Live
	live.Swap(table)

	shop := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "shop") })
	for _, day := range []string{"2026-11-20", "2026-11-21"} {
		r := httptest.NewRequest("GET", "/shop", nil)
		r.Header.Set("X-Day", day)
		w := httptest.NewRecorder()
		if lease, found := live.Acquire(r); found {
			lease.Route.Serve(w, r, lease.Params, shop)
			lease.Release()
		}
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 0 problems
	// 200 shop
	// 503 back on Monday
}

// A broken rule is rejected, with its place, and takes down no other.
func ExampleCheck() {
	_, problems := routes.Check("shop: Path(\"/shop\") -> \"function:shop\";\ncart: Path(\"/cart\") -> setpath(\"/\") -> \"function:cart\"", routes.Options{Filters: filters.All(filters.Options{})})
	for _, problem := range problems {
		fmt.Println(problem)
	}
	// Output:
	// line 2, column 24: rule "cart": setpath("/"): there is no filter "setpath": did you mean "setPath"
}
