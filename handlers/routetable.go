package handlers

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/routes"
)

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
