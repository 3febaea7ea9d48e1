package fleet

import (
	"maps"
	"slices"
	"sync"

	"faas-docker/fleet/scale"
	"faas-docker/function"
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

// write replaces a function's page. When that may have made room it returns the
// functions that were refused.
func (l *ledger) write(name function.Name, page []scale.Reserved) (refused []function.Name) {
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
	delete(l.refused, name) // it is about to look by itself
	return l.takeRefused()
}

// roomier reports whether a page now reserves less than before, or more of it is
// spare.
func roomier(before, page []scale.Reserved) bool {
	sum := func(page []scale.Reserved) (firm, all scale.Resources) {
		for _, r := range page {
			all = all.Plus(r.Resources)
			if r.Spare == scale.NoSpare {
				firm = firm.Plus(r.Resources)
			}
		}
		return firm, all
	}
	less := func(a, b scale.Resources) bool { return a.CPU < b.CPU || a.Memory < b.Memory }
	firmBefore, allBefore := sum(before)
	firmNow, allNow := sum(page)
	return less(firmNow, firmBefore) || less(allNow, allBefore)
}

// takeRefused returns the functions that were refused, and clears their refusals. It requires
// mu.
func (l *ledger) takeRefused() []function.Name {
	names := slices.Collect(maps.Keys(l.refused))
	clear(l.refused)
	return names
}

// resize sets what may be reserved in all. When that is more than before it
// returns the functions that were refused.
func (l *ledger) resize(capacity scale.Resources) (refused []function.Name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.capacity == capacity {
		return nil
	}
	l.capacity = capacity
	return l.takeRefused()
}

// admit reserves room for one more replica of a function. What has to make room
// for it is off the books at once. Without room it says why.
func (l *ledger) admit(name function.Name, request scale.Resources, spare bool) (evicted []eviction, refusal string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	answer := scale.Admit(request, spare, l.budget(function.Name{}, nil))
	if answer.Reason != "" {
		l.refused[name] = true
		return nil, answer.Reason
	}
	for _, id := range answer.Evict {
		evicted = append(evicted, l.strike(id))
	}
	l.pages[name] = append(slices.Clone(l.pages[name]), scale.Reserved{Resources: request})
	return evicted, ""
}

// lack says why there would be no room for one more replica if some of those of a function
// had gone; empty when there is. Without a name none goes.
func (l *ledger) lack(request scale.Resources, of function.Name, goes func(scale.Reserved) bool) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return scale.Admit(request, false, l.budget(of, goes)).Reason
}

// budget is the capacity and what is reserved of it, but for what goes of a function. It
// requires mu.
func (l *ledger) budget(of function.Name, goes func(scale.Reserved) bool) scale.Budget {
	budget := scale.Budget{Capacity: l.capacity}
	for owner, page := range l.pages {
		if owner == of {
			page = slices.DeleteFunc(slices.Clone(page), goes)
		}
		budget.Replicas = append(budget.Replicas, page...)
	}
	return budget
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
