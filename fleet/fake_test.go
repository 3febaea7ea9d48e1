package fleet

import (
	"cmp"
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
// removed, and an event for each. TestContract holds it to what Docker does.
type fakeEngine struct {
	mu         sync.Mutex
	count      int
	containers map[string]function.Replica
	specs      map[string]function.Function // of the containers
	secrets    map[string]map[string][]byte // by function and revision
	events     map[chan function.Event]bool // of each that is subscribed
	calls      []string
	made       []function.Name // whose containers were made
	pausedAt   map[string][]time.Time
	autopsy    func()        // called while it is found out what a container died of; nil for nothing
	pauseTakes time.Duration // for how much longer a pause or its end holds the container

	// The host; zero means not known.
	cpus   int
	memory int64
	swap   function.Swap
	isFull bool // no processor of its host is idle

	// What the engine does when asked; nil means it succeeds at once.
	image func(ctx context.Context, reference string) (string, error)
	start func(f function.Function) error

	imageConfig func(reference string) *function.ImageConfig
	// prepare is await with all that it is told, in its place.
	prepare func(ctx context.Context, replica function.Replica, ready function.Readiness, tell func(string)) error
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
	return &fakeEngine{
		containers: map[string]function.Replica{}, specs: map[string]function.Function{}, secrets: map[string]map[string][]byte{},
		pausedAt: map[string][]time.Time{}, events: map[chan function.Event]bool{}, cut: make(chan struct{}),
	}
}

func (e *fakeEngine) record(format string, args ...any) {
	e.calls = append(e.calls, fmt.Sprintf(format, args...))
}

func (e *fakeEngine) Capacity(ctx context.Context) (int, int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cpus, e.memory, e.reach(ctx)
}

func (e *fakeEngine) Processors() function.Processors {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.isFull {
		return function.Processors{}
	}
	return function.Processors{Idle: 1, Total: uint64(time.Now().UnixMilli())}
}

func (e *fakeEngine) Swap(ctx context.Context) (function.Swap, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.swap, e.reach(ctx)
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

func (e *fakeEngine) Memory(ctx context.Context, id string) (int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if replica, err := e.find(ctx, id); errors.Is(err, function.ErrNotFound) || err == nil && !lives(replica) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	return 100 << 20, nil
}

func (e *fakeEngine) Reclaim(ctx context.Context, id string, memory int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.record("reclaim %s but for %d MiB", id, memory>>20)
	_, err := e.find(ctx, id)
	return err
}

func (e *fakeEngine) Restore(ctx context.Context, id string, spec function.Spec) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	memory := ""
	if spec.Limits != nil {
		memory = spec.Limits.Memory
	}
	e.record("restore %s to %s", id, memory)
	_, err := e.find(ctx, id)
	return err
}

func (e *fakeEngine) Prepare(context.Context) error { return nil }

func (e *fakeEngine) Check(_ context.Context, spec function.Spec) error {
	if err := checkReference(spec.Image); err != nil {
		return err
	}
	for i, constraint := range spec.Constraints {
		if constraint != "node.platform.os==linux" {
			return function.Invalid(fmt.Sprintf("constraints[%d]", i), "%q does not hold on this machine", constraint)
		}
	}
	return nil
}

func checkReference(image string) error {
	if strings.Contains(image, " ") {
		return function.Invalid("image", "%q is not an image reference", image)
	}
	return nil
}

// goneImage is an image that is not on the engine.
const goneImage = "sha256:gone"

func (e *fakeEngine) Image(ctx context.Context, f function.Function) (function.Image, error) {
	e.mu.Lock()
	err := e.reach(ctx)
	e.mu.Unlock()
	if err != nil {
		return function.Image{}, err
	}
	if err := checkReference(f.Image); err != nil {
		return function.Image{}, err
	}
	if f.ImageID == goneImage {
		return function.Image{}, function.NotFound("image %q is no longer there", f.Image)
	}
	if f.ImageID != "" {
		return function.Image{ID: f.ImageID, Digest: f.ImageDigest, Config: e.says(f.Image)}, nil
	}
	if e.image != nil {
		id, err := e.image(ctx, f.Image)
		return function.Image{ID: id, Config: e.says(f.Image)}, err
	}
	return function.Image{ID: "sha256:" + f.Image, Config: e.says(f.Image)}, nil
}

// says is what an image says of its containers.
func (e *fakeEngine) says(reference string) *function.ImageConfig {
	if e.imageConfig != nil {
		return e.imageConfig(reference)
	}
	return &function.ImageConfig{}
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

// reach fails while the engine is away, and when ctx has ended. The caller holds mu.
func (e *fakeEngine) reach(ctx context.Context) error {
	if e.away {
		return function.Unavailable(nil, "no Docker engine answers")
	}
	return ctx.Err()
}

// find returns a container. The caller holds mu.
func (e *fakeEngine) find(ctx context.Context, id string) (function.Replica, error) {
	if err := e.reach(ctx); err != nil {
		return function.Replica{}, err
	}
	replica, ok := e.containers[id]
	if !ok {
		return function.Replica{}, fmt.Errorf("no such container %q: %w", id, function.ErrNotFound)
	}
	return replica, nil
}

func lives(replica function.Replica) bool {
	return replica.State == function.Running || replica.State == function.Paused
}

func (e *fakeEngine) Start(ctx context.Context, f function.Function) (function.Replica, error) {
	if e.start != nil {
		if err := e.start(f); err != nil {
			return function.Replica{}, err
		}
	}
	time.Sleep(200 * time.Millisecond)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.reach(ctx); err != nil {
		return function.Replica{}, err
	}
	if f.ImageID == goneImage {
		return function.Replica{}, function.NotFound("image %q is no longer there", f.Image)
	}
	if _, put := e.secrets[secretsKey(f.ID(), f.Revision)]; len(f.Secrets) > 0 && !put {
		return function.Replica{}, function.Unavailable(nil, "the secrets of %q are no longer there", f.ID())
	}
	e.count++
	e.made = append(e.made, f.ID())
	id := fmt.Sprintf("c%d", e.count)
	replica := function.Replica{
		ID: id, Instance: f.ID().String() + "." + id, Function: f.ID(), Revision: f.Revision,
		Address: addressOf(e.count), State: function.Running, CreatedAt: time.Now().Add(e.clock).Truncate(time.Second),
	}
	e.containers[id], e.specs[id] = replica, f
	e.record("start %s of revision %d", id, f.Revision)
	e.tell(replica)
	return replica, nil
}

func addressOf(number int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(number >> 16), byte(number >> 8), byte(number)}), 8080)
}

// tell sends the event of a change that a list shows. The caller holds mu.
func (e *fakeEngine) tell(replica function.Replica) {
	e.broadcast(function.Event{Function: replica.Function})
}

// broadcast tells all who are subscribed. It requires mu.
func (e *fakeEngine) broadcast(event function.Event) {
	for events := range e.events {
		events <- event
	}
}

// Stop takes a while, in which the container is said to have died.
func (e *fakeEngine) Stop(ctx context.Context, id string, _ time.Duration) error {
	if e.stop != nil {
		if err := e.stop(); err != nil {
			return err
		}
	}
	e.mu.Lock()
	replica, err := e.find(ctx, id)
	if err == nil && lives(replica) {
		e.enter(replica, function.Exited)
	}
	e.mu.Unlock()
	if err != nil && !errors.Is(err, function.ErrNotFound) {
		return err
	}
	time.Sleep(100 * time.Millisecond)
	return e.Remove(ctx, id)
}

// Remove kills what lives.
func (e *fakeEngine) Remove(ctx context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	replica, err := e.find(ctx, id)
	if errors.Is(err, function.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if lives(replica) {
		e.enter(replica, function.Exited)
	}
	delete(e.containers, id)
	delete(e.specs, id)
	e.record("remove %s", id)
	e.tell(replica)
	return nil
}

func (e *fakeEngine) Pause(ctx context.Context, id string) error {
	time.Sleep(7 * time.Millisecond)
	e.note("pause %s", id)
	if e.pause != nil {
		return e.pause(id)
	}
	return e.turn(ctx, id, function.Running, function.Paused)
}

func (e *fakeEngine) Usage(ctx context.Context, name function.Name) (function.Usage, error) {
	replicas, err := e.Replicas(ctx, name)
	if !slices.ContainsFunc(replicas, lives) {
		return function.Usage{}, err
	}
	return function.Usage{Millicores: 1000, MemoryBytes: 100 << 20}, err
}

func (e *fakeEngine) Unpause(ctx context.Context, id string) error {
	e.mu.Lock()
	takes := e.pauseTakes
	e.mu.Unlock()
	time.Sleep(7*time.Millisecond + takes)
	e.note("unpause %s", id)
	if e.unpause != nil {
		return e.unpause(ctx)
	}
	return e.turn(ctx, id, function.Paused, function.Running)
}

// turn changes the state of a container, which must be in another.
func (e *fakeEngine) turn(ctx context.Context, id string, from, to function.State) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	replica, err := e.find(ctx, id)
	if err != nil {
		return err
	}
	if replica.State != from {
		return fmt.Errorf("container %q is %s, not %s: %w", id, replica.State, from, function.ErrConflict)
	}
	e.enter(replica, to)
	return nil
}

// enter notes a container's state, and tells of it. The caller holds mu.
func (e *fakeEngine) enter(replica function.Replica, state function.State) {
	replica.State = state
	switch state {
	case function.Paused:
		e.pausedAt[replica.ID] = append(e.pausedAt[replica.ID], time.Now())
	case function.Exited:
		replica.Address = netip.AddrPort{}
		e.broadcast(function.Event{Function: replica.Function, Died: replica.ID})
	}
	e.containers[replica.ID] = replica
	e.tell(replica)
}

func (e *fakeEngine) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.record(format, args...)
}

// Leave is told by no event.
func (e *fakeEngine) Leave(ctx context.Context, replica function.Replica, left bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, err := e.find(ctx, replica.ID)
	if errors.Is(err, function.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	found.Left, found.Instance = left, strings.TrimSuffix(found.Instance, ".left")
	if left {
		found.Instance += ".left"
	}
	e.containers[found.ID] = found
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
	replica, err := e.find(context.Background(), id)
	if err != nil {
		return err
	}
	e.enter(replica, state)
	return nil
}

func (e *fakeEngine) PostMortem(ctx context.Context, id string) (function.PostMortem, error) {
	time.Sleep(5 * time.Millisecond)
	if e.autopsy != nil {
		e.autopsy()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	replica, err := e.find(ctx, id)
	if err != nil || lives(replica) {
		return function.PostMortem{}, err
	}
	return function.PostMortem{ExitCode: 7, LastLines: []string{"boom"}}, nil
}

func secretsKey(name function.Name, revision uint64) string {
	return fmt.Sprintf("%s/%d", name, revision)
}

func (e *fakeEngine) PutSecrets(ctx context.Context, f function.Function, values map[string][]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.reach(ctx); err != nil {
		return err
	}
	e.secrets[secretsKey(f.ID(), f.Revision)] = maps.Clone(values)
	return nil
}

func (e *fakeEngine) SecretsOf(ctx context.Context, id string) (map[string][]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	replica, err := e.find(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(e.specs[id].Secrets) == 0 {
		return map[string][]byte{}, nil
	}
	return maps.Clone(e.secrets[secretsKey(replica.Function, replica.Revision)]), nil
}

func (e *fakeEngine) RemoveSecrets(ctx context.Context, name function.Name, keep map[uint64]bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.reach(ctx); err != nil {
		return err
	}
	maps.DeleteFunc(e.secrets, func(key string, _ map[string][]byte) bool {
		for revision := range keep {
			if key == secretsKey(name, revision) {
				return false
			}
		}
		return strings.HasPrefix(key, name.String()+"/") && !e.uses(key)
	})
	return nil
}

// uses reports whether a container has the secrets of a function's revision.
func (e *fakeEngine) uses(key string) bool {
	for id, replica := range e.containers {
		if len(e.specs[id].Secrets) > 0 && key == secretsKey(replica.Function, replica.Revision) {
			return true
		}
	}
	return false
}

func (e *fakeEngine) SecretOwners(ctx context.Context) ([]function.Name, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	owners := map[function.Name]bool{}
	for key := range e.secrets {
		name, _, _ := strings.Cut(key, "/")
		owners[function.ParseName(name, function.DefaultNamespace)] = true
	}
	return slices.Collect(maps.Keys(owners)), e.reach(ctx)
}

// Functions describes each function by its newest revision that no rollback has left, and
// what one has left as its Previous.
func (e *fakeEngine) Functions(ctx context.Context) ([]function.Function, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	serving, left := map[function.Name]function.Function{}, map[function.Name]function.Function{}
	for id, replica := range e.containers {
		of := serving
		if replica.Left {
			of = left
		}
		f := of[replica.Function]
		if replica.Revision > f.Revision {
			f = e.specs[id]
			f.Replicas, f.Answered = 0, replica.Left
		}
		if replica.Revision == f.Revision && lives(replica) {
			f.Replicas++
		}
		of[replica.Function] = f
	}
	for name, f := range left {
		latest, serves := serving[name]
		if !serves {
			serving[name] = f
		} else if f.Revision > latest.Revision {
			latest.Previous = f.Replaced()
			serving[name] = latest
		}
	}
	list := slices.Collect(maps.Values(serving))
	slices.SortFunc(list, func(a, b function.Function) int { return strings.Compare(a.ID().String(), b.ID().String()) })
	return list, e.reach(ctx)
}

// Replicas lists the newest first.
func (e *fakeEngine) Replicas(ctx context.Context, name function.Name) ([]function.Replica, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.reach(ctx); err != nil {
		return nil, err
	}
	var list []function.Replica
	for _, replica := range e.containers {
		if name.IsZero() || replica.Function == name {
			list = append(list, replica)
		}
	}
	slices.SortFunc(list, func(a, b function.Replica) int {
		return cmp.Or(cmp.Compare(len(b.ID), len(a.ID)), cmp.Compare(b.ID, a.ID))
	})
	return list, nil
}

// Events tells what happens from now on, and nothing of what was before.
func (e *fakeEngine) Events(ctx context.Context, subscribed func(), changed func(function.Event)) error {
	events := make(chan function.Event, 100000)
	e.mu.Lock()
	cut, err := e.cut, e.reach(ctx)
	if err == nil {
		e.events[events] = true
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.events, events)
	}()
	subscribed()
	for {
		select {
		case <-cut:
			return function.Unavailable(nil, "the stream was cut")
		case event := <-events:
			changed(event)
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
	return string(e.secrets[secretsKey(function.Name{Name: name, Namespace: function.DefaultNamespace}, revision)][key])
}
