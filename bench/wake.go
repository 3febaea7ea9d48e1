package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// crowdOfSleepers is how many functions are called at once.
	crowdOfSleepers = 20
	// callers is how many call one sleeping function at once.
	simultaneous = 100
	// crowdEvery is in how many rounds of one the crowds are measured: a turn of
	// theirs takes as long as ten others.
	crowdEvery = 3
)

// act is one thing that is timed, again and again.
type act string

const (
	rawThaw    act = "Docker's unpause, then a call"
	ourThaw    act = "a call of a frozen function"
	rawStart   act = "Docker's create and start, then a call"
	ourStart   act = "a call of a function at zero"
	rawStarts  act = "Docker's create and start of 20 at once, then a call of each"
	ourThaws   act = "a call of each of 20 frozen functions at once"
	ourStarts  act = "a call of each of 20 functions at zero at once"
	ourHundred act = "100 calls of one frozen function at once"
)

// wakeBench measures how long sleeping functions take to answer, beside what the
// engine needs for the same: all on one network, in turns.
type wakeBench struct {
	provider *provider
	engine   *rawEngine
	took     map[act][]time.Duration
	// thaws are the unpauses that each hundred callers caused, starts the starts.
	thaws, starts []int
}

// measureWakes returns an error when it could not measure; that a mark is missed
// is in the report.
func measureWakes(ctx context.Context, o options) (wakeReport, error) {
	machine := describeMachine(ctx) // now: the source may change while it is measured
	folder, err := os.MkdirTemp("", "faas-docker-bench-")
	if err != nil {
		return wakeReport{}, fmt.Errorf("make a folder: %w", err)
	}
	s := &stage{options: o, folder: folder}
	defer s.close()
	p, err := s.startProvider(ctx, o.installation)
	if err != nil {
		return wakeReport{}, err
	}
	b := &wakeBench{provider: p, took: map[act][]time.Duration{}}
	if b.engine, err = openRawEngine(o.installation); err != nil {
		return wakeReport{}, err
	}
	defer b.engine.close()
	if err := b.run(ctx, o.rounds); err != nil {
		return wakeReport{}, fmt.Errorf("%w\n%s", err, p.process.said)
	}
	return wakeReport{rounds: o.rounds, machine: machine, load: fileText("/proc/loadavg"), took: b.took, thaws: b.thaws, starts: b.starts}, nil
}

func (b *wakeBench) run(ctx context.Context, rounds int) error {
	if err := b.deploy(ctx); err != nil {
		return err
	}
	if err := b.engine.keepOnePaused(ctx); err != nil {
		return err
	}
	turns := []func(context.Context) error{b.turnRawThaw, b.turnThaw, b.turnRawStart, b.turnStart}
	crowds := []func(context.Context) error{b.turnRawStarts, b.turnThaws, b.turnStarts, b.turnHundredThaw, b.turnHundredStart}
	for round := range rounds {
		todo := rotated(turns, round)
		if round%crowdEvery == 0 {
			todo = append(todo, rotated(crowds, round)...)
		}
		for _, turn := range todo {
			if err := turn(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func frozenName(i int) string { return fmt.Sprintf("frozen-%d", i) }
func zeroName(i int) string   { return fmt.Sprintf("zero-%d", i) }

// deploy deploys the sleepers: each has one replica at most, so that what is
// measured is waking and not scaling.
func (b *wakeBench) deploy(ctx context.Context) error {
	frozen := map[string]string{"com.openfaas.scale.min": "1", "com.openfaas.scale.max": "1", "com.openfaas.scale.freeze-duration": "50ms"}
	zero := map[string]string{"com.openfaas.scale.min": "0", "com.openfaas.scale.max": "1"}
	for i := range crowdOfSleepers {
		if err := b.provider.post(ctx, frozenName(i), benchImage, frozen); err != nil {
			return err
		}
		if err := b.provider.post(ctx, zeroName(i), benchImage, zero); err != nil {
			return err
		}
	}
	return nil
}

func (b *wakeBench) turnRawThaw(ctx context.Context) error {
	took, err := b.engine.thaw(ctx)
	b.note(rawThaw, took)
	return err
}

func (b *wakeBench) turnThaw(ctx context.Context) error {
	if err := b.engine.awaitFrozen(ctx, crowdOfSleepers); err != nil {
		return err
	}
	return b.time(ourThaw, func() error { return b.provider.call(ctx, frozenName(0)) })
}

func (b *wakeBench) turnRawStart(ctx context.Context) error {
	return b.turnRawCrowd(ctx, rawStart, 1)
}

func (b *wakeBench) turnRawStarts(ctx context.Context) error {
	return b.turnRawCrowd(ctx, rawStarts, crowdOfSleepers)
}

// turnRawCrowd does by hand what a call of each of so many functions at zero asks
// for.
func (b *wakeBench) turnRawCrowd(ctx context.Context, what act, count int) error {
	if err := b.engine.awaitQuiet(ctx); err != nil {
		return err
	}
	names := make([]string, count)
	err := b.time(what, func() error {
		group, ctx := errgroup.WithContext(ctx)
		for i := range names {
			group.Go(func() (err error) {
				names[i], err = b.engine.startAndCall(ctx)
				return err
			})
		}
		return group.Wait()
	})
	return errors.Join(err, b.engine.remove(context.WithoutCancel(ctx), names))
}

func (b *wakeBench) turnStart(ctx context.Context) error {
	return b.turnZero(ctx, ourStart, 1, 1)
}

func (b *wakeBench) turnStarts(ctx context.Context) error {
	return b.turnZero(ctx, ourStarts, crowdOfSleepers, 1)
}

// turnZero calls functions at zero and puts them back to zero.
func (b *wakeBench) turnZero(ctx context.Context, what act, functions, calls int) error {
	if err := b.engine.awaitQuiet(ctx); err != nil {
		return err
	}
	err := b.time(what, func() error { return b.callAll(ctx, zeroName, functions, calls) })
	if err != nil {
		return err
	}
	for i := range functions {
		if err := b.provider.scale(ctx, zeroName(i), 0); err != nil {
			return err
		}
	}
	return b.engine.awaitNone(ctx, zeroName(0), functions)
}

func (b *wakeBench) turnThaws(ctx context.Context) error {
	if err := b.engine.awaitFrozen(ctx, crowdOfSleepers); err != nil {
		return err
	}
	return b.time(ourThaws, func() error { return b.callAll(ctx, frozenName, crowdOfSleepers, 1) })
}

// turnHundredThaw counts what a hundred callers of one frozen function cause.
func (b *wakeBench) turnHundredThaw(ctx context.Context) error {
	if err := b.engine.awaitFrozen(ctx, crowdOfSleepers); err != nil {
		return err
	}
	count, err := b.engine.count(ctx, frozenName(0), "unpause", func() error {
		return b.time(ourHundred, func() error { return b.callAll(ctx, frozenName, 1, simultaneous) })
	})
	b.thaws = append(b.thaws, count)
	return err
}

func (b *wakeBench) turnHundredStart(ctx context.Context) error {
	count, err := b.engine.count(ctx, zeroName(0), "start", func() error {
		return b.turnZero(ctx, "", 1, simultaneous)
	})
	b.starts = append(b.starts, count)
	return err
}

func (b *wakeBench) callAll(ctx context.Context, name func(int) string, functions, calls int) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range functions {
		for range calls {
			group.Go(func() error { return b.provider.call(ctx, name(i)) })
		}
	}
	return group.Wait()
}

func (b *wakeBench) time(what act, do func() error) error {
	began := time.Now()
	err := do()
	b.note(what, time.Since(began))
	return err
}

func (b *wakeBench) note(what act, took time.Duration) {
	b.took[what] = append(b.took[what], took)
}
