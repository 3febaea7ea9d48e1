package policy

import (
	"sync"
	"time"
)

const (
	// budgetWindow is the time over which calls and further tries are compared.
	budgetWindow = 10 * time.Second
	// budgetFloor is how many further tries the window may have, however few the calls.
	budgetFloor = 10
)

// budget keeps further tries to a share of the calls: they must not multiply a load that fails.
type budget struct {
	share float64

	mu sync.Mutex
	// began is when it was first used: seconds are counted from there.
	began time.Time
	ring  [budgetWindow / time.Second]struct {
		second       int64
		calls, extra int
	}
}

func (b *budget) called() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ring[b.now()].calls++
}

// take counts a further try, if there may be one.
func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	oldest := b.ring[now].second - int64(len(b.ring))
	calls, extra := 0, 0
	for _, slot := range b.ring {
		if slot.second > oldest {
			calls += slot.calls
			extra += slot.extra
		}
	}
	if extra >= budgetFloor && float64(extra+1) > b.share*float64(calls) {
		return false
	}
	b.ring[now].extra++
	return true
}

// now is the place of this second, emptied of an earlier second.
func (b *budget) now() int {
	if b.began.IsZero() {
		b.began = time.Now()
	}
	second := int64(time.Since(b.began) / time.Second)
	place := int(second % int64(len(b.ring)))
	if slot := &b.ring[place]; slot.second != second {
		slot.second, slot.calls, slot.extra = second, 0, 0
	}
	return place
}
