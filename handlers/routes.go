package handlers

import (
	"context"
	"net/http"
	"time"

	"faas-docker/function"
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
