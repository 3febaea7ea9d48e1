// Package handlers is the system API: it decodes, asks, encodes.
//
// It serves what OpenFaaS's clients and its gateway send under /system/, and
// /healthz. What a request means is decided elsewhere, by the Fleet, the
// Secrets, the Namespaces and the Engine that an API is built from.
package handlers

import (
	"context"

	"github.com/hashicorp/go-hclog"
	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

// Fleet runs the functions. All methods must be safe for concurrent use.
type Fleet interface {
	// Create deploys a new function. ready is false while its image is still
	// being fetched. It returns an ErrConflict when the function exists.
	Create(ctx context.Context, spec function.Spec) (ready bool, err error)
	// Update replaces a function that exists. ready is false while the image is
	// still being fetched. It returns an ErrNotFound for a new one.
	Update(ctx context.Context, spec function.Spec) (ready bool, err error)
	// Delete removes a function. It returns an ErrNotFound for an unknown one.
	Delete(ctx context.Context, name function.Name) error
	// Scale sets how many replicas should run. It returns an ErrNotFound for an
	// unknown function.
	Scale(ctx context.Context, name function.Name, replicas int) error
	// Alert scales a function as an alert about its load asks for: up while it
	// fires, back when it is over. It returns an ErrNotFound for an unknown one.
	Alert(ctx context.Context, name function.Name, firing bool) error
	// Rollback goes back to the revision before the last update. It returns an
	// ErrNotFound for an unknown function, and an ErrConflict when there is nothing to
	// go back to.
	Rollback(ctx context.Context, name function.Name) error
	// Status answers from memory. It returns an ErrNotFound for an unknown
	// function.
	Status(name function.Name) (function.Status, error)
	// List answers from memory, sorted by name; it is empty for a namespace that
	// nobody has heard of.
	List(namespace string) []function.Status
	// Notes returns what the provider wrote about a function, oldest first.
	Notes(name function.Name) []function.Note
	// WatchNotes calls emit for every note there is, oldest first, and goes on
	// with each new one as it is written; it returns when ctx ends. emit may
	// block, and is never called concurrently with itself.
	WatchNotes(ctx context.Context, name function.Name, emit func(function.Note))
	// SecretChanged hands a secret that was created or updated to the functions
	// that run with it.
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

// API is the system API. Fleet, Secrets, Namespaces and Engine are required. Its
// fields must not change once Handlers has been called; the handlers are safe
// for concurrent use.
type API struct {
	Fleet      Fleet
	Secrets    Secrets
	Namespaces Namespaces
	Engine     Engine
	// Routes is the route table; nil only where RouteTable is not used.
	Routes Routes
	// DefaultNamespace is meant when a request names none. Empty means
	// function.DefaultNamespace.
	DefaultNamespace string
	// Version is what /system/info reports.
	Version Version
	// Behind chooses the shape of /system/info, which an OpenFaaS gateway wants
	// different from what faas-cli wants. Empty means BehindAuto.
	Behind Behind
	// Logger receives one line for each failed request. Nil discards them.
	Logger hclog.Logger
}

// Handlers returns a handler for each operation of the system API. FunctionProxy
// and Telemetry stay nil. Routes that name something in their path must carry it
// in the gorilla/mux variable "name".
func (a *API) Handlers() types.FaaSHandlers {
	return types.FaaSHandlers{
		FunctionLister:  a.adapt(a.list),
		DeployFunction:  a.adapt(a.deploy),
		UpdateFunction:  a.adapt(a.update),
		DeleteFunction:  a.adapt(a.remove),
		FunctionStatus:  a.adapt(a.status),
		ScaleFunction:   a.adapt(a.scale),
		Secrets:         a.adapt(a.secrets),
		Logs:            a.adapt(a.logs),
		ListNamespaces:  a.adapt(a.listNamespaces),
		MutateNamespace: a.adapt(a.namespace),
		Info:            a.adapt(a.info),
		Health:          a.adapt(a.health),
	}
}

func (a *API) defaultNamespace() string {
	if a.DefaultNamespace == "" {
		return function.DefaultNamespace
	}
	return a.DefaultNamespace
}

func (a *API) logger() hclog.Logger {
	if a.Logger == nil {
		return hclog.NewNullLogger()
	}
	return a.Logger
}
