package routes

import (
	"fmt"
	"net/http"
	"time"
)

// faultFilters do harm, to a share of the requests, so that clients can be tried out.
func (o Options) faultFilters() []FilterSpec {
	return []FilterSpec{
		filterMaker{"latency", "ns", `latency(0.1, "200ms")`, o.newLatency},
		filterMaker{"abort", "nn", `abort(0.1, 503)`, o.newAbort},
	}
}

// latency holds requests back.
type latency struct {
	RequestOnly
	share  float64
	delay  time.Duration
	random func() float64
}

func (o Options) newLatency(args []any) (Filter, error) {
	part, err := share(args[0])
	if err != nil {
		return nil, err
	}
	delay, err := duration(args[1])
	return latency{share: part, delay: delay, random: o.random()}, err
}

func (f latency) Request(c *Context) {
	if f.random() >= f.share {
		return
	}
	timer := time.NewTimer(f.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.Request.Context().Done():
	}
}

// abort answers requests with a failure.
type abort struct {
	RequestOnly
	share  float64
	status int
	random func() float64
}

func (o Options) newAbort(args []any) (Filter, error) {
	part, err := share(args[0])
	if err != nil {
		return nil, err
	}
	status, err := whole(args[1])
	if err == nil && (status < 400 || status > 599) {
		err = fmt.Errorf("%d: want a status from 400 to 599", status)
	}
	return abort{share: part, status: status, random: o.random()}, err
}

func (f abort) Request(c *Context) {
	if f.random() < f.share {
		c.Refuse(f.status, fmt.Sprintf("%s: this failure is made by the filter abort", http.StatusText(f.status)))
	}
}
