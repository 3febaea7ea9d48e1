package fleet

import (
	"context"
	"fmt"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/resolver"
)

// pulse is one check that a replica is under since it runs.
type pulse struct {
	check function.Probe
	// due is when it is to be asked next.
	due      time.Time
	asking   bool
	failures int // in a row
}

// follow returns the check that a replica is under from now on, which begins after a delay; p
// is the one that it was under. nil is none.
func (p *pulse) follow(check function.Probe, now time.Time, delay time.Duration) *pulse {
	switch {
	case !check.Wanted:
		return nil
	case p == nil:
		return &pulse{check: check, due: now.Add(delay)}
	}
	p.check = check
	return p
}

// pulses are the checks of one replica.
type pulses struct{ health, ready *pulse }

// due lists those that are to be asked by then.
func (p pulses) due(now time.Time) (list []*pulse) {
	for _, each := range []*pulse{p.health, p.ready} {
		if each != nil && !each.asking && !now.Before(each.due) {
			list = append(list, each)
		}
	}
	return list
}

// next is when the first is to be asked; zero is never.
func (p pulses) next() (at time.Time) {
	for _, each := range []*pulse{p.health, p.ready} {
		if each != nil && !each.asking {
			at = scale.Earlier(at, each.due)
		}
	}
	return at
}

// followChecks has replicas under the checks of their revisions that take calls: of one that
// is frozen nothing is expected, and when it thaws its time begins anew.
func (w *worker) followChecks(v view) {
	type probes struct{ health, ready function.Probe }
	wanted := map[uint64]probes{}
	for _, m := range v.members {
		check, known := wanted[m.Revision]
		if !known {
			// Deployments with a bad check are refused; an older one has the defaults.
			ready, _ := w.deployment(m.Revision).Settings().Readiness()
			check = probes{w.healthCheck(m.Revision), ready.Probe}
			wanted[m.Revision] = check
		}
		n := w.of(m.ID)
		// One that said that it is not ready may hang meanwhile.
		unready := m.Phase == replica.Suspect && m.Doubt == replica.Unready
		if m.Phase != replica.Ready && !unready || m.State != function.Running || m.IsChanging() {
			n.pulses = pulses{}
			continue
		}
		n.pulses.health = n.pulses.health.follow(check.health, v.now, check.health.Delay)
		n.pulses.ready = n.pulses.ready.follow(check.ready, v.now, check.ready.Period)
		if unready {
			n.pulses.ready = nil
		}
	}
}

// watch picks the replicas that are to be asked now.
func (p *plan) watch(v view) {
	for _, m := range v.members {
		if next := v.note(m.ID).pulses.next(); !next.IsZero() && !p.waits(v, next) {
			p.check = append(p.check, m)
		}
	}
}

// check asks a running replica what is due.
func (w *worker) check(ctx context.Context, m resolver.Member) {
	for _, asked := range w.of(m.ID).pulses.due(time.Now()) {
		asked.asking = true
		check := asked.check
		w.task(func() func(*worker) {
			err := w.fleet.Ask(ctx, m.Replica, check)
			return func(w *worker) {
				asked.asking, asked.due = false, time.Now().Add(check.Period)
				// The silence of one that was frozen or stopped meanwhile means nothing.
				known := w.of(m.ID).pulses
				if ctx.Err() == nil && (asked == known.health || asked == known.ready) {
					w.judge(ctx, m, asked, err)
				}
			}
		})
	}
}

// judge replaces a replica that has failed its health check too often in a row, and
// takes one out of rotation that has said too often that it is not ready.
func (w *worker) judge(ctx context.Context, m resolver.Member, asked *pulse, err error) {
	if err == nil {
		asked.failures = 0
		return
	}
	if function.IsExhausted(err) {
		w.fleet.Logger.Debug("replica not probed: no file descriptors left", "function", w.name, "replica", m.Instance, "err", err)
		return
	}
	asked.failures++
	w.fleet.Logger.Debug("check failed", "function", w.name, "replica", m.Instance, "failures", asked.failures, "err", err)
	switch {
	case asked.failures < asked.check.Failures:
	case asked == w.of(m.ID).pulses.health:
		w.giveUp(ctx, m, fmt.Sprintf("failed its health check %d times and is replaced: %v", asked.failures, err))
	default:
		w.note("replica %s takes no calls until it is ready again: it %v", m.Instance, err)
		w.fleet.Logger.Warn("replica became unready", "function", w.name, "replica", m.Instance, "err", err)
		w.tell(m.ID, replica.Event{Kind: replica.Doubted, Doubt: replica.Unready})
	}
}

// unbounded is how long a replica may be unready that its health check does not mind.
const unbounded = 365 * 24 * time.Hour

// patience is how long a replica may be silent before it is given up. One that
// answered before and cannot be reached any more has less time than one that may
// still be on its way; one that said itself that it is not ready has any.
func (w *worker) patience(m resolver.Member) time.Duration {
	switch {
	case m.Doubt == replica.Unready:
		return unbounded
	case m.Answered && m.Doubt != replica.Denied:
		return min(w.healthCheck(m.Revision).Patience(), w.fleet.StartTimeout)
	}
	return w.fleet.StartTimeout
}

// healthCheck is how replicas of a revision are asked; the defaults if what it
// says cannot be used.
func (w *worker) healthCheck(revision uint64) function.Probe {
	// Deployments with a bad check are refused; an older one has the defaults.
	check, _ := w.deployment(revision).Settings().HealthCheck()
	return check
}

// readiness is how a replica is asked whether it is ready. Only one that has just been
// started is left alone at first.
func (w *worker) readiness(m resolver.Member) function.Readiness {
	ready, _ := w.deployment(m.Revision).Settings().Readiness()
	if m.Answered || w.of(m.ID).found {
		ready.Delay = 0
	}
	if (m.Doubt == replica.Denied || w.hidden) && ready.Upstream.Port == 0 {
		ready.Upstream.Unknown = true
	}
	return ready
}
