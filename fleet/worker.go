package fleet

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"faas-docker/function"
	"faas-docker/resolver"
	"faas-docker/scale"
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

	// last is the function as it was last wanted; it outlives a deletion, for the
	// sake of draining.
	last function.Function
	// prepared is the revision whose image and secrets are in place; zero is none.
	prepared  uint64
	preparing bool
	// stale is set when running replicas may have an old secret; epoch counts how
	// often it was set, so that a preparation under way does not clear it.
	stale bool
	epoch int
	// untidy is set when secrets of old revisions may be left on the engine.
	untidy   bool
	starting map[uint64]int                // containers in the making, by revision
	probing  map[string]context.CancelFunc // asked whether they answer
	changing map[string]bool               // frozen, or thawed
	leaving  map[string]bool               // stopped, or buried
	notes    map[string]*note              // of each replica
	// scaler decides how many replicas the function should have.
	scaler *scale.Autoscaler
	// way is how long there is a way back.
	way way
	// unwritten is the last decision of scaler while the store could not take it.
	unwritten *unwritten
	// millicores is what the replicas consumed when that was last measured.
	millicores float64
	measured   time.Time
	measuring  bool
	tasks      int
	// resting is set while the function is wanted, without any replica.
	resting bool
	// backoffs space the starts of each revision.
	backoffs map[uint64]*backoff
	// forgetful is set while the store does not take what is to be remembered of the
	// revisions.
	forgetful bool
	// crowded is set while the host has no room for what should be started.
	crowded bool
	// onlookers are closed when the worker has looked and acted once more.
	onlookers []chan struct{}
}

func newWorker(f *Fleet, name function.Name) *worker {
	return &worker{
		fleet:    f,
		name:     name,
		starting: map[uint64]int{},
		probing:  map[string]context.CancelFunc{},
		changing: map[string]bool{},
		leaving:  map[string]bool{},
		notes:    map[string]*note{},
		backoffs: map[uint64]*backoff{},
		scaler:   scale.NewAutoscaler(scale.Policy{}),

		millicores: notMeasured,
	}
}

// run reads the mail and looks, as often as it is rung meanwhile. When ctx has ended it
// only reads: what its tasks have to report.
func (w *worker) run(ctx context.Context) {
	for mail, rung := w.take(); rung; mail, rung = w.take() {
		for _, act := range mail {
			act(w)
		}
		over := ctx.Err() == nil && w.turn(ctx)
		w.release()
		if over && w.fleet.dismiss(w) {
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
		again = earlier(again, time.Now().Add(rewritePause))
	}
	w.lookAgain(again)
	return p.over && w.tasks == 0
}

// rewritePause is how often a store is tried again that could not be written.
const rewritePause = time.Minute

// lookAgain has the worker rung at a time; zero means that time alone is no reason.
func (w *worker) lookAgain(at time.Time) {
	switch {
	case !at.IsZero() && w.alarm == nil:
		w.alarm = time.AfterFunc(time.Until(at), func() { w.fleet.ring(w.name) })
	case !at.IsZero():
		w.alarm.Reset(time.Until(at))
	case w.alarm != nil:
		w.alarm.Stop()
	}
}

// release lets those go on who waited for the worker to look and act.
func (w *worker) release() {
	for _, onlooker := range w.onlookers {
		close(onlooker)
	}
	w.onlookers = nil
}

// look gathers what is known and decides.
func (w *worker) look() plan {
	load := w.fleet.Resolver.Load(w.name)
	v := view{
		now:       time.Now(),
		members:   w.fleet.Resolver.Members(w.name),
		waiting:   load.Waiting,
		preparing: w.preparing,
		stale:     w.stale,
		making:    w.making(),
		changing:  w.changing,
		leaving:   w.leaving,
		notes:     w.notes,
		probing:   keysOf(w.probing),
	}
	var again time.Time
	if wanted, err := w.fleet.Store.Function(w.name); err == nil {
		w.want(wanted)
		wanted = w.expire(wanted)
		wanted, again = w.scale(wanted, load, &v)
		w.fleet.Resolver.Alarm(w.name, v.policy.Carries(wanted.Replicas))
		v.want = &wanted
		v.starting = w.unseen(wanted.Revision, v.members)
		v.prepared = w.prepared == wanted.Revision
	}
	w.rest(v.want != nil && v.want.Replicas == 0)
	w.mourn(v.members)
	w.remember(v.members)
	v.notBefore = w.backoff(w.last.Revision).notBefore
	w.lookBack(&v)
	v.checks = w.checks(v)
	w.fleet.reserve(w.name, w.claims(v))
	p := decide(v)
	p.again = earlier(p.again, again)
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
	sample := scale.Sample{
		At: v.now, InFlight: load.InFlight, Waiting: load.Waiting, Calls: load.Invocations - load.InvocationsBefore,
		CPUMillicores: w.millicores, Ready: load.Ready, Desired: f.Replicas,
	}
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
			w.fleet.Logger.Error("scaling done, but not written down", "function", w.name, "replicas", decision.Replicas, "err", err)
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
	if resting == w.resting || w.fleet.Rested == nil {
		return
	}
	w.resting = resting
	if resting {
		w.fleet.Rested(1)
		return
	}
	w.fleet.Rested(-1)
}

// unseen counts the replicas of a revision in the making that are not yet among its
// members.
func (w *worker) unseen(revision uint64, members []resolver.Member) int {
	unseen := w.starting[revision]
	for _, m := range members {
		if w.making() == 0 {
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
		w.readPolicy(f.Spec)
		if f.Revision < w.last.Revision && len(f.Secrets) > 0 {
			w.refreshSecrets()
		}
	}
	w.last = f
	maps.DeleteFunc(w.backoffs, func(revision uint64, _ *backoff) bool { return !w.inService(revision) })
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
// function. Whoever failed before, and not again, keeps the pause.
func (w *worker) forgive(since time.Time) {
	known := len(w.backoffs)
	maps.DeleteFunc(w.backoffs, func(_ uint64, b *backoff) bool { return b.last.After(since) })
	if len(w.backoffs) < known {
		w.fleet.Resolver.Relent(w.name)
	}
}

func (w *worker) readPolicy(spec function.Spec) {
	policy, err := scale.Parse(spec)
	if err != nil {
		// Deployments with bad labels are refused; this one is older than the rule.
		w.fleet.Logger.Error("scaling labels passed over", "function", w.name, "err", err)
	}
	w.scaler.Update(policy)
}

// refreshSecrets has the secrets put in place again, for replicas that run too.
func (w *worker) refreshSecrets() {
	w.prepared, w.stale = 0, true
	w.epoch++
}

func (w *worker) making() int {
	total := 0
	for _, n := range w.starting {
		total += n
	}
	return total
}

func (w *worker) carryOut(ctx context.Context, p plan) {
	for _, m := range p.bury {
		w.bury(ctx, m)
	}
	for _, replica := range p.probe {
		w.probe(ctx, replica)
	}
	for _, replica := range p.check {
		w.check(ctx, replica)
	}
	for _, replica := range p.thaw {
		w.thaw(ctx, replica)
	}
	for _, replica := range p.regain {
		w.regain(ctx, replica)
	}
	for _, replica := range p.doze {
		w.fleet.Resolver.Doze(w.name, replica.ID)
	}
	for _, replica := range p.freeze {
		w.freeze(ctx, replica)
	}
	for _, replica := range p.reclaim {
		w.reclaim(ctx, replica)
	}
	for _, replica := range p.keep {
		w.keep(ctx, replica)
	}
	for _, replica := range p.retire {
		w.retire(ctx, replica)
	}
	if p.prepare {
		w.prepare(ctx)
	}
	w.startAll(ctx, p)
	if p.answered {
		w.confirm()
	}
	if p.settled {
		w.crowded = false
		w.fleet.diary.explain(w.name, "")
	}
	// Those that are leaving still use their secrets.
	if w.untidy && len(w.leaving) == 0 && (p.settled || p.over) {
		w.tidy(ctx, p.over)
	}
}

// failed records that something of a revision never came to run, or no longer
// answers after it lived for so long, and explains it.
func (w *worker) failed(revision uint64, lived time.Duration, reason string) {
	b := w.backoff(revision)
	b.fail(time.Now(), lived)
	patience := time.Duration(0)
	if lived > 0 {
		patience = servedPatience
	}
	w.explain(reason, b.notBefore, patience)
}

// explain makes a failure visible: in the status, among the logs, and to the
// callers in line if the next attempt is further away than their patience.
func (w *worker) explain(reason string, notBefore time.Time, patience time.Duration) {
	pause := max(0, time.Until(notBefore))
	w.fleet.Logger.Warn("function is not as it should be", "function", w.name, "err", reason, "retry_in", pause)
	w.fleet.diary.explain(w.name, reason)
	w.fleet.diary.note(w.name, reason)
	if pause <= patience || w.leansBack() {
		return
	}
	w.fleet.Resolver.Refuse(w.name, &function.Failure{
		Kind:       function.ErrNoReplica,
		Text:       fmt.Sprintf("function %q has no replica ready: %s", w.name.Name, reason),
		RetryAfter: pause,
	}, notBefore)
}

func (w *worker) note(format string, args ...any) {
	w.fleet.diary.note(w.name, fmt.Sprintf(format, args...))
}

// mourn counts the replicas of a revision that stopped though nobody stopped them,
// together, as one failure, before anything is decided: their successors may have to wait.
func (w *worker) mourn(members []resolver.Member) {
	mourned := map[uint64]bool{}
	for _, m := range members {
		if !w.wasWanted(m) || w.leaving[m.ID] || w.of(m.ID).mourned {
			continue
		}
		w.of(m.ID).mourned = true
		if !mourned[m.Revision] {
			mourned[m.Revision] = true
			w.backoff(m.Revision).fail(time.Now(), w.age(m.ID))
		}
	}
}

// wasWanted reports whether a replica that stopped should be running.
func (w *worker) wasWanted(m resolver.Member) bool {
	return !m.Withdrawn && m.State == function.Exited && w.inService(m.Revision)
}

// inService reports whether a revision is the wanted one, or serves until that
// answers.
func (w *worker) inService(revision uint64) bool {
	previous := w.last.Previous
	return revision == w.last.Revision || previous != nil && previous.Serving() && revision == previous.Revision
}

// epitaph says how a replica ended.
func epitaph(replica function.Replica, pm function.PostMortem) string {
	how := fmt.Sprintf("exited with code %d", pm.ExitCode)
	if pm.OutOfMemory {
		how = "was stopped by the kernel for using more memory than its limit"
	}
	return fmt.Sprintf("replica %s %s%s", replica.Instance, how, lastWords(pm))
}

// lastWords continues a sentence about a replica with what it wrote last.
func lastWords(pm function.PostMortem) string {
	if len(pm.LastLines) == 0 {
		return " and wrote nothing"
	}
	return "; its last lines: " + strings.Join(pm.LastLines, " | ")
}

func keysOf[V any](m map[string]V) map[string]bool {
	keys := make(map[string]bool, len(m))
	for key := range m {
		keys[key] = true
	}
	return keys
}
