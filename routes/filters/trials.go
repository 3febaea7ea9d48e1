package filters

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"faas-docker/function"
	"faas-docker/policy"
	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

func (o Options) newLatency(args []any) (routes.RequestFunc, error) {
	if len(args) == 1 {
		delay, err := argument.DurationIn(args[0], time.Millisecond)
		return o.inject(function.FaultPolicy{Delay: delay, DelayShare: 1}), err
	}
	if _, ok := args[0].(float64); !ok {
		return nil, fmt.Errorf("%s: want a share from 0 to 1", eskip.PrintArg(args[0]))
	}
	share, err := argument.Share(args[0])
	if err != nil {
		return nil, err
	}
	delay, err := argument.Duration(args[1])
	return o.inject(function.FaultPolicy{Delay: delay, DelayShare: share}), err
}

func (o Options) newAbort(args []any) (routes.RequestFunc, error) {
	share, err := argument.Share(args[0])
	if err != nil {
		return nil, err
	}
	status, err := argument.Int(args[1])
	if err == nil && (status < 400 || status > 599) {
		err = fmt.Errorf("%d: want a status from 400 to 599", status)
	}
	return o.inject(function.FaultPolicy{Abort: status, AbortShare: share}), err
}

func (o Options) inject(fault function.FaultPolicy) routes.RequestFunc {
	return func(c *routes.Context) {
		var refusal *policy.Refusal
		if errors.As(policy.Inject(c.Request.Context(), fault, o.Random), &refusal) {
			c.Refuse(refusal.Status, fmt.Sprintf("%s: this failure is made by the filter abort", http.StatusText(refusal.Status)))
		}
	}
}

func newIdle([]any) (routes.RequestFunc, error) { return func(*routes.Context) {}, nil }

// newAccessLog writes a line about each ended request, without the query, which may hold secrets.
func (o Options) newAccessLog([]any) (routes.RequestFunc, error) {
	return func(c *routes.Context) {
		began, r := time.Now(), c.Original()
		c.Finally(func(end routes.Outcome) {
			o.Logger.Info("request", "route", c.Route.Rule.ID, "method", r.Method, "host", r.Host, "path", r.URL.EscapedPath(),
				"status", end.Status, "bytes", end.Bytes, "broken", end.Broken, "took", time.Since(began).Round(time.Microsecond),
				"client", o.ClientIP(r), "agent", r.UserAgent(), "call_id", c.Writer.Header().Get("X-Call-Id"))
		})
	}, nil
}
