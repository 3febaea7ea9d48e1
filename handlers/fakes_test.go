package handlers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/mux"
	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

// fakeFleet answers with its functions; one that is nil must not be called.
type fakeFleet struct {
	Fleet
	alerts          []string
	create          func(function.Spec) (bool, error)
	update          func(function.Spec) (bool, error)
	delete          func(function.Name) error
	scale           func(function.Name, int) error
	rollback        func(function.Name) error
	status          func(function.Name) (function.Status, error)
	list            func(string) []function.Status
	notes           []function.Note
	watchNotes      func(context.Context, func(function.Note))
	secretChanged   func(ctx context.Context, namespace, name string) error
	deleteNamespace func(string) error
}

func (f *fakeFleet) Create(_ context.Context, spec function.Spec) (bool, error) {
	return f.create(spec)
}

func (f *fakeFleet) Update(_ context.Context, spec function.Spec) (bool, error) {
	return f.update(spec)
}

func (f *fakeFleet) Delete(_ context.Context, name function.Name) error { return f.delete(name) }

func (f *fakeFleet) Alert(_ context.Context, name function.Name, firing bool) error {
	f.alerts = append(f.alerts, fmt.Sprintf("%s %t", name, firing))
	if name.Name == "unknown" {
		return function.UnknownFunction(name)
	}
	return nil
}

func (f *fakeFleet) Scale(_ context.Context, name function.Name, replicas int) error {
	return f.scale(name, replicas)
}

func (f *fakeFleet) Rollback(_ context.Context, name function.Name) error { return f.rollback(name) }

func (f *fakeFleet) Status(name function.Name) (function.Status, error) { return f.status(name) }

func (f *fakeFleet) List(namespace string) []function.Status { return f.list(namespace) }

func (f *fakeFleet) Notes(function.Name) []function.Note { return f.notes }

// WatchNotes hands over the past notes, as its contract says, and then leaves the
// rest to watchNotes.
func (f *fakeFleet) WatchNotes(ctx context.Context, _ function.Name, emit func(function.Note)) {
	for _, note := range f.notes {
		emit(note)
	}
	if f.watchNotes != nil {
		f.watchNotes(ctx, emit)
	}
	<-ctx.Done()
}

func (f *fakeFleet) SecretChanged(ctx context.Context, namespace, name string) error {
	return f.secretChanged(ctx, namespace, name)
}

func (f *fakeFleet) DeleteNamespace(_ context.Context, namespace string) error {
	return f.deleteNamespace(namespace)
}

type fakeSecrets struct {
	names  func(string) []string
	create func(function.Secret) error
	update func(function.Secret) error
	delete func(namespace, name string) error
}

func (f *fakeSecrets) Secrets(namespace string) []string         { return f.names(namespace) }
func (f *fakeSecrets) CreateSecret(s function.Secret) error      { return f.create(s) }
func (f *fakeSecrets) UpdateSecret(s function.Secret) error      { return f.update(s) }
func (f *fakeSecrets) DeleteSecret(namespace, name string) error { return f.delete(namespace, name) }

type fakeNamespaces struct {
	all    []function.Namespace
	get    func(string) (function.Namespace, error)
	create func(function.Namespace) error
	update func(function.Namespace) error
}

func (f *fakeNamespaces) Namespaces() []function.Namespace { return f.all }
func (f *fakeNamespaces) Namespace(name string) (function.Namespace, error) {
	return f.get(name)
}
func (f *fakeNamespaces) CreateNamespace(n function.Namespace) error { return f.create(n) }
func (f *fakeNamespaces) UpdateNamespace(n function.Namespace) error { return f.update(n) }

type fakeEngine struct {
	logs  func(context.Context, function.LogQuery, func(function.LogLine) error) error
	usage func() (function.Usage, error)
	ping  func() error // nil answers
	// silent has it take requests and never answer.
	silent bool
}

func (f *fakeEngine) Logs(ctx context.Context, _ function.Name, q function.LogQuery, emit func(function.LogLine) error) error {
	return f.logs(ctx, q, emit)
}

func (f *fakeEngine) Usage(context.Context, function.Name) (function.Usage, error) {
	return f.usage()
}

func (f *fakeEngine) Ping(ctx context.Context) error {
	if f.silent {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.ping == nil {
		return nil
	}
	return f.ping()
}

// scene is an API over fakes that a test fills in, with its log.
type scene struct {
	API
	fleet      fakeFleet
	secrets    fakeSecrets
	namespaces fakeNamespaces
	engine     fakeEngine
	log        lockedBuffer
}

func newScene() *scene {
	s := &scene{}
	s.API = API{
		Fleet:      &s.fleet,
		Secrets:    &s.secrets,
		Namespaces: &s.namespaces,
		Engine:     &s.engine,
		Health:     &Health{Engine: &s.engine},
		Version:    Version{SHA: "abc123", Release: "1.2.3"},
		Logger:     hclog.New(&hclog.LoggerOptions{Output: &s.log, Level: hclog.Debug, DisableTime: true}),
	}
	return s
}

// routes mounts the operations without what stands before them.
func (s *scene) routes() http.Handler {
	r := mux.NewRouter()
	for _, resource := range s.resources() {
		r.HandleFunc(resource.path, s.serve(resource.operations))
	}
	r.HandleFunc("/healthz", s.adapt(s.health)).Methods("GET", "HEAD")
	return r
}

// call sends one request: "POST /system/functions?namespace=dev".
func (s *scene) call(t *testing.T, request, body string) *httptest.ResponseRecorder {
	t.Helper()
	method, target, _ := strings.Cut(request, " ")
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, reader)
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, r)
	return w
}

// lockedBuffer is a bytes.Buffer that a server may write while a test reads.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
