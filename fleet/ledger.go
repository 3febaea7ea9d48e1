package fleet

import (
	"slices"
	"sync"

	"faas-docker/function"
	"faas-docker/scale"
)

// ledger is who has reserved what of the host. Every worker keeps the page of its
// own function. It is safe for concurrent use.
type ledger struct {
	mu       sync.Mutex
	capacity scale.Resources
	pages    map[function.Name][]scale.Reserved
	// refused are the functions that were told that there is no room.
	refused map[function.Name]bool
}

// eviction is a spare that has to make room.
type eviction struct {
	owner function.Name
	scale.Reserved
}

func newLedger() *ledger {
	return &ledger{pages: map[function.Name][]scale.Reserved{}, refused: map[function.Name]bool{}}
}

// write replaces a function's page. When that may have made room it returns who
// was told that there is none.
func (l *ledger) write(name function.Name, page []scale.Reserved) (hopeful []function.Name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.pages[name]
	if slices.Equal(before, page) {
		return nil
	}
	l.pages[name] = page
	if len(page) == 0 {
		delete(l.pages, name)
	}
	if !roomier(before, page) {
		return nil
	}
	return l.hopeful(name)
}

// roomier reports whether a page now reserves less than before, or more of it is
// spare.
func roomier(before, page []scale.Reserved) bool {
	firm := func(page []scale.Reserved) (firm, all scale.Resources) {
		for _, r := range page {
			all.CPU, all.Memory = all.CPU+r.CPU, all.Memory+r.Memory
			if r.Spare == scale.NoSpare {
				firm.CPU, firm.Memory = firm.CPU+r.CPU, firm.Memory+r.Memory
			}
		}
		return firm, all
	}
	firmBefore, allBefore := firm(before)
	firmNow, allNow := firm(page)
	return firmNow.CPU < firmBefore.CPU || firmNow.Memory < firmBefore.Memory ||
		allNow.CPU < allBefore.CPU || allNow.Memory < allBefore.Memory
}

// hopeful returns those who were refused, but for one, and forgets that they were.
// It requires mu.
func (l *ledger) hopeful(but function.Name) []function.Name {
	var names []function.Name
	for name := range l.refused {
		if name != but {
			names = append(names, name)
			delete(l.refused, name)
		}
	}
	return names
}

// resize sets what may be reserved in all. When that is more than before it
// returns who was told that there is no room.
func (l *ledger) resize(capacity scale.Resources) (hopeful []function.Name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.capacity == capacity {
		return nil
	}
	l.capacity = capacity
	return l.hopeful(function.Name{})
}

// admit reserves room for one more replica of a function. What has to make room
// for it is off the books at once. Without room it says why.
func (l *ledger) admit(name function.Name, request scale.Resources, spare bool) (evicted []eviction, refusal string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	budget := scale.Budget{Capacity: l.capacity}
	for _, page := range l.pages {
		budget.Replicas = append(budget.Replicas, page...)
	}
	answer := scale.Admit(request, spare, budget)
	if !answer.OK {
		l.refused[name] = true
		return nil, answer.Reason
	}
	for _, id := range answer.Evict {
		evicted = append(evicted, l.strike(id))
	}
	l.pages[name] = append(slices.Clone(l.pages[name]), scale.Reserved{Resources: request})
	return evicted, ""
}

// strike takes a spare off the books. It requires mu.
func (l *ledger) strike(id string) eviction {
	for owner, page := range l.pages {
		i := slices.IndexFunc(page, func(r scale.Reserved) bool { return r.ID == id })
		if i >= 0 {
			struck := page[i]
			l.pages[owner] = slices.Delete(slices.Clone(page), i, i+1)
			return eviction{owner: owner, Reserved: struck}
		}
	}
	return eviction{}
}
