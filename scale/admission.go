package scale

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"faas-docker/function"
)

const (
	// unstatedMemory is what a replica is taken to need whose user did not say.
	unstatedMemory = 32 << 20

	mebibyte = 1 << 20
	gibibyte = 1 << 30
)

// Resources are amounts of what a host has.
type Resources struct {
	// CPU is in billionths of a core, Memory in bytes. Of a host, zero means not
	// known, and then there is no end to it.
	CPU    int64
	Memory int64
}

func (r Resources) plus(o Resources) Resources {
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
	reserved := Resources{Memory: unstatedMemory}
	for _, stated := range []*function.Resources{spec.Limits, spec.Requests} {
		if stated == nil {
			continue
		}
		if memory, err := function.ParseMemory(stated.Memory); err == nil {
			reserved.Memory = memory
		}
		if cpu, err := function.ParseCPU(stated.CPU); err == nil {
			reserved.CPU = cpu
		}
	}
	return reserved
}

// Spare says whether a replica makes room for others that carry calls. Those with
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

// Admission is the answer to a request for room.
type Admission struct {
	OK bool
	// Evict are the spares to remove first: those kept for a rollback, then those on
	// standby, then those beyond a minimum, and of each kind those that have been
	// frozen longest. It is empty when there is room without, or not even so.
	Evict []string
	// Reason says, for the caller's eyes, why the answer is no.
	Reason string
}

// Admit answers whether there is room for one more replica. What does not fit
// beside the others evicts spares of any function, no more than it takes; a replica
// that is no spare is never evicted. A replica that shall itself be a spare takes only what is free.
func Admit(request Resources, spare bool, b Budget) Admission {
	free, spares := b.free()
	if lack := b.lack(free, request); lack == "" {
		return Admission{OK: true}
	}
	var evicted []Reserved
	for _, s := range spares {
		if spare || b.lack(free, request) == "" {
			break
		}
		free = free.plus(s.Resources)
		evicted = append(evicted, s)
	}
	if lack := b.lack(free, request); lack != "" {
		return Admission{Reason: lack}
	}
	return Admission{OK: true, Evict: b.fewest(evicted, free, request)}
}

// free returns what nobody has reserved, and the spares, those that go first
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
	default:
		return ""
	}
}

func memoryText(bytes int64) string {
	if bytes >= gibibyte {
		return fmt.Sprintf("%.1f GiB", float64(bytes)/gibibyte)
	}
	return fmt.Sprintf("%d MiB", bytes/mebibyte)
}

func coresText(nanos int64) string { return fmt.Sprintf("%.2f cores", float64(nanos)/1e9) }
