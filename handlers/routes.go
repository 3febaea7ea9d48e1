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
	// Problem is why the rule is kept aside; empty for one that is in force.
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

// RouteTable lists, adds and deletes routing rules: GET and PUT without, PUT and DELETE
// with the name of a rule in the path. The body of a PUT is rules, not JSON.
func (a *API) RouteTable() http.HandlerFunc { return a.adapt(a.routeTable) }

func (a *API) routeTable(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet:
		return a.listRoutes(w, r)
	case http.MethodPut:
		return a.putRoutes(w, r)
	case http.MethodDelete:
		return a.Routes.DeleteRoute(r.Context(), pathName(r))
	}
	return methodNotAllowed(r.Method, http.MethodGet, http.MethodPut, http.MethodDelete)
}

func (a *API) listRoutes(w http.ResponseWriter, r *http.Request) error {
	list, name := a.Routes.Routes(), pathName(r)
	if name == "" {
		return writeJSON(w, http.StatusOK, list)
	}
	for _, route := range list.Routes {
		if route.ID == name {
			return writeJSON(w, http.StatusOK, route)
		}
	}
	return function.NotFound("there is no route %q: GET /system/routes lists all", name)
}

func (a *API) putRoutes(w http.ResponseWriter, r *http.Request) error {
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
