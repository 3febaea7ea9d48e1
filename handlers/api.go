// Package handlers is the system API: it decodes, asks, encodes.
//
// It serves what OpenFaaS's clients and its gateway send under /system/, and
// /healthz. What a request means is decided elsewhere, by the Fleet, the
// Secrets, the Namespaces and the Engine that an API is built from.
package handlers

import (
	"cmp"
	"context"
	"net/http"

	"github.com/gorilla/mux"
	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

// Fleet runs the functions. All methods must be safe for concurrent use.
type Fleet interface {
	Deployer
	Scribe
}

// Deployer changes what runs. All but Create return an ErrNotFound for an unknown function.
type Deployer interface {
	// Create deploys a new function; one that exists is an ErrConflict. ready is false
	// while its image is still being fetched.
	Create(ctx context.Context, spec function.Spec) (ready bool, err error)
	// Update replaces a function, and is like Create in all else.
	Update(ctx context.Context, spec function.Spec) (ready bool, err error)
	// Rollback goes back to the revision before the last update. It returns an
	// ErrConflict when there is nothing to go back to.
	Rollback(ctx context.Context, name function.Name) error
	Delete(ctx context.Context, name function.Name) error
	// Scale sets how many replicas should run.
	Scale(ctx context.Context, name function.Name, replicas int) error
	// Alert scales a function as an alert about its load asks for: up while it
	// fires, back when it is over.
	Alert(ctx context.Context, name function.Name, firing bool) error
}

// Scribe tells how functions are, from memory, and knows what a change of something else
// means for them.
type Scribe interface {
	// Status returns an ErrNotFound for an unknown function.
	Status(name function.Name) (function.Status, error)
	// List is sorted by name; it is empty for an unknown namespace.
	List(namespace string) []function.Status
	// Notes returns what the provider wrote about one function, oldest first.
	Notes(name function.Name) []function.Note
	// WatchNotes calls emit for every note there is, oldest first, and goes on
	// with each new one as it is written; it returns when ctx ends. emit may
	// block, and is never called concurrently with itself.
	WatchNotes(ctx context.Context, name function.Name, emit func(function.Note))
	// SecretChanged hands a secret that was created or updated to the functions that run with it.
	SecretChanged(ctx context.Context, namespace, name string) error
	// DeleteNamespace deletes the functions of a namespace, then the namespace
	// with its secrets. It returns an ErrNotFound for an unknown one.
	DeleteNamespace(ctx context.Context, namespace string) error
}

// Engine answers what only the machine that runs the containers can know. All
// methods must be safe for concurrent use.
type Engine interface {
	// Logs calls emit for each line that q selects; when following, it returns
	// only when ctx ends, emit fails or the engine breaks off.
	Logs(ctx context.Context, name function.Name, q function.LogQuery, emit func(function.LogLine) error) error
	// Usage measures what the replicas of a function consume now.
	Usage(ctx context.Context, name function.Name) (function.Usage, error)
	// Ping returns an ErrUnavailable when the engine does not answer.
	Ping(ctx context.Context) error
}

// API is the system API. Fleet, Secrets, Namespaces, Engine and Health are required. Its
// fields must not change once it is mounted; its handlers are safe for concurrent use.
type API struct {
	Fleet      Fleet
	Secrets    Secrets
	Namespaces Namespaces
	Engine     Engine
	Health     *Health
	// Routes is the route table.
	Routes Routes
	// Stack is the provider's stack file; nil means that it has none.
	Stack Stack
	// DefaultNamespace is meant when a request names none; empty means function.DefaultNamespace.
	DefaultNamespace string
	// Version is what /system/info reports.
	Version Version
	// Behind chooses the shape of /system/info, which an OpenFaaS gateway wants
	// different from what faas-cli wants. Empty means BehindAuto.
	Behind Behind
	// Logger receives one line for each failed request. Nil discards them.
	Logger hclog.Logger

	patience logPatience
}

// operation is what one method does at a path. It either answers and returns nil, or
// returns an error and has written nothing.
type operation struct {
	method string
	do     func(http.ResponseWriter, *http.Request) error
}

// resource is a path of the system API, and what can be done there.
type resource struct {
	path       string
	operations []operation
}

// named is what a path names at its end, by faas-provider's pattern of a function's name.
const named = "{name:[-a-zA-Z_0-9.]+}"

// resources are the whole of the system API, as faas-provider lays it out, and what is
// ours: rollback, routes, stack, and the gateway's alert.
func (a *API) resources() []resource {
	const get, post, put, remove = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	functions, secrets, namespaces, table := functionsAPI{a}, secretsAPI{a}, namespacesAPI{a}, routesAPI{a}
	return []resource{
		{"/system/functions", []operation{{get, functions.list}, {post, functions.deploy}, {put, functions.deploy}, {remove, functions.remove}}},
		{"/system/function/" + named, []operation{{get, functions.status}}},
		{"/system/scale-function/" + named, []operation{{post, functions.scale}}},
		{"/system/rollback/" + named, []operation{{post, functions.rollback}}},
		{"/system/alert", []operation{{post, functions.alert}}},
		{"/system/info", []operation{{get, a.info}}},
		{"/system/secrets", []operation{{get, secrets.list}, {post, secrets.store}, {put, secrets.store}, {remove, secrets.remove}}},
		{"/system/logs", []operation{{get, logsAPI{a}.answer}}},
		{"/system/namespaces", []operation{{get, namespaces.list}}},
		{"/system/namespace/{name:[-a-zA-Z_0-9.]*}", []operation{{get, namespaces.get}, {post, namespaces.store}, {put, namespaces.store}, {remove, namespaces.remove}}},
		{"/system/routes", []operation{{get, table.list}, {put, table.put}}},
		{"/system/routes/" + named, []operation{{get, table.get}, {put, table.put}, {remove, table.remove}}},
		{"/system/stack", []operation{{get, a.answerStack}, {post, a.answerStack}}},
	}
}

// serve is the handler of a resource.
func (a *API) serve(operations []operation) http.HandlerFunc {
	return a.adapt(func(w http.ResponseWriter, r *http.Request) error {
		var methods []string
		for _, o := range operations {
			if o.method == r.Method {
				return o.do(w, r)
			}
			methods = append(methods, o.method)
		}
		return methodNotAllowed(r.Method, methods)
	})
}

// fallback is the namespace that is meant when a request names none.
func (a *API) fallback() string { return cmp.Or(a.DefaultNamespace, function.DefaultNamespace) }

func (a *API) logger() hclog.Logger {
	if a.Logger == nil {
		return hclog.NewNullLogger()
	}
	return a.Logger
}

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
	if name.IsZero() {
		return function.Name{}, function.Invalid("name", "missing: want the name of a function")
	}
	namespace, err := a.namespaceOf(r, name.Namespace, body)
	return function.Name{Name: name.Name, Namespace: namespace}, err
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
