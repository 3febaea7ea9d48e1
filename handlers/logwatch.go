package handlers

import (
	"context"
	"sync"
	"time"

	"faas-docker/function"
	"faas-docker/function/clock"
)

// logPatience is how long an engine may be silent while it is asked for lines. The zero
// value of each field means the default.
type logPatience struct {
	// ping is how often it is asked whether it is there, and how long it may take to say
	// so; 10 s.
	ping time.Duration
	// line is how long it may take for the next line of those that are written already,
	// 60 s.
	line time.Duration
}

func (p logPatience) orDefaults() logPatience {
	if p.ping == 0 {
		p.ping = 10 * time.Second
	}
	if p.line == 0 {
		p.line = time.Minute
	}
	return p
}

// engineLines asks the engine for lines, and breaks off with an ErrUnavailable when it
// has fallen silent. A function that is followed may be silent for ever, its engine may
// not.
func (a logsAPI) engineLines(ctx context.Context, name function.Name, query function.LogQuery, emit func(function.LogLine) error) error {
	patience := a.patience.orDefaults()
	ctx, breakOff := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer breakOff(nil)
	watching.Go(func() { a.watchEngine(ctx, patience.ping, breakOff) })
	if !query.Follow {
		silence := time.AfterFunc(patience.line, func() {
			breakOff(function.Unavailable(nil, "the container engine sends no lines: see whether its daemon is well"))
		})
		defer silence.Stop()
		passOn := emit
		emit = func(line function.LogLine) error {
			silence.Reset(patience.line)
			return passOn(line)
		}
	}
	err := a.Engine.Logs(ctx, name, query, emit)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// watchEngine asks the engine again and again whether it is there, until it is not or
// ctx ends.
func (a logsAPI) watchEngine(ctx context.Context, every time.Duration, breakOff context.CancelCauseFunc) {
	for {
		pinged, cancel := context.WithTimeout(ctx, every)
		err := a.Engine.Ping(pinged)
		cancel()
		if err != nil {
			breakOff(unhealthy(err))
			return
		}
		if clock.Sleep(ctx, every) != nil {
			return
		}
	}
}
