package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"faas-docker/function"
)

// watchEvents subscribes and returns the names that are reported; it ends with
// the test.
func (s *scene) watchEvents() <-chan function.Name {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	subscribed, changed, ended := make(chan struct{}), make(chan function.Name, 100), make(chan error, 1)
	go func() {
		ended <- s.Events(ctx, func() { close(subscribed) }, func(event function.Event) {
			if event.Died == "" {
				changed <- event.Function
			}
		})
	}()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			s.t.Errorf("events ended with %v, want the error of the context", err)
		}
	})
	select {
	case <-subscribed:
	case err := <-ended:
		s.t.Fatal(err)
	}
	return changed
}

func TestEvents_ReportEachChangeOfOurFunctions(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	changed := s.watchEvents()
	f := s.function("figlet")
	replica := s.start(f)
	acts := []struct {
		name string
		do   func() error
	}{
		{"start", func() error { return nil }},
		{"pause", func() error { return s.Pause(t.Context(), replica.ID) }},
		{"unpause", func() error { return s.Unpause(t.Context(), replica.ID) }},
		{"die", func() error { return s.docker.ContainerKill(t.Context(), replica.ID, "KILL") }},
		{"destroy", func() error { return s.Remove(t.Context(), replica.ID) }},
	}
	for _, act := range acts {
		if err := act.do(); err != nil {
			t.Fatalf("%s: %v", act.name, err)
		}
		select {
		case got := <-changed:
			if got != f.ID() {
				t.Errorf("%s: got %v, want %v", act.name, got, f.ID())
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: not reported", act.name)
		}
	}
}

func TestEvents_OfOthersAreNotReported(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	changed := s.watchEvents()
	// A container of somebody else that happens to carry a function's labels, and a
	// helper of our own.
	for _, labels := range []map[string]string{
		{function.LabelFunction: "alien", function.LabelNamespace: "dev", function.LabelRevision: "1", function.LabelProvider: s.network + "-other", function.LabelRole: "function"},
		{function.LabelProvider: s.network, function.LabelRole: "secrets"},
	} {
		made, err := s.docker.ContainerCreate(t.Context(), &container.Config{Image: s.imageID, Labels: labels}, nil, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.docker.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
	}
	ours := s.start(s.function("figlet"))
	select {
	case got := <-changed:
		if got != ours.Function {
			t.Errorf("got %v, want only %v", got, ours.Function)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("our own start was not reported")
	}
}
