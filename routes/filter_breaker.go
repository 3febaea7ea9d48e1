package routes

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sony/gobreaker/v2"
)

// breakerRest is how long a breaker stays open where the rule does not say.
const breakerRest = 10 * time.Second

func (o Options) breakerFilters() []FilterSpec {
	return []FilterSpec{filterMaker{"consecutiveBreaker", "n?s", `consecutiveBreaker(5) or consecutiveBreaker(5, "30s")`, newBreaker}}
}

// breaker answers in the backend's place for a while, after so many failures in a row.
// Then one request is let through: as it ends, all are, or none for another while.
type breaker struct {
	rest    time.Duration
	circuit *gobreaker.TwoStepCircuitBreaker[any]
}

func newBreaker(args []any) (Filter, error) {
	failures, err := counted(args[0])
	f := &breaker{rest: breakerRest}
	if err == nil && len(args) > 1 {
		f.rest, err = duration(args[1])
	}
	f.circuit = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		MaxRequests: 1,
		Timeout:     f.rest,
		ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= failures },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) },
	})
	return f, err
}

// errFailed is what the breaker is told of a failure.
var errFailed = errors.New("the backend failed")

func (f *breaker) Request(c *Context) {
	done, err := f.circuit.Allow()
	if err != nil {
		c.Refuse(http.StatusServiceUnavailable, fmt.Sprintf("the last answers were failures, and this route rests for up to %s: try again later", f.rest))
		if c.served != nil {
			c.served.Header.Set("X-Circuit-Open", "true")
			c.served.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.rest.Seconds()))))
		}
		return
	}
	c.Finally(func(o Outcome) { done(verdict(c, o)) })
}

// Response does nothing: how a request ended is known later.
func (f *breaker) Response(*Context) {}

// verdict is what an end says of the backend: nothing good, or, where the client went
// away, nothing at all.
func verdict(c *Context, o Outcome) error {
	switch {
	case o.Broken && c.Request.Context().Err() != nil:
		return context.Canceled
	case o.Broken, o.Status >= http.StatusInternalServerError:
		return errFailed
	case c.Response != nil && slices.Contains([]string{"13", "14"}, c.Response.Header.Get("Grpc-Status")):
		return errFailed
	}
	return nil
}
