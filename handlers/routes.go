package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/routes"
)

// Routes are the rules of the live route table. All methods must be safe for
// concurrent use.
type Routes interface {
	// Routes tells of all rules, of all sources.
	Routes() RouteList
	// PutRoutes adds the rules of a text, all or none: one that is called id, or any
	// number that have names if id is empty. It returns them as they are in force now,
	// or an ErrInvalid that says where the text is wrong.
	PutRoutes(ctx context.Context, id, text string) ([]Route, error)
	// DeleteRoute returns an ErrNotFound for a rule that did not come from PutRoutes.
	DeleteRoute(ctx context.Context, id string) error
}

// RouteList is the route table as it is shown.
type RouteList struct {
	Routes  []Route       `json:"routes"`
	Sources []RouteSource `json:"sources"`
}

// Route is one rule.
type Route struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	// Rule is the text of the rule without its name.
	Rule string `json:"rule"`
	// Problem is why the rule was rejected; empty for one that is in force.
	Problem string `json:"problem,omitempty"`
}

// RouteSource is a place that rules come from.
type RouteSource struct {
	Name string `json:"name"`
	// Rules is how many it gave last, good and bad.
	Rules int `json:"rules"`
	// LoadedAt is when that was; zero means never.
	LoadedAt time.Time `json:"loadedAt"`
	// Problem is why it cannot be read now; empty if it can.
	Problem string `json:"problem,omitempty"`
}

// routesAPI are the operations on routing rules.
type routesAPI struct{ *API }

func (a routesAPI) list(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, a.Routes.Routes())
}

func (a routesAPI) get(w http.ResponseWriter, r *http.Request) error {
	name := pathName(r)
	for _, route := range a.Routes.Routes().Routes {
		if route.ID == name {
			return writeJSON(w, http.StatusOK, route)
		}
	}
	return function.NotFound("there is no route %q: GET /system/routes lists all", name)
}

func (a routesAPI) remove(_ http.ResponseWriter, r *http.Request) error {
	return a.Routes.DeleteRoute(r.Context(), pathName(r))
}

// put adds rules. Its body is their text, not JSON.
func (a routesAPI) put(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r, maxBody)
	if err != nil {
		return err
	}
	put, err := a.Routes.PutRoutes(r.Context(), pathName(r), string(body))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, put)
}

// settleTime bounds how long the API waits until a change of its rules is in force.
const settleTime = 5 * time.Second

// RouteTable is the Routes of a mounted route table. Its fields must not change; its methods
// are safe for concurrent use.
type RouteTable struct {
	Loader *routes.Loader
	API    *routes.APIRules
	Logger hclog.Logger
}

// Routes lists all rules for the API: those in force in the order in which they are
// asked, then those rejected.
func (b RouteTable) Routes() RouteList {
	report := b.Loader.Report()
	list := RouteList{Routes: routesIn(report), Sources: []RouteSource{}}
	for _, s := range report.Sources {
		source := RouteSource{Name: s.Name, Rules: s.Rules, LoadedAt: s.LoadedAt}
		if s.Err != nil {
			source.Problem = s.Err.Error()
		}
		list.Sources = append(list.Sources, source)
	}
	return list
}

func routesIn(report routes.Report) []Route {
	all := []Route{} // never null: clients range over it
	for _, route := range report.Table.Routes() {
		all = append(all, shown(route.Rule, nil))
	}
	for _, problem := range report.Problems {
		all = append(all, shown(problem.Rule, problem.Err))
	}
	return all
}

// shown is a rule as the API shows it.
func shown(rule routes.Rule, problem error) Route {
	route := Route{ID: rule.ID, Source: rule.Source, Rule: rule.Text}
	if rule.Err == nil {
		rule.ID = ""
		route.Rule = rule.String()
	}
	if problem != nil {
		route.Problem = problem.Error()
	}
	return route
}

// PutRoutes adds rules over the API, and waits until they are in force.
func (b RouteTable) PutRoutes(ctx context.Context, id, text string) ([]Route, error) {
	rules, err := b.API.PutText(id, text)
	if err != nil {
		return nil, err
	}
	b.Logger.Info("routes stored", "count", len(rules), "first", rules[0].ID)
	var put []Route
	err = b.settle(ctx, func(report routes.Report) bool {
		put = findRules(report, rules)
		return len(put) == len(rules)
	})
	return put, err
}

// findRules looks rules of the API up in a report.
func findRules(report routes.Report, rules []routes.Rule) []Route {
	states := statesOf(report)
	var found []Route
	for _, rule := range rules {
		if state, ok := states[rule.ID]; ok && state.Rule == shown(rule, nil).Rule {
			found = append(found, state)
		}
	}
	return found
}

// statesOf tells how the rules of the API are, by their names.
func statesOf(report routes.Report) map[string]Route {
	states := map[string]Route{}
	for _, route := range routesIn(report) {
		if route.Source == routes.APISource {
			states[route.ID] = route
		}
	}
	return states
}

// DeleteRoute deletes a rule of the API, and waits until it is no longer in force.
func (b RouteTable) DeleteRoute(ctx context.Context, id string) error {
	if err := b.API.Delete(id); err != nil {
		return err
	}
	b.Logger.Info("route deleted", "route", id)
	return b.settle(ctx, func(report routes.Report) bool {
		_, there := statesOf(report)[id]
		return !there
	})
}

// settle waits until a change that was made shows.
func (b RouteTable) settle(ctx context.Context, wanted func(routes.Report) bool) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := b.Loader.Await(ctx, wanted); err != nil {
		return function.Unavailable(err, "the change is stored, but not in force yet: look at GET /system/routes")
	}
	return nil
}
