package policy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

var errOutrun = errors.New("another try has answered")

// hedge sends a call a second time when the answer is late, and takes the answer that begins first. No
// interim answer is passed on meanwhile; requests to switch protocols are never sent twice.
type hedge struct {
	policy function.HedgePolicy
	log    hclog.Logger
	budget budget
}

func (p *hedge) Do(ctx context.Context, request *Request, next Sender) (Answer, error) {
	p.budget.called()
	if len(request.HTTP.Header["Upgrade"]) > 0 || !request.keep(p.policy.Replay) {
		return next(ctx, request)
	}
	r := &race{ctx: ctx, request: request, next: next, arrived: make(chan runner, 2)}
	r.start()
	timer := time.NewTimer(p.policy.After)
	defer timer.Stop()
	select {
	case first := <-r.arrived:
		return r.finish(first)
	case <-timer.C:
	}
	select {
	case first := <-r.arrived:
		return r.finish(first)
	case <-request.whole():
	}
	if p.budget.take() {
		p.log.Debug("call hedged", "function", request.Function.String(), "call_id", request.ID, "after", p.policy.After)
		r.start()
	}
	return r.finish(<-r.arrived)
}

// race is one call sent twice.
type race struct {
	ctx     context.Context
	request *Request
	next    Sender
	arrived chan runner
	cancels []context.CancelCauseFunc
}

// runner is a try that has come to an end.
type runner struct {
	number int
	answer Answer
	err    error
}

func (r *race) start() {
	ctx, cancel := context.WithCancelCause(r.ctx)
	try, number := r.request.again(), len(r.cancels)
	try.Quiet = true
	r.cancels = append(r.cancels, cancel)
	go func() {
		answer, err := r.send(ctx, try)
		r.arrived <- runner{number, answer, err}
	}()
}

// send makes a failure of a policy that panics: nothing else recovers in this goroutine.
func (r *race) send(ctx context.Context, try *Request) (answer Answer, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			answer, err = nil, fmt.Errorf("policy panicked: %v\n%s", failure, debug.Stack())
		}
	}()
	return r.next(ctx, try)
}

// finish decides when the first has arrived. One that failed waits for the other.
func (r *race) finish(first runner) (Answer, error) {
	running := len(r.cancels) - 1
	if first.err != nil && running > 0 {
		running--
		if second := <-r.arrived; second.err == nil {
			first = second
		}
	}
	for number, cancel := range r.cancels {
		if number != first.number {
			cancel(errOutrun)
		}
	}
	var late sync.WaitGroup // the answer of the one that still runs may take long
	late.Go(func() {
		for range running {
			if loser := <-r.arrived; loser.answer != nil {
				loser.answer.Drop()
			}
		}
	})
	// What is left of the answer ends with its try, so that has to last.
	r.request.OnEnd(func(End) {
		late.Wait()
		r.cancels[first.number](nil)
	})
	return first.answer, first.err
}
