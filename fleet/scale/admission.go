package scale

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"faas-docker/function"
)

// unstatedMemory is what a replica is taken to need whose user did not say.
const unstatedMemory = 32 << 20

// Resources are amounts of what a host has.
type Resources struct {
	// CPU is in billionths of a core, Memory in bytes. Of a host, zero means not
	// known, and then there is no end to it.
	CPU    int64
	Memory int64
}

// Plus returns the sum of both.
func (r Resources) Plus(o Resources) Resources {
	return Resources{CPU: r.CPU + o.CPU, Memory: r.Memory + o.Memory}
}

func (r Resources) minus(o Resources) Resources {
	return Resources{CPU: r.CPU - o.CPU, Memory: r.Memory - o.Memory}
}

// Reservable returns what of a host's resources functions may reserve: all but a
// tenth of the memory, which is left to the engine, to the provider and to the
// host itself.
func Reservable(host Resources) Resources {
	return Resources{CPU: host.CPU, Memory: host.Memory - host.Memory/10}
}

// Reservation returns what one replica of a function reserves: of each resource
// what it requests, or else its limit, or else 32 MiB of memory and no CPU.
func Reservation(spec function.Spec) Resources {
	limitMemory, limitCPU := spec.Limits.Amounts()
	memory, cpu := spec.Requests.Amounts()
	return Resources{CPU: cmp.Or(cpu, limitCPU), Memory: cmp.Or(memory, limitMemory, unstatedMemory)}
}

// Spare says whether a replica gives way to others that carry calls. Those with
// a higher value go first.
type Spare int

// The kinds of spare replicas; all but the first are frozen.
const (
	// NoSpare, the zero value, is never evicted.
	NoSpare Spare = iota
	// BeyondMin is one that its function should have, but not the last of them that
	// its minimum asks for.
	BeyondMin
	// Standby is one beyond those that its function should have.
	Standby
	// WayBack is one of a revision that is kept for a rollback.
	WayBack
)

// Reserved is one replica that is on the host, running or frozen, or in the
// making.
type Reserved struct {
	ID string
	Resources
	Spare Spare
	// Since is when it was frozen.
	Since time.Time
}

// Budget is what the host has and who has reserved it.
type Budget struct {
	// Capacity is what may be reserved in all: see Reservable.
	Capacity Resources
	// Replicas are those of all functions.
	Replicas []Reserved
}

// Admission is the answer to a request for capacity.
type Admission struct {
	// Evict are the spares to remove first: those kept for a rollback, then those on
	// standby, then those beyond a minimum, and of each kind those that have been
	// frozen longest. It is empty when the host has the capacity without, or not even so.
	Evict []string
	// Reason says, for the caller's eyes, why the answer is no; it is empty when it is yes.
	Reason string
}

// Admit answers whether the host has the capacity for one more replica. What does not fit
// beside the others evicts spares of any function, no more than it takes; a replica
// that is no spare is never evicted. A replica that shall itself be a spare takes only what is free.
func Admit(request Resources, spare bool, b Budget) Admission {
	free, spares := b.free()
	var evicted []Reserved
	for _, s := range spares {
		if spare || b.lack(free, request) == "" {
			break
		}
		free = free.Plus(s.Resources)
		evicted = append(evicted, s)
	}
	if lack := b.lack(free, request); lack != "" {
		return Admission{Reason: lack}
	}
	return Admission{Evict: b.fewest(evicted, free, request)}
}

// free returns what is not reserved, and the spares, those that go first
// first.
func (b Budget) free() (free Resources, spares []Reserved) {
	free = b.Capacity
	for _, r := range b.Replicas {
		free = free.minus(r.Resources)
		if r.Spare != NoSpare {
			spares = append(spares, r)
		}
	}
	slices.SortFunc(spares, func(a, b Reserved) int {
		return cmp.Or(cmp.Compare(b.Spare, a.Spare), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return free, spares
}

// fewest leaves out spares whose eviction turned out not to help: such as one
// that frees memory where CPU is short.
func (b Budget) fewest(evicted []Reserved, free, request Resources) []string {
	var ids []string
	for _, s := range evicted {
		if without := free.minus(s.Resources); b.lack(without, request) == "" {
			free = without
			continue
		}
		ids = append(ids, s.ID)
	}
	return ids
}

// lack says what is short; empty means nothing.
func (b Budget) lack(free, request Resources) string {
	switch {
	case b.Capacity.Memory > 0 && request.Memory > 0 && request.Memory > free.Memory:
		return fmt.Sprintf("the host has no room for a replica that reserves %s of memory: %s of %s are free; lower its memory request or limit, or scale other functions down",
			memoryText(request.Memory), memoryText(max(0, free.Memory)), memoryText(b.Capacity.Memory))
	case b.Capacity.CPU > 0 && request.CPU > 0 && request.CPU > free.CPU:
		return fmt.Sprintf("the host has no room for a replica that reserves %s: %s of %s are free; lower its cpu request or limit, or scale other functions down",
			coresText(request.CPU), coresText(max(0, free.CPU)), coresText(b.Capacity.CPU))
	}
	return ""
}

func memoryText(bytes int64) string {
	if bytes >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

func coresText(nanos int64) string { return fmt.Sprintf("%.2f cores", float64(nanos)/1e9) }

// Possible reports, as an ErrInvalid that names the field, what of a spec a host can never
// give, however empty it is: limits beyond what it has, and reservations beyond what
// functions may reserve of it for one replica. That there is room for fewer than the
// minimum is no reason to run none. What is not known of the host, zero, has no bound.
func Possible(spec function.Spec, host Resources) error {
	reserves := "" // the field that states what memory a replica reserves
	for _, stated := range []struct {
		field string
		*function.Resources
	}{{"limits", spec.Limits}, {"requests", spec.Requests}} {
		if stated.Resources == nil {
			continue
		}
		if stated.Memory != "" {
			reserves = stated.field + ".memory"
		}
		memory, cpu := stated.Amounts()
		if host.Memory > 0 && memory > host.Memory {
			return function.Invalid(stated.field+".memory", "%q is more than the %s that the machine has", stated.Memory, memoryText(host.Memory))
		}
		if host.CPU > 0 && cpu > host.CPU {
			return function.Invalid(stated.field+".cpu", "%q is more than the %s that the machine has", stated.CPU, coresText(host.CPU))
		}
	}
	each, capacity := Reservation(spec), Reservable(host)
	if reserves != "" && capacity.Memory > 0 && each.Memory > capacity.Memory {
		return function.Invalid(reserves, "a replica reserves %s, and functions may reserve %s of this machine's memory", memoryText(each.Memory), memoryText(capacity.Memory))
	}
	return nil
}
