// Package clock waits: for time to pass, or for a bell to ring.
package clock

import (
	"context"
	"time"
)

// Sleep returns nil when a time has passed, or the cause of ctx when that ended first.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Bell remembers one ring until it is received. Make it with NewBell.
type Bell chan struct{}

// NewBell returns a bell that has not rung.
func NewBell() Bell { return make(Bell, 1) }

// Ring rings the bell, and returns at once. Many rings that were not received are one.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
