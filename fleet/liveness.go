package fleet

import (
	"context"
	"fmt"
	"time"

	"faas-docker/function"
	"faas-docker/resolver"
)

// pulse is what is known of the health of one replica since it runs.
type pulse struct {
	// due is when it is to be asked next.
	due      time.Time
	asking   bool
	failures int // in a row
}

// checks says when each of the replicas whose health is watched is to be asked
// next. Those are the ones that take calls: of one that is frozen nothing is
// expected, and when it thaws its time begins anew.
func (w *worker) checks(v view) map[string]time.Time {
	due, wanted := map[string]time.Time{}, map[uint64]function.HealthCheck{}
	for _, m := range v.members {
		check, known := wanted[m.Revision]
		if !known {
			check = w.healthCheck(m.Revision)
			wanted[m.Revision] = check
		}
		n := w.of(m.ID)
		if !check.Wanted || !m.Ready || m.State != function.Running || m.Warmth != resolver.Awake || v.changing[m.ID] || v.leaving[m.ID] {
			n.pulse = nil
			continue
		}
		if n.pulse == nil {
			n.pulse = &pulse{due: v.now.Add(check.Delay)}
		}
		if !n.pulse.asking {
			due[m.ID] = n.pulse.due
		}
	}
	return due
}

// watch picks the replicas that are to be asked now.
func (p *plan) watch(v view) {
	for _, m := range v.members {
		due, watched := v.checks[m.ID]
		switch {
		case !watched:
		case v.now.Before(due):
			p.again = earlier(p.again, due)
		default:
			p.check = append(p.check, m.Replica)
		}
	}
}

// check asks a running replica whether it still answers, and replaces it when it
// has failed to for too often.
func (w *worker) check(ctx context.Context, replica function.Replica) {
	check, asked := w.healthCheck(replica.Revision), w.of(replica.ID).pulse
	asked.asking = true
	w.task(func() func(*worker) {
		limited, cancel := context.WithTimeout(ctx, check.Timeout)
		defer cancel()
		err := w.fleet.Ask(limited, replica, check.Path)
		return func(w *worker) {
			asked.asking, asked.due = false, time.Now().Add(check.Period)
			if ctx.Err() != nil || w.of(replica.ID).pulse != asked || w.changing[replica.ID] {
				// It was frozen or stopped meanwhile: that it is silent means nothing.
				return
			}
			w.judge(ctx, replica, check, err)
		}
	})
}

func (w *worker) judge(ctx context.Context, replica function.Replica, check function.HealthCheck, err error) {
	asked := w.of(replica.ID).pulse
	if err == nil {
		asked.failures = 0
		return
	}
	asked.failures++
	w.fleet.Logger.Debug("health check failed", "function", w.name, "replica", replica.Instance, "failures", asked.failures, "err", err)
	if asked.failures >= check.Failures {
		w.giveUp(ctx, replica, fmt.Sprintf("failed its health check %d times and is replaced: %v", asked.failures, err))
	}
}

// patience is how long a replica may be silent before it is given up. One that
// answered before and cannot be reached any more has less time than one that may
// still be on its way.
func (w *worker) patience(replica function.Replica) time.Duration {
	if w.of(replica.ID).admitted {
		return min(w.healthCheck(replica.Revision).Patience(), w.fleet.StartTimeout)
	}
	return w.fleet.StartTimeout
}

// healthCheck is how replicas of a revision are asked; the defaults if what it
// says cannot be used.
func (w *worker) healthCheck(revision uint64) function.HealthCheck {
	// Deployments with a bad check are refused; an older one has the defaults.
	check, _ := w.specOf(revision).HealthCheck()
	return check
}
