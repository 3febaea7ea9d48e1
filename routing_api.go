package main

import (
	"context"
	"time"

	"faas-docker/function"
	"faas-docker/handlers"
	"faas-docker/routes"
)

// apiSource is the name of the source of the rules that came over the API.
const apiSource = "api"

// settleTime bounds how long the API waits until a change of its rules is in force.
const settleTime = 5 * time.Second

// Routes lists all rules for the API: those in force in the order in which they are
// asked, then those kept aside.
func (t *routing) Routes() handlers.RouteList {
	report := t.loader.Report()
	list := handlers.RouteList{Routes: []handlers.Route{}, Sources: []handlers.RouteSource{}}
	for _, route := range report.Table.Routes() {
		list.Routes = append(list.Routes, shown(route.Rule, nil))
	}
	for _, problem := range report.Problems {
		list.Routes = append(list.Routes, shown(problem.Rule, problem.Err))
	}
	for _, s := range report.Sources {
		source := handlers.RouteSource{Name: s.Name, Rules: s.Rules, LoadedAt: s.LoadedAt}
		if s.Err != nil {
			source.Problem = s.Err.Error()
		}
		list.Sources = append(list.Sources, source)
	}
	return list
}

// shown is a rule as the API shows it.
func shown(rule routes.Rule, problem error) handlers.Route {
	route := handlers.Route{ID: rule.ID, Source: rule.Source, Rule: rule.Text}
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
func (t *routing) PutRoutes(ctx context.Context, id, text string) ([]handlers.Route, error) {
	rules, err := t.book.PutText(id, text)
	if err != nil {
		return nil, err
	}
	t.logger.Info("routes put", "count", len(rules), "first", rules[0].ID)
	var put []handlers.Route
	err = t.settle(ctx, func(report routes.Report) bool {
		put = findRules(report, rules)
		return len(put) == len(rules)
	})
	return put, err
}

// findRules looks rules of the API up in a report.
func findRules(report routes.Report, rules []routes.Rule) []handlers.Route {
	states := statesOf(report)
	var found []handlers.Route
	for _, rule := range rules {
		if state, ok := states[rule.ID]; ok && state.Rule == shown(rule, nil).Rule {
			found = append(found, state)
		}
	}
	return found
}

// statesOf tells how the rules of the API are, by their names.
func statesOf(report routes.Report) map[string]handlers.Route {
	states := map[string]handlers.Route{}
	note := func(rule routes.Rule, problem error) {
		if rule.Source == apiSource {
			states[rule.ID] = shown(rule, problem)
		}
	}
	for _, route := range report.Table.Routes() {
		note(route.Rule, nil)
	}
	for _, problem := range report.Problems {
		note(problem.Rule, problem.Err)
	}
	return states
}

// DeleteRoute deletes a rule of the API, and waits until it is no longer in force.
func (t *routing) DeleteRoute(ctx context.Context, id string) error {
	if err := t.book.Delete(id); err != nil {
		return err
	}
	t.logger.Info("route deleted", "route", id)
	return t.settle(ctx, func(report routes.Report) bool {
		_, there := statesOf(report)[id]
		return !there
	})
}

// settle waits until a change that was made shows.
func (t *routing) settle(ctx context.Context, wanted func(routes.Report) bool) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := t.loader.Await(ctx, wanted); err != nil {
		return function.Unavailable(err, "the change is kept, but is not in force yet: look at GET /system/routes")
	}
	return nil
}
