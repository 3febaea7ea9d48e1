package handlers

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"faas-docker/function"
)

// healthTimeout is shorter than health checks commonly wait, so that the reason arrives in time.
const healthTimeout = 2 * time.Second

// healthFresh is for how long the engine's answer stands: anybody may ask, as often as they like.
const healthFresh = time.Second

// Health tells whether functions can be run and reached. Its methods are safe for concurrent use.
type Health struct {
	// Engine answers while the container engine does.
	Engine interface{ Ping(context.Context) error }
	// Joined reports whether functions can be reached, as far as that is known; nil means
	// that they always can.
	Joined func() bool

	asking singleflight.Group
	last   atomic.Pointer[healthAnswer]
}

// healthAnswer is what the engine said, and when.
type healthAnswer struct {
	at  time.Time
	err error
}

// Check returns nil while functions can be run and reached, and else an ErrUnavailable. However
// many ask, the engine is asked once a second.
func (h *Health) Check() error {
	if err := h.ping(); err != nil {
		return err
	}
	if h.Joined != nil && !h.Joined() {
		return function.Unavailable(nil, "the function network is not joined yet: the provider is starting, or the network was removed")
	}
	return nil
}

func (h *Health) ping() error {
	if last := h.last.Load(); last != nil && time.Since(last.at) < healthFresh {
		return last.err
	}
	_, err, _ := h.asking.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
		defer cancel()
		err := unhealthy(h.Engine.Ping(ctx))
		h.last.Store(&healthAnswer{at: time.Now(), err: err})
		return nil, err
	})
	return err
}

// health answers exactly 200 "OK" while all is well; faas-cli ready takes nothing else.
func (a *API) health(w http.ResponseWriter, _ *http.Request) error {
	if err := a.Health.Check(); err != nil {
		return err
	}
	writeText(w, http.StatusOK, "OK")
	return nil
}

// unhealthy is a 503 whatever the engine's error was: anything else looks like a wrong address.
func unhealthy(err error) error {
	if err == nil || errors.Is(err, function.ErrUnavailable) {
		return err
	}
	return function.Unavailable(err, "the container engine does not answer: see whether its daemon runs")
}
