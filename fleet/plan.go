package fleet

import (
	"time"

	"faas-docker/function"
	"faas-docker/resolver"
	"faas-docker/scale"
)

// view is everything a worker knows when it decides.
type view struct {
	now time.Time
	// want is the function as it should be; nil when it was deleted.
	want *function.Function
	// members are its replicas as the resolver knows them, oldest first.
	members []resolver.Member
	// waiting is the number of callers in line.
	waiting int
	// policy and idleSince are what the autoscaler says of the function; needed is
	// how many of the wanted replicas the calls need just now: others may be frozen.
	policy    scale.Policy
	needed    int
	idleSince time.Time

	// prepared is set when the wanted revision's image and secrets are in place.
	prepared bool
	// stale is set when running replicas still have an old secret.
	stale bool
	// The tasks under way: starting counts the containers of the wanted revision
	// in the making, making those of any revision; probing are replicas that are
	// asked whether they answer, changing those that are being frozen or thawed,
	// leaving those that are being stopped or buried.
	preparing bool
	starting  int
	making    int
	probing   map[string]bool
	changing  map[string]bool
	leaving   map[string]bool
	// since is when each replica took its present temperature.
	since map[string]time.Time
	// notBefore is when the next start may be tried after failures.
	notBefore time.Time
}

// plan is what to do now. The zero plan does nothing.
type plan struct {
	prepare bool
	start   int
	probe   []function.Replica
	freeze  []function.Replica
	thaw    []function.Replica
	retire  []function.Replica
	bury    []resolver.Member
	// again is when to look again though nothing rings; zero means never.
	again time.Time
	// settled is set when the wanted revision answers in full and no other is left.
	settled bool
	// over is set when the function is deleted and nothing of it is left.
	over bool
}

// decide compares what should be with what is. It is the whole policy of the
// fleet, and pure.
func decide(v view) plan {
	var p plan
	current, others := v.sort(&p)
	if v.want == nil {
		p.probe, p.thaw = nil, nil
		p.retire = append(replicas(current), replicas(others)...)
		p.over = len(v.members) == 0 && v.making == 0 && !v.preparing
		return p
	}
	warmth := scale.Warmth(v.warmthView(current))
	p.fill(v, warmth.Start+warmth.Spares)
	p.freeze = pick(current, warmth.Freeze)
	p.thaw = append(p.thaw, pick(current, warmth.Thaw)...)
	p.retire = pick(current, warmth.Remove)
	p.again = earlier(p.again, warmth.Again)
	if v.serves(current) {
		p.settled = len(others) == 0 && warmth.Start == 0 && len(p.retire) == 0
		p.retire = append(p.retire, replicas(others)...)
	}
	return p
}

// serves reports whether the wanted revision can take the calls: as many of its
// replicas as should be are ready, or frozen.
func (v view) serves(current []resolver.Member) bool {
	able := 0
	for _, m := range current {
		if m.Ready || m.Warmth == resolver.Asleep {
			able++
		}
	}
	return able >= v.want.Replicas
}

// warmthView describes the replicas of the wanted revision to the scale room.
func (v view) warmthView(current []resolver.Member) scale.WarmthView {
	replicas := make([]scale.Warm, len(current))
	for i, m := range current {
		temperature := scale.Running
		if m.Warmth == resolver.Asleep || m.State == function.Paused && m.Warmth == resolver.Awake {
			temperature = scale.Frozen
		}
		replicas[i] = scale.Warm{
			ID: m.ID, Revision: m.Revision, Temperature: temperature, Changing: v.changing[m.ID],
			Ready: m.Ready, InFlight: m.InFlight, LastUsed: m.LastUsed, Since: v.since[m.ID],
		}
	}
	return scale.WarmthView{
		Now: v.now, Policy: v.policy, Revision: v.want.Revision, Replicas: replicas,
		Starting: v.starting, Want: v.want.Replicas, Busy: v.needed, Waiting: v.waiting, IdleSince: v.idleSince,
	}
}

// pick returns the replicas that have these IDs, in their order.
func pick(members []resolver.Member, ids []string) []function.Replica {
	var list []function.Replica
	for _, id := range ids {
		for _, m := range members {
			if m.ID == id {
				list = append(list, m.Replica)
			}
		}
	}
	return list
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// sort puts each member where it belongs: to be buried, thawed or probed, and
// among the live replicas of the wanted revision or of others.
func (v view) sort(p *plan) (current, others []resolver.Member) {
	for _, m := range v.members {
		if v.leaving[m.ID] || m.Withdrawn && m.State != function.Exited {
			continue
		}
		switch m.State {
		case function.Exited:
			p.bury = append(p.bury, m)
			continue
		case function.Created:
			// Either one of ours is between create and start, or a provider died there.
			if v.making == 0 {
				p.bury = append(p.bury, m)
			}
			continue
		case function.Paused:
			// Lent while it slept: the thaw is what its borrower waits for.
			if m.Warmth == resolver.Waking && !v.changing[m.ID] {
				p.thaw = append(p.thaw, m.Replica)
			}
		case function.Running:
			if !m.Ready && !v.probing[m.ID] && !v.changing[m.ID] {
				p.probe = append(p.probe, m.Replica)
			}
		}
		if v.want != nil && m.Revision == v.want.Revision {
			current = append(current, m)
		} else {
			others = append(others, m)
		}
	}
	return current, others
}

// fill starts what is missing, after the image and the secrets are in place, and
// not before a failure's pause is over.
func (p *plan) fill(v view, missing int) {
	if missing <= 0 && !v.stale {
		return
	}
	if v.preparing {
		return
	}
	if v.now.Before(v.notBefore) {
		p.again = v.notBefore
		return
	}
	if !v.prepared {
		p.prepare = true
		return
	}
	p.start = max(0, missing)
}

func replicas(members []resolver.Member) []function.Replica {
	list := make([]function.Replica, len(members))
	for i, m := range members {
		list[i] = m.Replica
	}
	return list
}
