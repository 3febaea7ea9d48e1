package routes_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"faas-docker/routes"
	"faas-docker/routes/filters"
)

// memory is a source whose rules are set by hand. In skipper's words it is a data client.
type memory struct {
	rules   []routes.Rule
	changed chan struct{}
}

func (m *memory) Name() string                                   { return "memory" }
func (m *memory) LoadAll(context.Context) ([]routes.Rule, error) { return m.rules, nil }
func (m *memory) Changed() <-chan struct{}                       { return m.changed }

// A router follows its sources while it runs, and matches requests meanwhile.
func Example() {
	// create a data client with a predefined route:
	rules, err := routes.Parse(`
		Path("/some/path/to/:id") -> requestHeader("X-From", "skipper") -> "https://www.example.org"`)
	if err != nil {
		log.Fatal(err)
	}
	source := &memory{rules: rules, changed: make(chan struct{}, 1)}

	// create a router:
	var live routes.Live
	loader := &routes.Loader{
		Live:    &live,
		Sources: []routes.Source{source},
		Options: routes.Options{IgnoreTrailingSlash: true, Filters: filters.All(filters.Options{})},
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- loader.Run(running) }()

	// let the route data get propagated in the background:
	if err := loader.Await(running, routes.Report.IsLoaded); err != nil {
		log.Fatal(err)
	}

	// create a request:
	request, err := http.NewRequest("GET", "https://www.example.com/some/path/to/Hello,+world!", nil)
	if err != nil {
		log.Fatal(err)
	}
	// match the request with the router:
	route, params := live.Lookup(request)
	if route == nil {
		log.Fatal("failed to route")
	}
	// verify the matched route and the path params:
	fmt.Println(route.URL)
	fmt.Println(params.Get("id"))

	stop()
	<-ended
	// Output:
	// https://www.example.org
	// Hello, world!
}

// Requests see the new rules as soon as a source has changed, and never half of them.
func ExampleLoader() {
	parse := func(text string) []routes.Rule {
		rules, err := routes.Parse(text)
		if err != nil {
			log.Fatal(err)
		}
		return rules
	}
	source := &memory{rules: parse(`shop: Path("/shop") -> "function:red"`), changed: make(chan struct{}, 1)}
	var live routes.Live
	loader := &routes.Loader{Live: &live, Sources: []routes.Source{source}}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- loader.Run(running) }()
	if err := loader.Await(running, routes.Report.IsLoaded); err != nil {
		log.Fatal(err)
	}

	request, err := http.NewRequest("GET", "http://example.com/shop", nil)
	if err != nil {
		log.Fatal(err)
	}
	before, _ := live.Lookup(request)
	fmt.Println(before.Function.Name)

	source.rules = parse(`shop: Path("/shop") -> "function:blue"`)
	source.changed <- struct{}{}
	err = loader.Await(running, func(report routes.Report) bool { return report.Table != nil && report.Table.Routes()[0] != before })
	after, _ := live.Lookup(request)
	fmt.Println(after.Function.Name, err)

	stop()
	<-ended
	// Output:
	// red
	// blue <nil>
}
