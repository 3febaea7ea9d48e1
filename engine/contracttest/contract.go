// Package contracttest has what the fleet and the resolver rely on in an engine, as tests that
// run against Docker and against the engine in memory that the fleet's tests use. It speaks of
// package function only, so that either side can import it.
package contracttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

// Engine has the methods of fleet.Engine and resolver.Engine that replicas depend on.
type Engine interface {
	Check(ctx context.Context, spec function.Spec) error
	Image(ctx context.Context, f function.Function) (function.Image, error)
	Start(ctx context.Context, f function.Function) (function.Replica, error)
	Stop(ctx context.Context, id string, grace time.Duration) error
	Remove(ctx context.Context, id string) error
	Pause(ctx context.Context, id string) error
	Unpause(ctx context.Context, id string) error
	Leave(ctx context.Context, replica function.Replica, left bool) error
	Memory(ctx context.Context, id string) (int64, error)
	Restore(ctx context.Context, id string, spec function.Spec) error
	Usage(ctx context.Context, name function.Name) (function.Usage, error)
	PostMortem(ctx context.Context, id string) (function.PostMortem, error)
	PutSecrets(ctx context.Context, f function.Function, values map[string][]byte) error
	SecretsOf(ctx context.Context, id string) (map[string][]byte, error)
	RemoveSecrets(ctx context.Context, name function.Name, keep map[uint64]bool) error
	SecretOwners(ctx context.Context) ([]function.Name, error)
	Functions(ctx context.Context) ([]function.Function, error)
	Events(ctx context.Context, subscribed func(), changed func(function.Event)) error
	Replicas(ctx context.Context, name function.Name) ([]function.Replica, error)
}

// Subject is an engine without replicas that is held to the contract.
type Subject struct {
	Engine
	// Function is the first revision of a function, which reads secrets. Its image is on the
	// engine.
	Function func(name string, secrets ...string) function.Function
	// Die has a replica end by itself, with ExitCode.
	Die      func(t *testing.T, replica function.Replica)
	ExitCode int
	// GoneImage is the ID of an image that was on the engine.
	GoneImage string
}

// missing is the ID of no replica.
const missing = "missing"

// soon is when what is under way must have happened, on a busy machine too.
const soon = 20 * time.Second

// Properties returns the contract, one test a property, by name.
func Properties() map[string]func(*testing.T, Subject) {
	return map[string]func(*testing.T, Subject){
		"a start returns what is listed":           startReturnsWhatIsListed,
		"lists are the newest first":               listsAreNewestFirst,
		"a start in vain leaves nothing":           startInVainLeavesNothing,
		"what is gone can be stopped":              whatIsGoneCanBeStopped,
		"pause and unpause":                        pauseAndUnpause,
		"events tell each change":                  eventsTellEachChange,
		"a death is told before it is listed":      deathIsTold,
		"events end with their context":            eventsEndWithTheirContext,
		"post mortem":                              postMortem,
		"usage and memory":                         usageAndMemory,
		"secrets are put, read and replaced":       secretsArePutReadAndReplaced,
		"secrets in use are not removed":           secretsInUseAreNotRemoved,
		"images":                                   images,
		"checks":                                   checks,
		"what a rollback leaves is marked":         leftReplicasAreMarked,
		"functions are read back":                  functionsAreReadBack,
		"a context that has ended changes nothing": endedContextChangesNothing,
	}
}

func startReturnsWhatIsListed(t *testing.T, s Subject) {
	f := s.Function("figlet")
	started, other := s.start(t, f), s.start(t, s.Function("other"))
	if !strings.HasPrefix(started.Instance, f.ID().String()+".") || started.Function != f.ID() || started.Revision != f.Revision {
		t.Errorf("started %+v", started)
	}
	if started.State != function.Running || !started.Address.IsValid() || started.Left {
		t.Errorf("started %+v, want one that runs at an address", started)
	}
	if started.CreatedAt != started.CreatedAt.Truncate(time.Second) {
		t.Errorf("created at %s, want whole seconds", started.CreatedAt)
	}
	if started.Address == other.Address || started.ID == other.ID || started.Instance == other.Instance {
		t.Errorf("%+v and %+v are not told apart", started, other)
	}
	listed := s.only(t, f.ID())
	if !listed.CreatedAt.Equal(started.CreatedAt) {
		t.Errorf("listed as of %s, started at %s", listed.CreatedAt, started.CreatedAt)
	}
	if listed.CreatedAt = started.CreatedAt; listed != started {
		t.Errorf("listed %+v, started %+v", listed, started)
	}
	if all := s.list(t, function.Name{}); len(all) != 2 {
		t.Errorf("of all functions %d replicas are listed, want 2", len(all))
	}
	if none := s.list(t, function.Name{Name: "none", Namespace: f.Namespace}); len(none) != 0 {
		t.Errorf("of a function without replicas %+v are listed", none)
	}
}

func listsAreNewestFirst(t *testing.T, s Subject) {
	f := s.Function("figlet")
	var want []string
	for range 3 {
		want = append(want, s.start(t, f).ID)
	}
	slices.Reverse(want)
	var got []string
	for _, replica := range s.list(t, f.ID()) {
		got = append(got, replica.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
}

func startInVainLeavesNothing(t *testing.T, s Subject) {
	gone := s.Function("gone")
	gone.ImageID = s.GoneImage
	_, err := s.Start(t.Context(), gone)
	wantKind(t, "start of an image that is gone", err, function.ErrNotFound)
	_, err = s.Start(t.Context(), s.Function("blind", "token"))
	wantKind(t, "start without the secrets", err, function.ErrUnavailable)
	if left := s.list(t, function.Name{}); len(left) != 0 {
		t.Errorf("%+v are left", left)
	}
}

func whatIsGoneCanBeStopped(t *testing.T, s Subject) {
	replica := s.start(t, s.Function("figlet"))
	for range 2 {
		want(t, "stop", s.Stop(t.Context(), replica.ID, 0))
		want(t, "remove", s.Remove(t.Context(), replica.ID))
		if left := s.list(t, replica.Function); len(left) != 0 {
			t.Errorf("%+v are left", left)
		}
	}
	frozen := s.start(t, s.Function("figlet"))
	want(t, "pause", s.Pause(t.Context(), frozen.ID))
	want(t, "remove a frozen one", s.Remove(t.Context(), frozen.ID))
	wantKind(t, "restore", s.Restore(t.Context(), frozen.ID, function.Spec{}), function.ErrNotFound)
	if left := s.list(t, frozen.Function); len(left) != 0 {
		t.Errorf("%+v are left", left)
	}
}

func pauseAndUnpause(t *testing.T, s Subject) {
	replica := s.start(t, s.Function("figlet"))
	wantKind(t, "unpause one that runs", s.Unpause(t.Context(), replica.ID), function.ErrConflict)
	want(t, "pause", s.Pause(t.Context(), replica.ID))
	if frozen := s.only(t, replica.Function); frozen.State != function.Paused || frozen.Address != replica.Address {
		t.Errorf("listed %+v, want it paused at %s", frozen, replica.Address)
	}
	wantKind(t, "pause it again", s.Pause(t.Context(), replica.ID), function.ErrConflict)
	want(t, "unpause", s.Unpause(t.Context(), replica.ID))
	if thawed := s.only(t, replica.Function); thawed.State != function.Running {
		t.Errorf("listed %+v, want it running", thawed)
	}
	s.Die(t, replica)
	wantKind(t, "pause a dead one", s.Pause(t.Context(), replica.ID), function.ErrConflict)
	wantKind(t, "unpause a dead one", s.Unpause(t.Context(), replica.ID), function.ErrConflict)
	wantKind(t, "pause one that is not there", s.Pause(t.Context(), missing), function.ErrNotFound)
	wantKind(t, "unpause one that is not there", s.Unpause(t.Context(), missing), function.ErrNotFound)
}

func eventsTellEachChange(t *testing.T, s Subject) {
	events := s.watch(t)
	var replica function.Replica
	for _, act := range []struct {
		name string
		do   func() error
	}{
		{"start", func() (err error) { replica, err = s.Start(t.Context(), s.Function("figlet")); return err }},
		{"pause", func() error { return s.Pause(t.Context(), replica.ID) }},
		{"unpause", func() error { return s.Unpause(t.Context(), replica.ID) }},
	} {
		want(t, act.name, act.do())
		if event := next(t, events, act.name); event != (function.Event{Function: replica.Function}) {
			t.Errorf("%s: told %+v", act.name, event)
		}
	}
	want(t, "stop", s.Stop(t.Context(), replica.ID, 0))
	died := 0
	for range 3 { // that it has died, the end, and the removal, of which the engine may tell first
		switch event := next(t, events, "stop"); event {
		case function.Event{Function: replica.Function, Died: replica.ID}:
			died++
		case function.Event{Function: replica.Function}:
		default:
			t.Errorf("stop: told %+v", event)
		}
	}
	if died != 1 {
		t.Errorf("stop: told %d times that it has died", died)
	}
}

func deathIsTold(t *testing.T, s Subject) {
	for _, frozen := range []bool{false, true} {
		replica := s.start(t, s.Function("figlet"))
		if frozen {
			want(t, "pause", s.Pause(t.Context(), replica.ID))
		}
		events := s.watch(t)
		if frozen {
			want(t, "remove", s.Remove(t.Context(), replica.ID))
		} else {
			s.Die(t, replica)
		}
		if event := next(t, events, "a death"); event != (function.Event{Function: replica.Function, Died: replica.ID}) {
			t.Errorf("told %+v, want that %s has died", event, replica.ID)
		}
		next(t, events, "that a list shows it")
		if !frozen {
			if dead := s.only(t, replica.Function); dead.State != function.Exited || dead.Address.IsValid() {
				t.Errorf("listed %+v, want it without an address", dead)
			}
			want(t, "remove", s.Remove(t.Context(), replica.ID))
		}
	}
}

func eventsEndWithTheirContext(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Events(ctx, cancel, func(function.Event) {})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func postMortem(t *testing.T, s Subject) {
	replica := s.start(t, s.Function("figlet"))
	if report, err := s.PostMortem(t.Context(), replica.ID); err != nil || report.ExitCode != 0 {
		t.Errorf("of one that runs: %+v, %v", report, err)
	}
	s.Die(t, replica)
	if report, err := s.PostMortem(t.Context(), replica.ID); err != nil || report.ExitCode != s.ExitCode {
		t.Errorf("%+v, %v, want exit code %d", report, err, s.ExitCode)
	}
	want(t, "remove", s.Remove(t.Context(), replica.ID))
	_, err := s.PostMortem(t.Context(), replica.ID)
	wantKind(t, "of one that is removed", err, function.ErrNotFound)
}

func usageAndMemory(t *testing.T, s Subject) {
	f := s.Function("figlet")
	if usage, err := s.Usage(t.Context(), f.ID()); err != nil || usage != (function.Usage{}) {
		t.Errorf("without replicas: %+v, %v", usage, err)
	}
	replica := s.start(t, f)
	if usage, err := s.Usage(t.Context(), f.ID()); err != nil || usage.MemoryBytes <= 0 {
		t.Errorf("with one: %+v, %v", usage, err)
	}
	if memory, err := s.Memory(t.Context(), replica.ID); err != nil || memory <= 0 {
		t.Errorf("it has %d bytes, %v", memory, err)
	}
	s.Die(t, replica)
	if usage, err := s.Usage(t.Context(), f.ID()); err != nil || usage != (function.Usage{}) {
		t.Errorf("with a dead one: %+v, %v", usage, err)
	}
	if memory, err := s.Memory(t.Context(), missing); err != nil || memory != 0 {
		t.Errorf("one that is not there has %d bytes, %v", memory, err)
	}
}

func secretsArePutReadAndReplaced(t *testing.T, s Subject) {
	plain := s.start(t, s.Function("plain"))
	if got, err := s.SecretsOf(t.Context(), plain.ID); err != nil || got == nil || len(got) != 0 {
		t.Errorf("of one without secrets: %v, %v", got, err)
	}
	f := s.Function("figlet", "token")
	want(t, "put", s.PutSecrets(t.Context(), f, map[string][]byte{"token": []byte("one")}))
	replica := s.start(t, f)
	for _, value := range []string{"one", "two", "three"} {
		want(t, "put", s.PutSecrets(t.Context(), f, map[string][]byte{"token": []byte(value)}))
		if got, err := s.SecretsOf(t.Context(), replica.ID); err != nil || len(got) != 1 || string(got["token"]) != value {
			t.Errorf("read %q, %v, want %q", got, err, value)
		}
	}
	_, err := s.SecretsOf(t.Context(), missing)
	wantKind(t, "of one that is not there", err, function.ErrNotFound)
}

func secretsInUseAreNotRemoved(t *testing.T, s Subject) {
	one, two, three := s.Function("figlet", "token"), s.Function("figlet", "token"), s.Function("figlet", "token")
	two.Revision, three.Revision = 2, 3
	other := s.Function("other", "token")
	for _, f := range []function.Function{one, two, three, other} {
		want(t, "put", s.PutSecrets(t.Context(), f, map[string][]byte{"token": []byte("x")}))
	}
	replica := s.start(t, one)
	want(t, "remove the secrets", s.RemoveSecrets(t.Context(), one.ID(), map[uint64]bool{2: true}))
	for _, f := range []function.Function{one, two} {
		s.start(t, f) // they are there
	}
	_, err := s.Start(t.Context(), three)
	wantKind(t, "start without the secrets", err, function.ErrUnavailable)
	if got, err := s.SecretsOf(t.Context(), replica.ID); err != nil || string(got["token"]) != "x" {
		t.Errorf("the replica has %q, %v", got, err)
	}
	for _, replica := range s.list(t, one.ID()) {
		want(t, "remove", s.Remove(t.Context(), replica.ID))
	}
	if owners := s.owners(t); owners != "figlet other" {
		t.Errorf("owners %q", owners)
	}
	want(t, "remove the secrets", s.RemoveSecrets(t.Context(), one.ID(), nil))
	if owners := s.owners(t); owners != "other" {
		t.Errorf("owners %q", owners)
	}
}

func images(t *testing.T, s Subject) {
	f := s.Function("figlet")
	found, err := s.Image(t.Context(), function.Function{Spec: f.Spec})
	if err != nil || found.ID != f.ImageID || found.Config == nil {
		t.Errorf("%s: %+v, %v, want %s", f.Image, found, err, f.ImageID)
	}
	if pinned, err := s.Image(t.Context(), f); err != nil || pinned.ID != f.ImageID {
		t.Errorf("%s: %+v, %v", f.ImageID, pinned, err)
	}
	_, err = s.Image(t.Context(), function.Function{Spec: function.Spec{Name: "f", Image: "Not An Image"}})
	wantKind(t, "no reference", err, function.ErrInvalid)
	f.ImageID = s.GoneImage
	_, err = s.Image(t.Context(), f)
	wantKind(t, "an image that is gone", err, function.ErrNotFound)
}

func checks(t *testing.T, s Subject) {
	f := s.Function("figlet").Spec
	want(t, "check", s.Check(t.Context(), f))
	f.Constraints = []string{"node.platform.os==linux"}
	want(t, "a constraint that is met", s.Check(t.Context(), f))
	f.Constraints = []string{"node.platform.os==linux", "node.platform.os==plan9"}
	wantField(t, s.Check(t.Context(), f), "constraints[1]")
	f.Constraints, f.Image = nil, "Not An Image"
	wantField(t, s.Check(t.Context(), f), "image")
}

func leftReplicasAreMarked(t *testing.T, s Subject) {
	replica := s.start(t, s.Function("figlet"))
	for range 2 {
		want(t, "leave", s.Leave(t.Context(), s.only(t, replica.Function), true))
		if got := s.only(t, replica.Function); !got.Left || got.Instance != replica.Instance+".left" {
			t.Errorf("listed %+v, want it marked", got)
		}
	}
	for range 2 {
		want(t, "take the mark away", s.Leave(t.Context(), s.only(t, replica.Function), false))
		if got := s.only(t, replica.Function); got.Left || got.Instance != replica.Instance {
			t.Errorf("listed %+v, want it without a mark", got)
		}
	}
	want(t, "remove", s.Remove(t.Context(), replica.ID))
	want(t, "leave one that is gone", s.Leave(t.Context(), replica, true))
}

func functionsAreReadBack(t *testing.T, s Subject) {
	one, two, other := s.Function("figlet"), s.Function("figlet"), s.Function("another")
	two.Revision, two.EnvVars = 2, map[string]string{"answer": "42"}
	for _, f := range []function.Function{one, other, other} {
		s.start(t, f)
	}
	newest := s.start(t, two)
	found, err := s.Functions(t.Context())
	if err != nil || len(found) != 2 || found[0].Name != "another" {
		t.Fatalf("%+v, %v, want both, in the order of their names", found, err)
	}
	if got := found[0]; got.Replicas != 2 || got.Revision != 1 || !got.Spec.Equal(other.Spec) || got.ImageID != other.ImageID {
		t.Errorf("read back %+v", got)
	}
	if got := found[1]; got.Replicas != 1 || got.Revision != 2 || !got.Spec.Equal(two.Spec) || got.Previous != nil {
		t.Errorf("read back %+v", got)
	}
	want(t, "leave", s.Leave(t.Context(), newest, true))
	found, err = s.Functions(t.Context())
	if err != nil || len(found) != 2 || found[1].Revision != 1 || found[1].Previous == nil || found[1].Previous.Revision != 2 {
		t.Errorf("%+v, %v, want the revision before the one that a rollback has left", found, err)
	}
}

func endedContextChangesNothing(t *testing.T, s Subject) {
	f := s.Function("figlet")
	replica := s.start(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, started := s.Start(ctx, f)
	_, listed := s.Replicas(ctx, f.ID())
	_, told := s.PostMortem(ctx, replica.ID)
	for name, err := range map[string]error{
		"start": started, "list": listed, "post mortem": told,
		"pause": s.Pause(ctx, replica.ID), "stop": s.Stop(ctx, replica.ID, 0), "remove": s.Remove(ctx, replica.ID),
	} {
		wantKind(t, name, err, context.Canceled)
	}
	if got := s.only(t, f.ID()); got.ID != replica.ID || got.State != function.Running {
		t.Errorf("listed %+v, want what was there", got)
	}
}

func (s Subject) start(t *testing.T, f function.Function) function.Replica {
	t.Helper()
	replica, err := s.Start(t.Context(), f)
	if err != nil {
		t.Fatalf("start %s: %v", f.ID(), err)
	}
	return replica
}

func (s Subject) list(t *testing.T, name function.Name) []function.Replica {
	t.Helper()
	list, err := s.Replicas(t.Context(), name)
	if err != nil {
		t.Fatalf("list %s: %v", name, err)
	}
	return list
}

// only is the only replica of a function.
func (s Subject) only(t *testing.T, name function.Name) function.Replica {
	t.Helper()
	list := s.list(t, name)
	if len(list) != 1 {
		t.Fatalf("%s has the replicas %+v, want one", name, list)
	}
	return list[0]
}

func (s Subject) owners(t *testing.T) string {
	t.Helper()
	owners, err := s.SecretOwners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, owner := range owners {
		names = append(names, owner.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// watch returns the events from now on, until the test ends.
func (s Subject) watch(t *testing.T) <-chan function.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	events, subscribed, ended := make(chan function.Event, 1000), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.Events(ctx, func() { close(subscribed) }, func(event function.Event) { events <- event })
	}()
	t.Cleanup(func() { cancel(); <-ended })
	select {
	case <-subscribed:
	case err := <-ended:
		ended <- err
		t.Fatalf("watch: %v", err)
	}
	return events
}

func next(t *testing.T, events <-chan function.Event, what string) function.Event {
	t.Helper()
	select {
	case event := <-events:
		return event
	case <-time.After(soon):
		t.Fatalf("not told: %s", what)
		return function.Event{}
	}
}

func want(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func wantKind(t *testing.T, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: got %v, want %v", what, err, kind)
	}
}

// wantField wants an ErrInvalid that names a field.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	if !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), field+": ") {
		t.Errorf("got %v, want an ErrInvalid of %s", err, field)
	}
}
