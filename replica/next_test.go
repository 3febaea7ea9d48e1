package replica

import (
	"math/rand/v2"
	"strings"
	"testing"

	"faas-docker/function"
)

// phases are all of them, in the order of their values.
func phases() []Phase {
	return []Phase{Unknown, Created, Starting, Ready, Suspect, Freezing, Frozen, Thawing, ThawingSuspect, Stalled, Draining, Stopping, Exited, Gone}
}

// roles are all of them, in the order of their values.
func roles() []Role { return []Role{Current, Previous, Recalled, Aside} }

// operations are all of them, in the order of their values.
func operations() []Operation { return []Operation{NoOperation, Probe, Pause, Thaw, Reclaim, End} }

// String returns the word for the kind.
func (k Kind) String() string {
	return [...]string{
		"listed", "unlisted", "started", "died", "answered", "doubted", "paused", "woken", "swapped", "adoptFrozen", "rouse", "keep", "unkeep",
		"withdraw", "drained", "removed", "begin", "finish", "lent", "returned",
	}[k]
}

// kinds are all of them, in the order of their values.
func kinds() []Kind {
	kinds := make([]Kind, Returned+1)
	for k := range kinds {
		kinds[k] = Kind(k)
	}
	return kinds
}

// seenIn is the container's state that goes with a phase.
func seenIn(p Phase) function.State {
	switch p {
	case Unknown, Created:
		return function.Created
	case Frozen, Thawing, ThawingSuspect, Stalled:
		return function.Paused
	case Exited:
		return function.Exited
	}
	return function.Running
}

// in is a replica in a phase, of which the listing 10 was the last. It has answered if only
// those that have can be in the phase.
func in(p Phase) Record {
	answered := p != Unknown && p != Created && p != Starting
	return Record{Phase: p, Seen: seenIn(p), Listing: 10, Born: 5, Answered: answered}
}

// columns are the events of the table, by the names that it has for them.
func columns() map[string]Event {
	return map[string]Event{
		"listed created": {Kind: Listed, Listing: 11, State: function.Created},
		"listed running": {Kind: Listed, Listing: 11, State: function.Running},
		"listed moved":   {Kind: Listed, Listing: 11, State: function.Running, Moved: true},
		"listed paused":  {Kind: Listed, Listing: 11, State: function.Paused},
		"listed exited":  {Kind: Listed, Listing: 11, State: function.Exited},
		"listed late":    {Kind: Listed, Listing: 9, State: function.Exited},
		"unlisted":       {Kind: Unlisted, Listing: 11},
		"unlisted late":  {Kind: Unlisted, Listing: 10},
		"started":        {Kind: Started, Listing: 11, Born: 12, State: function.Running},
		"died":           {Kind: Died},
		"answered":       {Kind: Answered},
		"doubted":        {Kind: Doubted, Doubt: Unready},
		"paused":         {Kind: Paused, Listing: 11},
		"woken":          {Kind: Woken, Listing: 11},
		"swapped":        {Kind: Swapped},
		"adoptFrozen":    {Kind: AdoptFrozen},
		"rouse":          {Kind: Rouse},
		"keep":           {Kind: Keep, Role: Aside},
		"unkeep":         {Kind: Unkeep},
		"withdraw":       {Kind: Withdraw},
		"drained":        {Kind: Drained},
		"removed":        {Kind: Removed},
		"begin":          {Kind: Begin, Operation: Probe},
		"freeze":         {Kind: Begin, Operation: Pause},
		"finish":         {Kind: Finish, Operation: Probe},
		"lent":           {Kind: Lent},
		"returned":       {Kind: Returned},
	}
}

// changes are the events that lead from each phase to another one. All others leave it as it
// is.
const changes = `
unknown:          listed created→created, listed running→starting, listed moved→starting, listed paused→stalled, listed exited→exited, unlisted→gone, started→starting, removed→gone
created:          listed running→starting, listed moved→starting, listed paused→stalled, listed exited→exited, unlisted→gone, started→starting, paused→stalled, woken→starting, withdraw→draining, removed→gone
starting:         listed paused→stalled, listed exited→exited, unlisted→gone, answered→ready, paused→stalled, withdraw→draining, removed→gone
ready:            listed moved→suspect, listed paused→stalled, listed exited→exited, unlisted→gone, died→suspect, doubted→suspect, freeze→freezing, paused→stalled, withdraw→draining, removed→gone
suspect:          listed paused→stalled, listed exited→exited, unlisted→gone, answered→ready, paused→stalled, withdraw→draining, removed→gone
freezing:         listed moved→suspect, listed exited→exited, unlisted→gone, paused→frozen, woken→suspect, rouse→thawing, withdraw→draining, removed→gone
frozen:           listed running→suspect, listed moved→suspect, listed exited→exited, unlisted→gone, woken→suspect, rouse→thawing, withdraw→draining, removed→gone, lent→thawing
thawing:          listed running→ready, listed moved→suspect, listed exited→exited, unlisted→gone, died→thawing suspect, doubted→thawing suspect, woken→ready, withdraw→draining, removed→gone
thawing suspect:  listed running→suspect, listed moved→suspect, listed exited→exited, unlisted→gone, woken→suspect, withdraw→draining, removed→gone
stalled:          listed running→suspect, listed moved→suspect, listed exited→exited, unlisted→gone, woken→suspect, adoptFrozen→frozen, withdraw→draining, removed→gone
draining:         unlisted→gone, drained→stopping, removed→gone
stopping:         unlisted→gone, removed→gone
exited:           listed running→suspect, listed moved→suspect, listed paused→stalled, unlisted→gone, paused→stalled, woken→suspect, withdraw→draining, removed→gone
gone:             `

// wanted reads the table: the phase that an event leads to, by the phase before and its name.
func wanted(t *testing.T) map[string]map[string]string {
	t.Helper()
	table := map[string]map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(changes)) {
		phase, cells, found := strings.Cut(line, ":")
		if !found {
			t.Fatalf("no phase in %q", line)
		}
		table[phase] = map[string]string{}
		for cell := range strings.SplitSeq(strings.TrimSpace(cells), ", ") {
			if event, to, found := strings.Cut(cell, "→"); found {
				table[phase][event] = to
			}
		}
	}
	return table
}

func TestNext_EveryPhaseWithEveryEvent(t *testing.T) {
	table, events := wanted(t), columns()
	seen := map[Kind]bool{}
	for name, event := range events {
		seen[event.Kind] = true
		for _, phase := range phases() {
			row, known := table[phase.String()]
			if !known {
				t.Fatalf("the table has no row for %s", phase)
			}
			want := phase.String()
			if to, changes := row[name]; changes {
				want = to
			}
			next, _ := Next(in(phase), event)
			if got := next.Phase.String(); got != want {
				t.Errorf("%s, %s: becomes %s, want %s", phase, name, got, want)
			}
		}
	}
	for _, kind := range kinds() {
		if !seen[kind] {
			t.Errorf("the table has no column for %s", kind)
		}
	}
	for phase, row := range table {
		for name := range row {
			if _, known := events[name]; !known {
				t.Errorf("the row of %s has an event %q that is none", phase, name)
			}
		}
	}
}

// kept is in with another role.
func kept(p Phase, role Role, inFlight int) Record {
	r := in(p)
	r.Role, r.InFlight = role, inFlight
	return r
}

func TestNext_Effects(t *testing.T) {
	lent := func(p Phase, calls int) Record { return kept(p, Current, calls) }
	for _, test := range []struct {
		name  string
		from  Record
		event Event
		want  Effects
	}{
		{"an answer serves the line", in(Starting), Event{Kind: Answered}, Serve},
		{"a frozen one that is roused, too", in(Frozen), Event{Kind: Rouse}, Serve | Ring},
		{"and one that is no longer kept", kept(Ready, Aside, 0), Event{Kind: Unkeep}, Serve},
		{"a pause closes idle connections", in(Ready), Event{Kind: Begin, Operation: Pause}, Grant | Close},
		{"its end is told", in(Freezing), Event{Kind: Paused, Listing: 11}, Settle},
		{"whatever ends it", in(Freezing), Event{Kind: Withdraw}, Settle | Spent | Close},
		{"one without a call is idle at once", in(Ready), Event{Kind: Withdraw}, Spent | Close},
		{"one with a call is not", lent(Ready, 1), Event{Kind: Withdraw}, 0},
		{"but when that has ended", lent(Draining, 1), Event{Kind: Returned}, Spent | Close},
		{"a listing that shows it dead severs its calls", lent(Ready, 1), Event{Kind: Listed, Listing: 11, State: function.Exited}, Sever | Ring},
		{"the event, too", lent(Ready, 1), Event{Kind: Died}, Sever | Ring},
		{"one that vanished is idle as well", in(Ready), Event{Kind: Unlisted, Listing: 11}, Sever | Ring | Spent | Close},
		{"one that is kept can be frozen when its call has ended", kept(Ready, Aside, 1), Event{Kind: Returned}, Ring},
		{"one that was recalled rests first", kept(Ready, Recalled, 1), Event{Kind: Returned}, 0},
		{"the first call of a kept one is told", kept(Ready, Previous, 0), Event{Kind: Lent}, Ring},
		{"no pause begins beside another operation", Record{Phase: Ready, Seen: function.Running, Operation: Probe}, Event{Kind: Begin, Operation: Pause}, 0},
		{"an operation is granted", in(Frozen), Event{Kind: Begin, Operation: Thaw}, Grant},
		{"nothing is granted beside another", Record{Phase: Ready, Operation: Probe}, Event{Kind: Begin, Operation: Pause}, 0},
		{"nor is no operation", in(Ready), Event{Kind: Begin}, 0},
	} {
		if _, got := Next(test.from, test.event); got != test.want {
			t.Errorf("%s: %08b, want %08b", test.name, got, test.want)
		}
	}
}

// What is known and newer counts for more than what is told later.
func TestNext_KnowsWhichFactIsNewer(t *testing.T) {
	for _, test := range []struct {
		name   string
		events []Event
		want   Phase
	}{
		// A pause was numbered, and a whole listing went by before it was written down: the
		// listing dropped the replica that it had shown.
		{"a pause does not overrule a listing that began since", []Event{
			{Kind: Begin, Operation: Pause}, {Kind: Listed, Listing: 12, State: function.Running}, {Kind: Paused, Listing: 11}, {Kind: Unlisted, Listing: 12},
		}, Suspect},
		{"nor does a thaw", []Event{
			{Kind: Begin, Operation: Pause}, {Kind: Paused, Listing: 11}, {Kind: Lent}, {Kind: Listed, Listing: 13, State: function.Exited}, {Kind: Woken, Listing: 12},
		}, Exited},
		// The list that shows a new name was made while the replica was being paused.
		{"a listing that shows it running says nothing of a pause under way", []Event{
			{Kind: Begin, Operation: Pause}, {Kind: Listed, Listing: 11, State: function.Running}, {Kind: Paused, Listing: 12},
		}, Frozen},
		// Somebody has thawed it by hand just when it was lent: nobody says that its thaw has
		// succeeded.
		{"one that is seen to run is awake", []Event{
			{Kind: Begin, Operation: Pause}, {Kind: Paused, Listing: 11}, {Kind: Lent}, {Kind: Listed, Listing: 12, State: function.Running},
		}, Ready},
		{"and must answer when it was not lent", []Event{
			{Kind: Begin, Operation: Pause}, {Kind: Paused, Listing: 11}, {Kind: Listed, Listing: 12, State: function.Running},
		}, Suspect},
		{"a listing that began before the start says nothing", []Event{
			{Kind: Started, Born: 20, State: function.Running}, {Kind: Unlisted, Listing: 19},
		}, Ready},
	} {
		r := in(Ready)
		for _, e := range test.events {
			r, _ = Next(r, e)
		}
		if r.Phase != test.want {
			t.Errorf("%s: %s, want %s", test.name, r.Phase, test.want)
		}
	}
}

// walk takes a replica through random events, and checks what must always hold.
func walk(t *testing.T, random *rand.Rand, steps int) {
	t.Helper()
	r, listing := Record{}, uint64(1)
	all, idle := kinds(), 0
	for step := range steps {
		if r.Phase == Gone && r.InFlight == 0 || step%200 == 0 {
			r, idle = Record{}, 0
		}
		listing += random.Uint64N(2)
		e := Event{
			Kind: all[random.IntN(len(all))], Listing: listing - random.Uint64N(min(3, listing)), State: function.State(random.IntN(4)), Moved: random.IntN(20) == 0,
			Born: listing, Doubt: Doubt(1 + random.IntN(3)), Role: roles()[1+2*random.IntN(2)], Operation: operations()[random.IntN(len(operations()))],
		}
		if random.IntN(3) > 0 && (e.Kind == Removed || e.Kind == Unlisted || e.Kind == Withdraw) {
			continue // lives are long enough to get somewhere
		}
		next, effects := Next(r, e)
		if effects.Has(Spent) {
			idle++
		}
		if broken := brokenLaw(r, next, e, effects, idle); broken != "" {
			t.Fatalf("step %d: %+v, %+v: %+v, %08b: %s", step, r, e, next, effects, broken)
		}
		r = next
	}
}

// brokenLaw names what a step has broken; empty means nothing.
func brokenLaw(r, next Record, e Event, effects Effects, idle int) string {
	isLent := e.Kind == Lent && next.InFlight > r.InFlight
	switch {
	case next.InFlight < 0:
		return "fewer than no calls in flight"
	case next.Listing < r.Listing:
		return "a listing counts that is older than what is known"
	case r.Phase == Gone && next.Phase != Gone:
		return "it came back from the dead"
	case r.IsLeaving() && !next.IsLeaving() && next.Phase != Gone:
		return "it came back though it was withdrawn"
	case isLent && !r.IsOpen() && r.Phase != Frozen:
		return "it was lent though it takes no calls"
	case isLent && r.Role == Aside:
		return "it was lent though it is set aside"
	case next.Phase == Freezing && next.InFlight > 0:
		return "it is being paused with a call in flight"
	case next.Phase == Ready && next.Seen != function.Running:
		return "it is ready and does not run"
	case next.Phase == Frozen && next.Seen != function.Paused:
		return "it is frozen and not paused"
	case r.Phase != Freezing && next.Phase == Freezing && next.Operation != Pause:
		return "it is to be paused, and nothing pauses it"
	case next.Phase == Stalled && next.Operation == Probe && r.Operation != NoOperation:
		return "it is asked though it is paused"
	case r.Operation != NoOperation && next.Operation != NoOperation && next.Operation != r.Operation:
		return "an operation began beside another"
	case effects.Has(Settle) != (r.Phase == Freezing && next.Phase != Freezing):
		return "the end of a pause was not told, or told without one"
	case idle > 1 || effects.Has(Spent) && next.InFlight > 0:
		return "it is idle twice, or with a call in flight"
	case next.isSpent() && idle == 0:
		return "it is idle, and that was not told"
	}
	return ""
}

func TestNext_HoldsItsLawsAtRandom(t *testing.T) {
	t.Parallel()
	walk(t, rand.New(rand.NewPCG(1, 2)), 500_000)
}
