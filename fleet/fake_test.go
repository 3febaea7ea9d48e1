package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"faas-docker/function"
)

// fakeEngine is a Docker engine in memory: containers that start, die and are
// removed, and an event for each.
type fakeEngine struct {
	mu         sync.Mutex
	count      int
	containers map[string]function.Replica
	secrets    map[string]map[string][]byte // by function and revision
	events     chan function.Name
	calls      []string
	functions  []function.Function // what labels tell; nil means what the containers do

	// The host; zero means not known.
	cpus   int
	memory int64
	swap   function.Swap

	// What the engine does when asked; nil means it succeeds at once.
	image   func(ctx context.Context, reference string) (string, error)
	start   func(f function.Function) error
	await   func(ctx context.Context, replica function.Replica) error
	stop    func() error
	pause   func(id string) error
	unpause func(ctx context.Context) error
	// clock is how far the engine's clock is ahead of ours.
	clock time.Duration
	ask   func(replica function.Replica, path string) error
	// away is set while the engine does not answer; it is replaced by leave and
	// comeBack, and closed to cut the events.
	away bool
	cut  chan struct{}
}

func newFakeEngine() *fakeEngine {
	return &fakeEngine{containers: map[string]function.Replica{}, secrets: map[string]map[string][]byte{}, events: make(chan function.Name, 100000), cut: make(chan struct{})}
}

func (e *fakeEngine) record(format string, args ...any) {
	e.calls = append(e.calls, fmt.Sprintf(format, args...))
}

func (e *fakeEngine) Capacity(context.Context) (int, int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cpus, e.memory, nil
}

func (e *fakeEngine) Swap(context.Context) (function.Swap, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.swap, nil
}

// lastCalls returns up to n of the last calls that changed something.
func (e *fakeEngine) lastCalls(n int) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls[max(0, len(e.calls)-n):])
}

func (e *fakeEngine) setSwap(swap function.Swap) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.swap = swap
}

func (e *fakeEngine) Memory(context.Context, string) (int64, error) { return 100 << 20, nil }

func (e *fakeEngine) Reclaim(_ context.Context, id string, memory int64) error {
	e.note("reclaim %s but for %d MiB", id, memory>>20)
	return nil
}

func (e *fakeEngine) Restore(_ context.Context, id string, spec function.Spec) error {
	e.note("restore %s to %s", id, spec.Limits.Memory)
	return nil
}

func (e *fakeEngine) Prepare(context.Context) error              { return nil }
func (e *fakeEngine) Check(context.Context, function.Spec) error { return nil }

func (e *fakeEngine) Image(ctx context.Context, reference string) (string, error) {
	if e.image != nil {
		return e.image(ctx, reference)
	}
	return "sha256:" + reference, nil
}

// leave has the engine answer nothing until comeBack.
func (e *fakeEngine) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = true
	close(e.cut)
}

func (e *fakeEngine) comeBack() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away, e.cut = false, make(chan struct{})
}

// reach fails while the engine is away. The caller holds mu.
func (e *fakeEngine) reach() error {
	if e.away {
		return function.Unavailable(nil, "no Docker engine answers")
	}
	return nil
}

func (e *fakeEngine) Start(_ context.Context, f function.Function) (function.Replica, error) {
	if e.start != nil {
		if err := e.start(f); err != nil {
			return function.Replica{}, err
		}
	}
	time.Sleep(200 * time.Millisecond)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.reach(); err != nil {
		return function.Replica{}, err
	}
	e.count++
	id := fmt.Sprintf("c%d", e.count)
	replica := function.Replica{
		ID: id, Instance: f.ID().String() + "." + id, Function: f.ID(), Revision: f.Revision,
		Address: netip.MustParseAddrPort("10.0.0.1:8080"), State: function.Running, CreatedAt: time.Now().Add(e.clock),
	}
	e.containers[id] = replica
	e.record("start %s of revision %d", id, f.Revision)
	e.events <- f.ID()
	return replica, nil
}

// Stop takes a while, in which the container is said to have died.
func (e *fakeEngine) Stop(ctx context.Context, id string, _ time.Duration) error {
	if e.stop != nil {
		if err := e.stop(); err != nil {
			return err
		}
	}
	if err := e.set(id, function.Exited); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond)
	return e.Remove(ctx, id)
}

func (e *fakeEngine) Remove(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.reach(); err != nil {
		return err
	}
	if replica, ok := e.containers[id]; ok {
		delete(e.containers, id)
		e.record("remove %s", id)
		e.events <- replica.Function
	}
	return nil
}

func (e *fakeEngine) Pause(_ context.Context, id string) error {
	time.Sleep(7 * time.Millisecond)
	e.note("pause %s", id)
	if e.pause != nil {
		return e.pause(id)
	}
	return e.set(id, function.Paused)
}

func (e *fakeEngine) Usage(context.Context, function.Name) (function.Usage, error) {
	return function.Usage{Millicores: 1000}, nil
}

func (e *fakeEngine) Unpause(ctx context.Context, id string) error {
	time.Sleep(7 * time.Millisecond)
	e.note("unpause %s", id)
	if e.unpause != nil {
		return e.unpause(ctx)
	}
	return e.set(id, function.Running)
}

func (e *fakeEngine) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.record(format, args...)
}

func (e *fakeEngine) Leave(_ context.Context, replica function.Replica, left bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, ok := e.containers[replica.ID]
	if !ok {
		return errors.New("no such container")
	}
	found.Left = left
	e.containers[replica.ID] = found
	e.events <- replica.Function
	return nil
}

// left lists the containers that are marked as what a rollback has left.
func (e *fakeEngine) left() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []string
	for id, replica := range e.containers {
		if replica.Left {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// set plays what happens to a container from outside.
func (e *fakeEngine) set(id string, state function.State) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.reach(); err != nil {
		return err
	}
	replica, ok := e.containers[id]
	if !ok {
		return errors.New("no such container")
	}
	replica.State = state
	e.containers[id] = replica
	e.events <- replica.Function
	return nil
}

func (e *fakeEngine) PostMortem(context.Context, string) (function.PostMortem, error) {
	time.Sleep(5 * time.Millisecond)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.reach(); err != nil {
		return function.PostMortem{}, err
	}
	return function.PostMortem{ExitCode: 7, LastLines: []string{"boom"}}, nil
}

func (e *fakeEngine) PutSecrets(_ context.Context, f function.Function, values map[string][]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secrets[fmt.Sprintf("%s/%d", f.ID(), f.Revision)] = maps.Clone(values)
	return nil
}

func (e *fakeEngine) SecretsOf(context.Context, string) (map[string][]byte, error) {
	return map[string][]byte{"token": []byte("read back")}, nil
}

func (e *fakeEngine) RemoveSecrets(_ context.Context, name function.Name, keep map[uint64]bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.secrets, func(key string, _ map[string][]byte) bool {
		for revision := range keep {
			if key == fmt.Sprintf("%s/%d", name, revision) {
				return false
			}
		}
		return strings.HasPrefix(key, name.String()+"/") && !e.uses(key)
	})
	return nil
}

// uses reports whether a container has the secrets of a function's revision.
func (e *fakeEngine) uses(key string) bool {
	for _, replica := range e.containers {
		if key == fmt.Sprintf("%s/%d", replica.Function, replica.Revision) {
			return true
		}
	}
	return false
}

func (e *fakeEngine) SecretOwners(context.Context) ([]function.Name, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var owners []function.Name
	for key := range e.secrets {
		name, _, _ := strings.Cut(key, "/")
		owners = append(owners, function.ParseName(name, function.DefaultNamespace))
	}
	return owners, nil
}

func (e *fakeEngine) Functions(context.Context) ([]function.Function, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.functions != nil {
		return e.functions, nil
	}
	var found []function.Function
	for _, replica := range e.containers {
		found = append(found, function.Function{
			Spec:     function.Spec{Name: replica.Function.Name, Namespace: replica.Function.Namespace, Image: "adopted", Secrets: []string{"token"}},
			Revision: replica.Revision, Replicas: 1, ImageID: "sha256:adopted",
		})
	}
	return found, nil
}

func (e *fakeEngine) Replicas(_ context.Context, name function.Name) ([]function.Replica, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.reach(); err != nil {
		return nil, err
	}
	var list []function.Replica
	for _, replica := range e.containers {
		if name.IsZero() || replica.Function == name {
			list = append(list, replica)
		}
	}
	slices.SortFunc(list, func(a, b function.Replica) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return list, nil
}

func (e *fakeEngine) Events(ctx context.Context, subscribed func(), changed func(function.Event)) error {
	e.mu.Lock()
	cut, err := e.cut, e.reach()
	e.mu.Unlock()
	if err != nil {
		return err
	}
	subscribed()
	for {
		select {
		case <-cut:
			return function.Unavailable(nil, "the stream was cut")
		case name := <-e.events:
			changed(function.Event{Function: name})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *fakeEngine) running() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.containers))
}

func (e *fakeEngine) secret(name string, revision uint64, key string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return string(e.secrets[fmt.Sprintf("%s.%s/%d", name, function.DefaultNamespace, revision)][key])
}
