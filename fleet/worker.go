package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/resolver"
)

// worker keeps one function as it should be. Everything but its mailbox belongs
// to the goroutine that executes run, of which there is one at a time, or none; tasks
// beside it report by mail.
type worker struct {
	fleet *Fleet
	name  function.Name
	mailbox
	// alarm rings when time alone makes a difference; nil before the first.
	alarm *time.Timer
	// tasks counts those under way.
	tasks int

	// last is the function as it was last wanted; it outlives a deletion, for the
	// sake of draining.
	last function.Function
	provision
	scaling
	// notes are what is remembered of the replicas beyond their records.
	notes map[string]*note
	// hidden is set once a watchdog was seen to wait for a process of which the
	// environment says nothing.
	hidden bool
	// seasoned is set when the worker has looked once.
	seasoned bool
	making   makings // containers that are not there yet
	// backoffs space the starts of each revision.
	backoffs map[uint64]*backoff
	pinch    pinch
	window   rollbackWindow
	// forgetful is set while the store does not take what is to be remembered of the
	// revisions.
	forgetful bool
}

// provision is what the revisions need on the engine: images and secrets.
type provision struct {
	// prepared is the revision that has all of it in place; zero is none.
	prepared uint64
	// preparing is the revision of which that is being put in place, if any; cancelPreparing no longer
	// waits for its image.
	preparing       uint64
	cancelPreparing context.CancelFunc
	// stale is set when running replicas may have an old secret; epoch counts how
	// often it was set, so that a preparation under way does not clear it.
	stale bool
	epoch int
	// untidy is set when secrets of old revisions may be left on the engine.
	untidy bool
}

// scaling is how many replicas the function should have, and why.
type scaling struct {
	scaler *scale.Autoscaler
	// unwritten is the last decision of scaler while the store could not take it.
	unwritten *unwritten
	// resting is set while the function is wanted, without any replica.
	resting bool
	// millicores is what the replicas consumed when that was last measured.
	millicores float64
	measured   time.Time
	measuring  bool
}

func newWorker(f *Fleet, name function.Name) *worker {
	return &worker{
		fleet:    f,
		name:     name,
		notes:    map[string]*note{},
		scaling:  scaling{scaler: scale.NewAutoscaler(scale.Policy{}), millicores: notMeasured},
		backoffs: map[uint64]*backoff{},
	}
}

// run reads the mail and looks, as often as it is rung meanwhile. When ctx has ended it
// only reads: what its tasks have to report.
func (w *worker) run(ctx context.Context) {
	for mail, rung := w.take(); rung; mail, rung = w.take() {
		for _, act := range mail {
			act(w)
		}
		if ctx.Err() == nil && w.turn(ctx) && w.fleet.dismiss(w) {
			return
		}
	}
}

// turn looks and acts once, and reports whether the function was deleted and nothing is
// left to be done for it.
func (w *worker) turn(ctx context.Context) (over bool) {
	w.measure(ctx)
	p := w.look()
	w.carryOut(ctx, p)
	again := p.again
	if w.forgetful || w.unwritten != nil {
		again = scale.Earlier(again, time.Now().Add(rewritePause))
	}
	w.lookAgain(again)
	return p.over && w.tasks == 0
}

// rereadPause is how often a store is asked again that could not be read.
const rereadPause = 5 * time.Second

// rewritePause is how often a store is tried again that could not be written.
const rewritePause = time.Minute

// lookAgain has the worker rung at a time; zero means that time alone is no reason.
func (w *worker) lookAgain(at time.Time) {
	switch {
	case !at.IsZero() && w.alarm == nil:
		w.alarm = time.AfterFunc(time.Until(at), func() { w.fleet.Ring(w.name) })
	case !at.IsZero():
		w.alarm.Reset(time.Until(at))
	case w.alarm != nil:
		w.alarm.Stop()
	}
}

func (w *worker) look() plan {
	load := w.fleet.Resolver.Load(w.name)
	v := view{
		now:      time.Now(),
		members:  w.fleet.Resolver.Members(w.name),
		notes:    w.notes,
		pinch:    w.pinch,
		demand:   demand{waiting: load.Waiting},
		progress: progress{preparing: w.preparing != 0, stale: w.stale, making: len(w.making), queued: w.making.queued()},
	}
	var again time.Time
	wanted, err := w.fleet.Store.Function(w.name)
	switch {
	case err == nil:
		w.want(wanted)
		wanted = w.expire(wanted)
		wanted, again = w.scale(wanted, load, &v)
		w.fleet.Resolver.Alarm(w.name, v.policy.Carries(wanted.Replicas), load.InFlight)
		v.want = &wanted
		v.starting = w.unseen(wanted.Revision, v.members)
		v.prepared = w.prepared == wanted.Revision
	case !errors.Is(err, function.ErrNotFound):
		// It is not deleted as long as the store does not say so.
		w.fleet.Logger.Error("function not read from the store", "function", w.name, "err", err, "retry_in", rereadPause)
		return plan{again: v.now.Add(rereadPause)}
	}
	w.outdate(&v)
	w.rest(v.want != nil && v.want.Replicas == 0)
	w.countCrashes(v.members)
	w.remember(v.members)
	v.notBefore = w.backoff(w.last.Revision).notBefore
	w.lookBack(&v)
	w.followChecks(v)
	w.fleet.ringAll(w.fleet.ledger.write(w.name, w.claims(v)))
	p := decide(v)
	p.ending = p.removesAny(v)
	p.again = scale.Earlier(p.again, again)
	return p
}

// scale asks the autoscaler how many replicas the function should have, and writes
// that down when it is news.
func (w *worker) scale(f function.Function, load function.Load, v *view) (wanted function.Function, again time.Time) {
	stored := f
	if w.unwritten.isAbout(f) {
		f.Replicas = w.unwritten.replicas
	} else {
		w.unwritten = nil
	}
	sample := sampleOf(load, v.now, w.consumed(v.now), f.Replicas)
	sample.HostBusy = math.Float64frombits(w.fleet.busy.Load())
	w.scaler.Observe(sample)
	decision := w.scaler.Decide(v.now)
	v.policy, v.idleSince = w.scaler.Policy(), w.scaler.IdleSince()
	v.needed = v.policy.Need(sample)
	if decision.Replicas != stored.Replicas {
		f = w.rescale(stored, decision)
	}
	return f, decision.Again
}

// unwritten is how many replicas a function should have, in place of what the
// store says of its revision.
type unwritten struct {
	revision         uint64
	stored, replicas int
}

// isAbout reports whether f is what could not be changed: somebody else's word
// counts for more.
func (u *unwritten) isAbout(f function.Function) bool {
	return u != nil && u.revision == f.Revision && u.stored == f.Replicas
}

// rescale writes down how many replicas a function should have. With a store that
// cannot be written, as when its disk is full, the decision holds all the same, and
// is written down later: a function at zero must wake.
func (w *worker) rescale(f function.Function, decision scale.Decision) function.Function {
	changed, err := w.fleet.Store.Change(w.name, func(kept function.Function) (function.Function, bool) {
		same := kept.Replicas == f.Replicas && kept.Revision == f.Revision
		kept.Replicas = decision.Replicas
		return kept, same
	})
	if err != nil {
		if w.unwritten == nil {
			w.fleet.Logger.Error("scaling not saved", "function", w.name, "replicas", decision.Replicas, "err", err)
		}
		w.unwritten = &unwritten{revision: f.Revision, stored: f.Replicas, replicas: decision.Replicas}
		f.Replicas = decision.Replicas
		return f
	}
	w.unwritten = nil
	w.fleet.Logger.Info("function scaled", "function", w.name, "from", f.Replicas, "replicas", changed.Replicas, "why", decision.Why)
	w.want(changed)
	return changed
}

// rest says whether the function has no replica and waits to be called.
func (w *worker) rest(resting bool) {
	if resting == w.resting {
		return
	}
	w.resting = resting
	change := -1
	if resting {
		change = 1
	}
	w.fleet.Rested(change)
}

// unseen counts the replicas of a revision in the making that are not yet among its
// members.
func (w *worker) unseen(revision uint64, members []resolver.Member) int {
	unseen := w.making.of(revision)
	for _, m := range members {
		if len(w.making) == 0 {
			w.of(m.ID).counted = true
		}
		alive := m.State == function.Running || m.State == function.Paused
		if m.Revision == revision && alive && !w.of(m.ID).counted {
			unseen--
		}
	}
	return max(0, unseen)
}

// want notices a new revision, or that an old one is back: its secrets may have
// changed meanwhile.
func (w *worker) want(f function.Function) {
	if f.Revision != w.last.Revision {
		w.untidy = w.last.Revision != 0
		policy, err := scale.Parse(f.Spec)
		if err != nil {
			// Deployments with bad labels are refused; this one is older than the rule.
			w.fleet.Logger.Error("scaling labels ignored", "function", w.name, "err", err)
		}
		w.scaler.Update(policy)
		// Why callers were turned away was the revision's before.
		w.fleet.Resolver.ClearRefusal(w.name)
		if f.Revision < w.last.Revision && len(f.Secrets) > 0 {
			w.refreshSecrets()
		}
	}
	w.last = f
	maps.DeleteFunc(w.backoffs, func(revision uint64, _ *backoff) bool { return !inService(w.last, revision) })
}

// backoff spaces the starts of a revision. A new one starts with a clean slate.
func (w *worker) backoff(revision uint64) *backoff {
	if w.backoffs[revision] == nil {
		w.backoffs[revision] = &backoff{}
	}
	return w.backoffs[revision]
}

// departure is how long before it is found to be away an engine may fail what it is
// asked for: one that is being shut down stops all containers first.
const departure = 15 * time.Second

// forgive forgets the failures of each revision that failed since then: while the engine
// was away everything failed, and the pauses that grew meanwhile say nothing of the
// function. A revision that failed before, and not again, keeps its pause.
func (w *worker) forgive(since time.Time) {
	known := len(w.backoffs)
	maps.DeleteFunc(w.backoffs, func(_ uint64, b *backoff) bool { return b.last.After(since) })
	if len(w.backoffs) < known {
		w.fleet.Resolver.ClearRefusal(w.name)
	}
}

// refreshSecrets has the secrets put in place again, for replicas that run too.
func (w *worker) refreshSecrets() {
	w.prepared, w.stale = 0, true
	w.epoch++
}

// outdate gives up the starts and preparations of revisions that are no longer wanted.
func (w *worker) outdate(v *view) {
	wanted := func(revision uint64) bool { return v.want != nil && inService(w.last, revision) }
	v.superseded, v.supersededUntil = w.making.supersede(wanted, v.now)
	if w.preparing != 0 && !wanted(w.preparing) {
		w.cancelPreparing()
	}
}

func (w *worker) carryOut(ctx context.Context, p plan) {
	w.making.giveUp(w.last.Revision, p.drop)
	if previous := w.last.Previous; previous != nil {
		w.making.giveUp(previous.Revision, p.dropPrevious)
	}
	for _, step := range []struct {
		members []resolver.Member
		act     func(context.Context, resolver.Member)
	}{
		{p.remove, w.remove}, {p.stop, w.stop}, {p.probe, w.probe}, {p.check, w.check}, {p.thaw, w.thaw}, {p.unkeep, w.unkeep},
		{p.adoptFrozen, w.adoptFrozen}, {p.freeze, w.freeze}, {p.reclaim, w.reclaim}, {p.keep, w.keep}, {p.retire, w.retire},
	} {
		for _, m := range step.members {
			step.act(ctx, m)
		}
	}
	if p.prepare {
		w.prepare(ctx)
	}
	w.admit(ctx, p.start, w.last, admission{needed: p.needed})
	if p.sustain > 0 {
		w.admit(ctx, p.sustain, w.last.Previous.Function(), admission{needed: p.needed})
	}
	w.admit(ctx, p.spares, w.last, admission{spare: true})
	if p.answered {
		w.confirm()
	}
	if p.settled {
		w.pinch = pinch{}
		w.fleet.diary.explain(w.name, "")
	}
	// Those that are on their way out still use their secrets.
	if w.untidy && !p.ending && (p.settled || p.over) {
		w.tidy(ctx, p.over)
	}
}

// explain makes a failure visible: in the status, among the logs, and to the
// callers in line if the next attempt is further away than their patience.
func (w *worker) explain(reason string, notBefore time.Time, patience time.Duration) {
	pause := max(0, time.Until(notBefore))
	if w.isPaused() {
		reason += "; the update is paused and the revision before goes on: deploy it again to retry"
	}
	w.fleet.Logger.Warn("function degraded", "function", w.name, "err", reason, "retry_in", pause)
	w.fleet.diary.explain(w.name, reason)
	w.fleet.diary.note(w.name, reason)
	if pause > patience && !w.leansBack() {
		w.turnAway(fmt.Sprintf("function %q has no replica ready: %s", w.name.Name, reason), pause)
	}
}

// turnAway has callers refused for a while instead of waiting in line.
func (w *worker) turnAway(text string, pause time.Duration) {
	failure := &function.Failure{Kind: function.ErrNoReplica, Text: text, RetryAfter: pause}
	w.fleet.Resolver.Refuse(w.name, failure, time.Now().Add(pause))
}

func (w *worker) note(format string, args ...any) {
	w.fleet.diary.note(w.name, fmt.Sprintf(format, args...))
}

// countCrashes counts the replicas of a revision that stopped by themselves,
// together, as one failure, before anything is decided: their successors may have to wait.
func (w *worker) countCrashes(members []resolver.Member) {
	crashCounted := map[uint64]bool{}
	for _, m := range members {
		if !w.wasWanted(m) || m.IsEnding() || w.of(m.ID).crashCounted {
			continue
		}
		w.of(m.ID).crashCounted = true
		if !crashCounted[m.Revision] {
			crashCounted[m.Revision] = true
			w.backoff(m.Revision).fail(time.Now(), w.age(m.ID))
		}
	}
}

// wasWanted reports whether a replica that stopped should be running.
func (w *worker) wasWanted(m resolver.Member) bool {
	return !m.IsLeaving() && m.State == function.Exited && inService(w.last, m.Revision)
}

// inService reports whether a revision is the wanted one, or serves until that
// answers.
func inService(f function.Function, revision uint64) bool {
	return revision == f.Revision || f.Previous.Serving() && revision == f.Previous.Revision
}

// killed is the exit code of a process that SIGKILL ended: 128 and the signal's number.
const killed = 137

func epitaph(replica function.Replica, pm function.PostMortem) string {
	return fmt.Sprintf("replica %s %s%s", replica.Instance, howItEnded(pm), lastWords(pm))
}

// howItEnded thinks of memory also where the engine says nothing: Docker loses the kernel's word of it when the
// end of the process overtakes it.
func howItEnded(pm function.PostMortem) string {
	switch {
	case pm.OutOfMemory:
		return "was stopped by the kernel for using more memory than its limit"
	case pm.ExitCode == killed:
		return "was killed with exit code 137 (perhaps it ran out of memory)"
	default:
		return fmt.Sprintf("exited with code %d", pm.ExitCode)
	}
}

// lastWords continues a sentence about a replica with what it wrote last.
func lastWords(pm function.PostMortem) string {
	if pm.Unread {
		return "; what it wrote can no longer be read"
	}
	if len(pm.LastLines) == 0 {
		return " and wrote nothing"
	}
	return "; its last lines: " + strings.Join(pm.LastLines, " | ")
}
