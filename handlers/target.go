package handlers

import (
	"cmp"
	"net/http"

	"github.com/gorilla/mux"

	"faas-docker/function"
)

// pathName returns what the request's path names, "figlet" or "figlet.dev";
// empty when the route has no name or was given none.
func pathName(r *http.Request) string { return mux.Vars(r)["name"] }

// parameter returns a query parameter; of several, the last one counts, as in
// OpenFaaS's own log handler. A missing one is empty.
func parameter(r *http.Request, key string) string {
	values := r.URL.Query()[key]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// target resolves which function a request is about. Its namespace may stand in
// the name's suffix, in the query and in the body; text is the name, body the
// namespace in the body or empty.
func (a *API) target(r *http.Request, text, body string) (function.Name, error) {
	name := function.ParseName(text, "")
	if name.Name == "" && name.Namespace == "" {
		return function.Name{}, function.Invalid("name", "missing: want the name of a function")
	}
	namespace, err := a.namespaceOf(r, name.Namespace, body)
	if err != nil {
		return function.Name{}, err
	}
	return function.Name{Name: name.Name, Namespace: namespace}, nil
}

// namespaceOf resolves the namespace of a request from a name's suffix, the query
// and the body, any of which may be empty. Two that differ are refused rather
// than one of them being ignored: the wrong function would be deleted.
func (a *API) namespaceOf(r *http.Request, suffix, body string) (string, error) {
	namespace := ""
	for _, given := range []string{suffix, parameter(r, "namespace"), body} {
		switch {
		case given == "" || given == namespace:
		case namespace == "":
			namespace = given
		default:
			return "", function.Invalid("namespace", "both %q and %q are given: name one", namespace, given)
		}
	}
	return cmp.Or(namespace, a.fallback()), nil
}
