package app

import (
	"context"
	"maps"
	"time"

	"faas-docker/function"
	"faas-docker/function/clock"
)

// callsPause is the time between two writes: so much is lost when the program is killed.
const callsPause = 10 * time.Second

// keepCalls writes how often functions were called to the store, until ctx ends and once then.
func (a *App) keepCalls(ctx context.Context) {
	kept := a.metrics.AllCalls()
	for clock.Sleep(ctx, callsPause) == nil {
		kept = a.putCalls(kept)
	}
	a.putCalls(kept)
}

// putCalls writes the numbers if they have changed, and returns those that are written.
func (a *App) putCalls(kept map[function.Name]uint64) map[function.Name]uint64 {
	calls := a.metrics.AllCalls()
	if maps.Equal(calls, kept) {
		return kept
	}
	if err := a.store.PutCalls(calls); err != nil {
		a.logger.Warn("call counts not saved", "err", err, "retry_in", callsPause)
		return kept
	}
	return calls
}
