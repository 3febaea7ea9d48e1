package routes

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"faas-docker/function"
	"faas-docker/routes/eskip"
)

// Access is how a function may be called by its name. Its methods are safe for concurrent use.
type Access struct {
	// Closed is set when only functions may.
	Closed bool

	text  string
	route *Route
	err   error
}

// AccessOf reads what a function's annotations say of calls by its name; nil when every client may call
// it. Where the filters are those of previous, the function's last Access or nil, they are taken over
// with the passwords that they know already.
func AccessOf(spec function.Spec, o Options, previous *Access) *Access {
	closed, err := spec.IsClosed()
	text, _ := spec.AuthFilters()
	if !closed && text == "" {
		return nil
	}
	a := &Access{Closed: closed, text: text, err: err}
	if text == "" || err != nil {
		return a
	}
	if previous != nil && previous.err == nil && previous.text == text {
		a.route = previous.route
		return a
	}
	a.route, a.err = authRoute(spec, o)
	return a
}

// Err is why the filters, and so the function by its name, cannot be used. Nil means that they can.
func (a *Access) Err() error { return a.err }

// Serve passes a request on to the backend if it has the credentials that are wanted.
func (a *Access) Serve(w http.ResponseWriter, r *http.Request, backend http.Handler) {
	if a.route == nil {
		backend.ServeHTTP(w, r)
		return
	}
	a.route.Serve(w, r, nil, backend)
}

// authRoute makes a route, which is in no table, of a function's chain of filters.
func authRoute(spec function.Spec, o Options) (*Route, error) {
	text, field := spec.AuthFilters()
	rule := eskip.ParseOne("auth", "* -> "+text, &eskip.Backend{})
	err := rule.Err
	if err == nil && (rule.Backend != eskip.Backend{} || len(rule.Predicates) > 0) {
		err = errors.New("it has conditions or a backend")
	}
	if err == nil {
		err = onlyAuth(rule.Filters)
	}
	if err != nil {
		return nil, function.Invalid(field, "%s: want filters that ask for credentials, such as basicAuth(\"/etc/faas-docker/htpasswd\"): %v", eskip.Quote(text), err)
	}
	r := &Route{Function: spec.ID(), Rule: eskip.Rule{ID: "auth", Filters: rule.Filters, Backend: eskip.FunctionBackend(spec.ID())}}
	if err := newBuilder(o).makeFilters(r); err != nil {
		return nil, function.Invalid(field, "%v", err)
	}
	return r, nil
}

// onlyAuth wants filters that ask for credentials, one at least, and beside them cors for preflights.
func onlyAuth(filters []eskip.Call) error {
	names := []string{"basicAuth", "apiKey", "bearer", "jwt", "cors"}
	for _, call := range filters {
		if !slices.Contains(names, call.Name) {
			return fmt.Errorf("%s is none of %s", call.Name, strings.Join(names, ", "))
		}
	}
	if !slices.ContainsFunc(filters, func(call eskip.Call) bool { return call.Name != "cors" }) {
		return errors.New("none of them asks for credentials")
	}
	return nil
}
