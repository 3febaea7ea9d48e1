package holders

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"faas-docker/function/clock"
)

const (
	// quietSpan is how long no replica may have been starting before a holder is
	// made: the two would compete, and a caller may be waiting for the replica.
	quietSpan = 100 * time.Millisecond
	// quietWaitMax bounds the wait for that.
	quietWaitMax = 2 * time.Second
	// fewHolders is how many are kept though no function is at zero: replicas are
	// also started for updates and for load.
	fewHolders = 4
)

// pool knows the holders that this process has made, and what each is there
// for. One that it does not know was left by another process.
type pool struct {
	most int
	// wanted rings when a holder may be missing, started when a start has begun or ended,
	// doubted when a holder may have lost its replica, or a replica its holder, and answered
	// when the engine has answered after it had not.
	wanted, started, doubted, answered clock.Bell

	// leaving has the IDs of holders that are being removed.
	leaving sync.Map

	mu       sync.Mutex // protects the fields below
	starting int        // how many replicas are starting
	atZero   int        // how many functions have no replica and are started by a call
	closed   bool
	ready    []Holder
	// held has the names of holders that are being made, are ready, or that a
	// replica is joining right now.
	held map[string]bool
	// used has the holder of each replica that joined one, by the replica's ID.
	used map[string]Holder
}

func newPool(most int) *pool {
	return &pool{
		most:     most,
		wanted:   clock.NewBell(),
		started:  clock.NewBell(),
		doubted:  clock.NewBell(),
		answered: clock.NewBell(),
		held:     map[string]bool{},
		used:     map[string]Holder{},
	}
}

// close empties the pool and keeps it empty; its caller removes the holders that were
// ready.
func (p *pool) close() (unused []Holder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	unused, p.ready = p.ready, nil
	return unused
}

// expect announces a holder by name, before the engine knows of it.
func (p *pool) expect(h Holder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[h.Name] = true
}

// add makes a holder ready that was expected, or was taken and not joined. A
// closed pool does not keep it.
func (p *pool) add(h Holder) (kept bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.ready = append(p.ready, h)
	return true
}

// Take hands out the holder that has been ready longest; not found when none is. Use,
// GiveBack or Discard must follow.
func (p *pool) Take() (h Holder, found bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ready) == 0 {
		return Holder{}, false
	}
	h = p.ready[0]
	p.ready = slices.Delete(p.ready, 0, 1)
	p.wanted.Ring()
	return h, true
}

// Use notes that a replica runs in a holder that was taken.
func (p *pool) Use(h Holder, replica string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, h.Name)
	p.used[replica] = h
}

func (p *pool) release(h Holder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, h.Name)
}

// drop gives up a holder, by its ID, if it is ready: it has died.
func (p *pool) drop(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.ready, func(h Holder) bool { return h.ID == id })
	if i < 0 {
		return
	}
	delete(p.held, p.ready[i].Name)
	p.ready = slices.Delete(p.ready, i, i+1)
	p.wanted.Ring()
}

// leave claims the removal of a used holder, or of one of another process, by its
// ID; it reports false when it is being removed already.
func (p *pool) leave(id string) (claimed bool) {
	_, isLeaving := p.leaving.LoadOrStore(id, true)
	return !isLeaving
}

// left ends what leave began; a holder that is gone is forgotten.
func (p *pool) left(id string, gone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving.Delete(id)
	if gone {
		maps.DeleteFunc(p.used, func(_ string, h Holder) bool { return h.ID == id })
	}
}

func (p *pool) joinedBy(replica string) (h Holder, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, known = p.used[replica]
	return h, known
}

// snapshot is what the pool knew at one moment.
type snapshot struct {
	ready, used []Holder
	// held has names.
	held map[string]bool
}

func (p *pool) see() snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return snapshot{
		ready: slices.Clone(p.ready),
		used:  slices.Collect(maps.Values(p.used)),
		held:  maps.Clone(p.held),
	}
}

// Ready returns the holders that are ready, the newest last.
func (p *pool) Ready() []Holder { return p.see().ready }

// Starting tells that a replica is being started, until done is called: no holder is made
// meanwhile.
func (p *pool) Starting() (done func()) {
	p.countStart(1)
	return func() { p.countStart(-1) }
}

func (p *pool) countStart(change int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting += change
	p.started.Ring()
}

func (p *pool) state() (missing, starting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size() - len(p.ready), p.starting
}

// size is how many holders should be ready: one for each function that may be
// called when it has no replica, because they may all be called at once.
func (p *pool) size() int { return min(p.most, max(fewHolders, p.atZero)) }

// AtZero tells that change more functions than before have no replica
// and are started by their next call; fewer when it is negative.
func (p *pool) AtZero(change int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atZero += change
	p.wanted.Ring()
}

// trim gives up the ready holders that are too many; its caller removes them.
func (p *pool) trim() (surplus []Holder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if size := p.size(); len(p.ready) > size {
		surplus = slices.Clone(p.ready[size:])
		p.ready = p.ready[:size]
	}
	return surplus
}

// awaitTurn returns when a holder is missing and it is a good time to make it; it
// reports false when ctx ended first.
func (p *pool) awaitTurn(ctx context.Context) bool {
	for missing, _ := p.state(); missing <= 0; missing, _ = p.state() {
		select {
		case <-p.wanted:
		case <-ctx.Done():
			return false
		}
	}
	waited := time.After(quietWaitMax)
	for {
		select {
		case <-p.started:
		case <-waited:
			return true
		case <-time.After(quietSpan):
			if _, starting := p.state(); starting == 0 {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
}
