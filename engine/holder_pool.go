package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// quietSpan is how long no replica may have been starting before a holder is
	// made: the two would compete, and a replica has somebody waiting for it.
	quietSpan = 100 * time.Millisecond
	// quietPatience is how long that is waited for.
	quietPatience = 2 * time.Second
	// fewHolders is how many are kept though no function is at zero: replicas are
	// also started for updates and for load.
	fewHolders = 4
)

// holderPool knows the holders that this process has made, and what each is there
// for. What it knows nothing of is a leftover of another process.
type holderPool struct {
	most int
	// wanted, started, doubted and answered hold a token each: there is room for a
	// holder; a start has begun or ended; a holder may have lost its replica, or a
	// replica its holder; the engine has answered after it had not.
	wanted, started, doubted, answered chan struct{}

	mu       sync.Mutex // protects the fields below
	starting int        // how many replicas are starting
	sleepers int        // how many functions a call would start a replica of
	closed   bool
	ready    []holder
	// held has the names of holders that are being made, are ready, or that a
	// replica is joining right now.
	held map[string]bool
	// used has the holder of each replica that joined one, by the replica's ID.
	used map[string]holder
	// leaving has the IDs of holders that are being removed.
	leaving map[string]bool
}

func newHolderPool(most int) *holderPool {
	return &holderPool{
		most:     most,
		wanted:   make(chan struct{}, 1),
		started:  make(chan struct{}, 1),
		doubted:  make(chan struct{}, 1),
		answered: make(chan struct{}, 1),
		closed:   true,
		held:     map[string]bool{},
		used:     map[string]holder{},
		leaving:  map[string]bool{},
	}
}

// ring puts a token into a bell that does not ring yet.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// open lets the pool keep holders, until close.
func (p *holderPool) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = false
	ring(p.wanted)
}

// close empties the pool and keeps it empty; whoever closes it removes what was
// ready.
func (p *holderPool) close() (unused []holder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	unused, p.ready = p.ready, nil
	return unused
}

// expect announces a holder by name, before the engine knows of it.
func (p *holderPool) expect(h holder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[h.name] = true
}

// add makes a holder ready that was expected, or was taken and not joined. A
// closed pool does not keep it.
func (p *holderPool) add(h holder) (kept bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.ready = append(p.ready, h)
	return true
}

// take hands out the holder that has been ready longest; not found when none is.
func (p *holderPool) take() (h holder, found bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ready) == 0 {
		return holder{}, false
	}
	h = p.ready[0]
	p.ready = slices.Delete(p.ready, 0, 1)
	ring(p.wanted)
	return h, true
}

// use notes that a replica runs in a holder that was taken.
func (p *holderPool) use(h holder, replica string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, h.name)
	p.used[replica] = h
}

// release gives up a holder that is not used.
func (p *holderPool) release(h holder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, h.name)
}

// drop gives up a holder, by its ID, if it is ready: it has died.
func (p *holderPool) drop(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.ready, func(h holder) bool { return h.id == id })
	if i < 0 {
		return
	}
	delete(p.held, p.ready[i].name)
	p.ready = slices.Delete(p.ready, i, i+1)
	ring(p.wanted)
}

// leave claims the removal of a used holder, or of one of another process, by its
// ID; it reports false when somebody is at it.
func (p *holderPool) leave(id string) (claimed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leaving[id] {
		return false
	}
	p.leaving[id] = true
	return true
}

// left ends what leave began; a holder that is gone is forgotten.
func (p *holderPool) left(id string, gone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.leaving, id)
	if gone {
		maps.DeleteFunc(p.used, func(_ string, h holder) bool { return h.id == id })
	}
}

// joinedBy returns the holder that a replica of this process joined.
func (p *holderPool) joinedBy(replica string) (h holder, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, known = p.used[replica]
	return h, known
}

// holdersSeen is what the pool knew at one moment.
type holdersSeen struct {
	ready, used []holder
	// held has names.
	held map[string]bool
}

func (p *holderPool) see() holdersSeen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return holdersSeen{
		ready: slices.Clone(p.ready),
		used:  slices.Collect(maps.Values(p.used)),
		held:  maps.Clone(p.held),
	}
}

func (p *holderPool) startBegins() { p.countStart(1) }

func (p *holderPool) startEnds() { p.countStart(-1) }

func (p *holderPool) countStart(change int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting += change
	ring(p.started)
}

func (p *holderPool) state() (missing, starting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size() - len(p.ready), p.starting
}

// size is how many holders should be ready: one for each function that may be
// called when it has no replica, because they may all be called at once.
func (p *holderPool) size() int { return min(p.most, max(fewHolders, p.sleepers)) }

// sleep counts functions that have no replica any more, or have one again when
// change is negative.
func (p *holderPool) sleep(change int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sleepers += change
	ring(p.wanted)
}

// trim gives up the ready holders that are too many; whoever calls it removes them.
func (p *holderPool) trim() (surplus []holder) {
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
func (p *holderPool) awaitTurn(ctx context.Context) bool {
	for missing, _ := p.state(); missing <= 0; missing, _ = p.state() {
		select {
		case <-p.wanted:
		case <-ctx.Done():
			return false
		}
	}
	patience := time.After(quietPatience)
	for {
		select {
		case <-p.started:
		case <-patience:
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
