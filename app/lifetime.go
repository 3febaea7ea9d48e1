package app

import (
	"context"
	"slices"
	"sync"
)

// lifetime ends the parts that were begun, and frees the resources that were claimed, in the reverse
// order. The zero value has nothing to end. It is used by one goroutine.
type lifetime struct{ ends []func() }

// onEnd has a function called at the end.
func (l *lifetime) onEnd(end func()) { l.ends = append(l.ends, end) }

// start runs a part of the program until the end, which waits for it.
func (l *lifetime) start(run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { run(ctx) })
	l.onEnd(func() {
		cancel()
		running.Wait()
	})
}

// end ends everything that was begun.
func (l *lifetime) end() {
	for _, end := range slices.Backward(l.ends) {
		end()
	}
	l.ends = nil
}
