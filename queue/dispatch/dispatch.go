// Package dispatch makes the calls of a queue: as many as those who are called have places for.
package dispatch

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function/clock"
	"faas-docker/queue"
)

// Caller makes calls.
type Caller interface {
	// Call makes one, and returns when the answer has ended. An error says why there was none.
	Call(ctx context.Context, call *queue.Call, body io.Reader) (Answer, error)
}

// Answer is what a call was answered.
type Answer struct {
	queue.Outcome
	Header http.Header
	// Body is kept by the Caller, as long as it is wanted.
	Body queue.Body
}

// Rules say how the calls of a lane are made.
type Rules interface {
	// Places is how many calls of a lane may be under way now, those that are included.
	Places(lane string) int
	Retries(call *queue.Call) queue.Retries
	// Once reports whether a call must not be made again when it is not known whether it was.
	Once(call *queue.Call) bool
	// Then are the calls that follow one that is over: a callback, a dead letter.
	Then(call *queue.Call, answer Answer) []*queue.Call
}

// Config is what a Dispatcher is made of.
type Config struct {
	Queue  queue.Backend
	Caller Caller
	Rules  Rules
	Logger hclog.Logger
	// MaxInFlight bounds the calls under way of all lanes together. Zero means 1000.
	MaxInFlight int
}

// Dispatcher makes the calls of a queue. Make it with New; all methods are safe for concurrent use.
type Dispatcher struct {
	Config
	bell clock.Bell
	// mu protects the fields below.
	mu       sync.Mutex
	inFlight map[string]int
	total    int
	// paused are the lanes of which no call begins.
	paused map[string]bool
	// making are the calls under way, and how each is broken off.
	making map[queue.ID]context.CancelFunc
	// last is the lane that was looked at last: the next look begins behind it.
	last string
}

// New returns a Dispatcher that makes no call until Run.
func New(config Config) *Dispatcher {
	config.MaxInFlight = cmp.Or(config.MaxInFlight, defaultInFlight)
	return &Dispatcher{Config: config, bell: clock.NewBell(), inFlight: map[string]int{}, making: map[queue.ID]context.CancelFunc{}}
}

const (
	defaultInFlight = 1000
	// mostTogether is how many calls of one lane are begun before the next lane gets its turn.
	mostTogether = 8
	// busyTime is how soon it is looked again for a place where all are taken: calls that are made directly do not
	// ring when they end.
	busyTime = 100 * time.Millisecond
	// retryTime is how soon it is tried again to read or write the queue: no event tells that this is possible.
	retryTime = time.Second
)

// Ring has the dispatcher look at the queue: something was accepted, or there are more places. It returns at once.
func (d *Dispatcher) Ring() { d.bell.Ring() }

// Run begins calls until ctx ends, and returns when those under way have ended. These go on until patience
// ends: what it breaks off is made again by the next process.
func (d *Dispatcher) Run(ctx, patience context.Context) {
	var calls sync.WaitGroup
	defer calls.Wait()
	for {
		again := d.round(patience, &calls)
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-d.bell:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round begins what can be begun, lane after lane, and returns when to look again.
func (d *Dispatcher) round(stop context.Context, calls *sync.WaitGroup) time.Duration {
	for {
		begun, again := 0, time.Hour
		for _, lane := range d.inTurn(d.Queue.Lanes()) {
			n, next := d.begin(stop, calls, lane)
			begun += n
			again = min(again, next)
		}
		if begun == 0 {
			return again
		}
	}
}

// inTurn begins with the lane behind the one that was looked at last.
func (d *Dispatcher) inTurn(lanes []queue.Lane) []queue.Lane {
	for i, lane := range lanes {
		if lane.Name > d.last {
			return append(lanes[i:len(lanes):len(lanes)], lanes[:i]...)
		}
	}
	return lanes
}

// begin begins some calls of a lane. It returns how many, and how long until its next one is due.
func (d *Dispatcher) begin(stop context.Context, calls *sync.WaitGroup, lane queue.Lane) (begun int, next time.Duration) {
	wait := time.Until(lane.Next)
	switch {
	case lane.Next.IsZero(), d.isPaused(lane.Name):
		return 0, time.Hour
	case wait > 0:
		return 0, wait
	}
	free := d.free(lane.Name)
	if free == 0 {
		return 0, busyTime
	}
	claimed, err := d.Queue.Claim(lane.Name, min(free, mostTogether))
	if err != nil {
		d.Logger.Error("calls not read from the queue", "lane", lane.Name, "err", err)
		return 0, retryTime
	}
	d.last = lane.Name
	for _, c := range claimed {
		d.start(stop, calls, c)
	}
	if len(claimed) == 0 {
		return 0, busyTime // what was due was cancelled, and when the next one is has been found out
	}
	return len(claimed), time.Hour
}

func (d *Dispatcher) isPaused(lane string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.paused[lane]
}

// free is how many calls of a lane can begin.
func (d *Dispatcher) free(lane string) int {
	places := d.Rules.Places(lane)
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(0, min(places-d.inFlight[lane], d.MaxInFlight-d.total))
}

func (d *Dispatcher) start(stop context.Context, calls *sync.WaitGroup, c *queue.Call) {
	ctx, cancel := context.WithCancel(stop)
	d.mu.Lock()
	d.inFlight[c.Lane]++
	d.total++
	d.making[c.ID] = cancel
	d.mu.Unlock()
	calls.Go(func() {
		defer d.ended(c)
		defer cancel()
		d.make(ctx, c)
	})
}

func (d *Dispatcher) ended(c *queue.Call) {
	d.mu.Lock()
	d.total--
	if d.inFlight[c.Lane]--; d.inFlight[c.Lane] == 0 {
		delete(d.inFlight, c.Lane)
	}
	delete(d.making, c.ID)
	d.mu.Unlock()
	d.Ring()
}

// errEnded is why a call is given up that must not be made again.
var errEnded = errors.New("the provider ended while the call was made")

// make makes one call, and writes down what became of it. One that was broken off because the program ends
// is left to the next.
func (d *Dispatcher) make(ctx context.Context, c *queue.Call) {
	if c.State == queue.Started {
		d.finish(ctx, c, Answer{Outcome: queue.Outcome{IsFinal: true}}, errEnded)
		return
	}
	once := d.Rules.Once(c)
	if once {
		c.State = queue.Started
		if !d.settle(ctx, c) {
			return
		}
	}
	began := time.Now()
	answer, err := d.try(ctx, c)
	if ctx.Err() != nil {
		d.Queue.Drop(answer.Body)
		d.Queue.GiveBack(c)
		return
	}
	answer.IsFinal = answer.IsFinal || once && mayHaveRun(answer.Outcome)
	c.Tries++
	c.Last.Took = time.Since(began)
	d.finish(ctx, c, answer, err)
}

// finish decides what becomes of a call after a try, and writes it down.
func (d *Dispatcher) finish(ctx context.Context, c *queue.Call, answer Answer, err error) {
	c.Last = queue.Try{Ended: time.Now(), Status: answer.Status, Took: c.Last.Took}
	if err != nil {
		c.Last.Error = err.Error()
	}
	c.State, c.Due = d.Rules.Retries(c).Next(c.Tries, answer.Outcome, c.Last.Ended, rand.Float64())
	var then []*queue.Call
	if c.State.IsOver() {
		then = d.Rules.Then(c, answer)
	}
	isTaken := func(next *queue.Call) bool { return next.Request.Body.File == answer.Body.File }
	if !d.settle(ctx, c, then...) || !slices.ContainsFunc(then, isTaken) {
		d.Queue.Drop(answer.Body)
	}
}

// mayHaveRun reports whether a call that has no answer of the function's may have reached it.
func mayHaveRun(o queue.Outcome) bool {
	return o.Status == 0 || o.IsOurs && o.Status != http.StatusServiceUnavailable && o.Status != http.StatusTooManyRequests
}

func (d *Dispatcher) try(ctx context.Context, c *queue.Call) (Answer, error) {
	body, err := d.Queue.Open(c.Request.Body)
	if err != nil {
		return Answer{Outcome: queue.Outcome{IsFinal: true}}, err
	}
	defer body.Close()
	return d.Caller.Call(ctx, c, body)
}

// settle writes down how a call stands, and reports whether that was possible. Until it is, the call is
// neither made again nor forgotten.
func (d *Dispatcher) settle(ctx context.Context, c *queue.Call, then ...*queue.Call) bool {
	for {
		err := d.Queue.Settle(context.WithoutCancel(ctx), queue.Settlement{Call: c, Then: then})
		switch {
		case err == nil:
			return true
		case errors.Is(err, queue.ErrChanged), errors.Is(err, queue.ErrUnknown):
			return false // it was cancelled
		}
		d.Logger.Error("the outcome of a call cannot be written down, and is tried again", "call", c.ID.String(), "lane", c.Lane, "err", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(retryTime):
		}
	}
}

// Break breaks a call off that is under way; it does nothing to another.
func (d *Dispatcher) Break(id queue.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cancel := d.making[id]; cancel != nil {
		cancel()
	}
}

// Pause keeps the calls of lanes from beginning: of these, and of no others, from now on.
func (d *Dispatcher) Pause(lanes map[string]bool) {
	d.mu.Lock()
	d.paused = lanes
	d.mu.Unlock()
	d.Ring()
}

// InFlight is how many calls of a lane are under way.
func (d *Dispatcher) InFlight(lane string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inFlight[lane]
}
