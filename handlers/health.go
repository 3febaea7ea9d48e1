package handlers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"faas-docker/function"
)

// healthTimeout is shorter than health checks commonly wait, so that the reason arrives in time.
const healthTimeout = 2 * time.Second

// health answers exactly 200 "OK" while the engine answers and functions can be
// reached; faas-cli ready takes nothing else.
func (a *API) health(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	if err := a.Engine.Ping(ctx); err != nil {
		return unhealthy(err)
	}
	if a.Joined != nil && !a.Joined() {
		return function.Unavailable(nil, "the function network is not joined yet: the provider is starting, or the network was removed")
	}
	writeText(w, http.StatusOK, "OK")
	return nil
}

// unhealthy is a 503 whatever the engine's error was: anything else looks like a wrong address.
func unhealthy(err error) error {
	if errors.Is(err, function.ErrUnavailable) || errors.Is(err, context.Canceled) {
		return err
	}
	return function.Unavailable(err, "the container engine does not answer: see whether its daemon runs")
}
