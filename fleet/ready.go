package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"faas-docker/function"
	"faas-docker/function/clock"
)

const (
	probePause = 200 * time.Microsecond
	// slowPause is the longest pause between two attempts: a function that boots
	// for seconds costs five dials a second.
	slowPause = 200 * time.Millisecond
	// firstAskPause and slowAskPause are the shortest and the longest pause between two
	// questions to a watchdog for its process.
	firstAskPause = 10 * time.Millisecond
	slowAskPause  = 500 * time.Millisecond
	// portPatience is how long nothing has to listen on the port before others are
	// tried, and portPause how long until they are tried again.
	portPatience = 2 * time.Second
	portPause    = 10 * time.Second
)

// awaitHTTP returns nil as soon as the replica is ready for calls. When ctx ends first
// it returns what the last attempt said, or that one could not be made
// (function.IsExhausted): the replica may have been ready then. tell is called with what
// is said, each time that is something else than before.
func awaitHTTP(ctx context.Context, replica function.Replica, ready function.Readiness, tell func(string)) error {
	if ready.Delay > 0 {
		tell(fmt.Sprintf("is in its initial delay of %s", ready.Delay))
		if clock.Sleep(ctx, ready.Delay) != nil {
			return errors.New("its initial delay is not over")
		}
	}
	w := waiting{ready: ready, replica: replica, gap: probePause, began: time.Now(), tell: tell}
	return w.wait(ctx)
}

// waiting is the wait for one replica.
type waiting struct {
	ready   function.Readiness
	replica function.Replica
	tell    func(string)
	began   time.Time
	// gap is how long it is until the next attempt, unless the function says so.
	gap time.Duration
	// listens is set when the process behind the watchdog was seen to listen; until then
	// the watchdog is not asked for it before askNext.
	listens bool
	askNext time.Time
	askGap  time.Duration
	// said is what was told last.
	said string
	// elsewhere are the ports that were found open while nothing listened on the right
	// one; looked is when they were looked for.
	elsewhere []int
	looked    time.Time
}

func (w *waiting) wait(ctx context.Context) error {
	successes := 0
	var last, exhausted error
	for {
		err := w.attempt(ctx)
		if function.IsExhausted(err) {
			exhausted = err
		}
		switch {
		case err != nil && last != nil && isOver(ctx):
			return cmp.Or(exhausted, last) // the attempt was broken off
		case err != nil:
			successes = 0
			err = w.explain(ctx, err)
		default:
			if successes++; successes >= w.ready.Successes {
				return nil
			}
		}
		last = err
		if err != nil && w.said != err.Error() {
			w.said = err.Error()
			w.tell(w.said)
		}
		if clock.Sleep(ctx, w.next(err)) != nil {
			return cmp.Or(exhausted, err)
		}
	}
}

// isOver reports whether ctx has ended, or is about to: what is bounded by its deadline
// may notice first.
func isOver(ctx context.Context) bool {
	deadline, bounded := ctx.Deadline()
	return ctx.Err() != nil || bounded && !time.Now().Before(deadline)
}

func (w *waiting) attempt(ctx context.Context) error {
	if err := (probe{w.replica.Address, w.ready.Probe}).ask(ctx); err != nil {
		return err
	}
	if w.listens {
		return nil
	}
	err := w.attemptUpstream(ctx)
	w.listens = err == nil
	return err
}

// attemptUpstream looks for the process behind the watchdog. The watchdog itself is asked
// less often: it writes a line each time.
func (w *waiting) attemptUpstream(ctx context.Context) error {
	u := upstream{w.replica.Address, w.ready.Upstream}
	if u.connects(ctx) {
		return nil
	}
	if time.Now().Before(w.askNext) {
		return u.silent()
	}
	err := u.askWatchdog(ctx)
	w.askGap = min(max(2*w.askGap, firstAskPause), slowAskPause)
	w.askNext = time.Now().Add(w.askGap)
	return err
}

// next is how long to wait after an attempt. A function usually listens within a
// millisecond of its start, so the first attempts follow one another closely; only
// those that it has answered keep to the period that it names.
func (w *waiting) next(err error) time.Duration {
	var refused *refusal
	if err == nil || w.ready.Paced && !errors.As(err, &refused) {
		return w.ready.Period
	}
	gap := w.gap
	w.gap = min(w.gap*3/2, slowPause)
	return gap
}

// explain adds where a function listens that does not on its port.
func (w *waiting) explain(ctx context.Context, err error) error {
	var refused *refusal
	if !errors.As(err, &refused) || refused.port != w.replica.Address.Port() {
		w.elsewhere, w.looked = nil, time.Time{}
		return err
	}
	if time.Since(w.began) < portPatience {
		return err
	}
	if w.looked.IsZero() || time.Since(w.looked) >= portPause {
		w.elsewhere = openPorts(ctx, w.replica.Address, w.ready.Ports)
		w.looked = time.Now()
	}
	return &misplaced{refused, w.elsewhere}
}
