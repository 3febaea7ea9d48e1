package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

// lines returns what a query that does not follow emits.
func (s *scene) lines(q function.LogQuery) []function.LogLine {
	s.t.Helper()
	var lines []function.LogLine
	err := s.Logs(s.t.Context(), function.Name{Name: "figlet", Namespace: "dev"}, q, func(line function.LogLine) error {
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}

func texts(lines []function.LogLine) []string {
	var all []string
	for _, line := range lines {
		all = append(all, line.Text)
	}
	return all
}

// awaitLines waits until Docker's log has as many lines.
func (s *scene) awaitLines(count int) []function.LogLine {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d lines are in the log", count), func() bool { return len(s.lines(function.LogQuery{})) >= count })
	return s.lines(function.LogQuery{})
}

func TestLogs_MergesReplicasByTime(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.start(s.function("figlet")), s.start(s.function("figlet"))
	for i := range 3 {
		// Docker dates a line when it reads it, so each has to arrive before the next.
		s.print(a, "stdout", fmt.Sprintf("a%d\n", i))
		s.awaitLines(2*i + 1)
		s.print(b, "stderr", fmt.Sprintf("b%d\n", i))
		s.awaitLines(2*i + 2)
	}
	s.start(s.function("cows"))
	if err := s.Pause(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	lines := s.awaitLines(6)
	want := []string{"a0", "b0", "a1", "b1", "a2", "b2"}
	if got := texts(lines); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if lines[0].Instance != a.Instance || lines[1].Instance != b.Instance || lines[0].Time.IsZero() {
		t.Errorf("got %+v, want instances and times", lines[:2])
	}
	if err := s.docker.ContainerKill(t.Context(), a.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name  string
		query function.LogQuery
		want  []string
	}{
		{"of an exited replica too", function.LogQuery{}, want},
		{"tail of all together", function.LogQuery{Tail: 3}, []string{"b1", "a2", "b2"}},
		{"tail longer than the log", function.LogQuery{Tail: 100}, want},
		{"negative tail", function.LogQuery{Tail: -1}, want},
		{"one instance by name", function.LogQuery{Instance: a.Instance}, []string{"a0", "a1", "a2"}},
		{"one instance by ID", function.LogQuery{Instance: b.ID[:12], Tail: 1}, []string{"b2"}},
		{"an instance that is not there", function.LogQuery{Instance: "nobody"}, nil},
		{"since a moment", function.LogQuery{Since: lines[4].Time}, []string{"a2", "b2"}},
		{"since the future", function.LogQuery{Since: time.Now().Add(time.Hour)}, nil},
	}
	for _, c := range cases {
		if got := texts(s.lines(c.query)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLogs_KeepsLongLinesWhole(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	long := strings.Repeat("0123456789abcdef", 300<<10/16)
	replica := s.start(s.function("figlet"))
	// The last line is short: when it is there, the long ones are there as a whole.
	s.print(replica, "stdout", "before\n"+long+"\nafter\n"+long+"x\nend\n")
	want := []string{"before", long, "after", long + "x", "end"}
	if got := texts(s.awaitLines(len(want))); !slices.Equal(got, want) {
		t.Errorf("got %d lines of %v bytes, want %d whole ones", len(got), lengths(got), len(want))
	}
	for tail := 1; tail <= len(want); tail++ {
		if got := texts(s.lines(function.LogQuery{Tail: tail})); !slices.Equal(got, want[len(want)-tail:]) {
			t.Errorf("tail %d: got lines of %v bytes, want %v", tail, lengths(got), lengths(want[len(want)-tail:]))
		}
	}
}

func TestLogs_EmitsALineThatNeverEnded(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	replica := s.start(s.function("figlet"))
	s.print(replica, "stdout", "first\nno newline")
	s.awaitLines(1)
	if err := s.Stop(t.Context(), replica.ID, 0); err != nil {
		t.Fatal(err)
	}
	again := s.start(s.function("figlet"))
	s.print(again, "stdout", "first\nno newline")
	if err := s.docker.ContainerKill(t.Context(), again.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	if got := texts(s.awaitLines(2)); !slices.Equal(got, []string{"first", "no newline"}) {
		t.Errorf("got %q, want the open line too", got)
	}
}

func lengths(lines []string) []int {
	var all []int
	for _, line := range lines {
		all = append(all, len(line))
	}
	return all
}

// followed is a query that follows, with what it emits.
type followed struct {
	s     *scene
	lines chan function.LogLine
	ended chan error
	stop  context.CancelFunc
}

func (s *scene) follow(q function.LogQuery) *followed {
	ctx, cancel := context.WithCancel(s.t.Context())
	f := &followed{s: s, lines: make(chan function.LogLine), ended: make(chan error, 1), stop: cancel}
	q.Follow = true
	go func() {
		f.ended <- s.Logs(ctx, function.Name{Name: "figlet", Namespace: "dev"}, q, func(line function.LogLine) error {
			select {
			case f.lines <- line:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return f
}

// want takes the next lines.
func (f *followed) want(texts ...string) {
	f.s.t.Helper()
	for i, want := range texts {
		select {
		case line := <-f.lines:
			if line.Text != want {
				f.s.t.Fatalf("line %d: got %.40q of %d bytes, want %.40q of %d", i, line.Text, len(line.Text), want, len(want))
			}
		case err := <-f.ended:
			f.s.t.Fatalf("line %d: ended with %v, want %.40q", i, err, want)
		case <-time.After(20 * time.Second):
			f.s.t.Fatalf("line %d: nothing came, want %.40q", i, want)
		}
	}
}

func (f *followed) end() {
	f.s.t.Helper()
	f.stop()
	if err := <-f.ended; !errors.Is(err, context.Canceled) {
		f.s.t.Errorf("ended with %v, want the error of the context", err)
	}
}

func TestLogs_FollowGoesFromPastToLive(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	long := strings.Repeat("y", 300<<10)
	replica := s.start(s.function("figlet"))
	s.print(replica, "stdout", "one\ntwo\nthree\nbegun ")
	s.awaitLines(3)
	f := s.follow(function.LogQuery{Tail: 2})
	f.want("two", "three")
	s.print(replica, "stdout", "and ended\n"+long+"\n")
	f.want("begun and ended", long)
	s.print(replica, "stderr", "error\n")
	f.want("error")
	f.end()
}

func TestLogs_FollowPicksUpNewReplicas(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.follow(function.LogQuery{})
	first := s.start(s.function("figlet"))
	s.print(first, "stdout", "first\n")
	f.want("first")
	second := s.start(s.function("figlet", withRevision(2)))
	s.print(second, "stdout", "second\n")
	f.want("second")
	if err := s.Stop(t.Context(), first.ID, time.Second); err != nil {
		t.Fatal(err)
	}
	s.print(second, "stdout", "still here\n")
	f.want("still here")
	if _, err := s.Start(t.Context(), s.function("figlet", withRevision(3), withEnv("crash_after_lines", "1"))); err != nil {
		t.Fatal(err)
	}
	f.want("line 0 " + strings.Repeat("x", 2000))
	f.end()
}

func TestLogs_FollowLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	replica := s.start(s.function("figlet"))
	const count = 2000
	printed := make(chan error, 1)
	go func() {
		for i := 0; i < count; i += 20 {
			var text strings.Builder
			for j := i; j < i+20; j++ {
				fmt.Fprintf(&text, "line %d\n", j)
			}
			if _, _, err := post(t.Context(), replica, "/print", nil, text.String()); err != nil {
				printed <- err
				return
			}
		}
		printed <- nil
	}()
	s.awaitLines(200)
	f := s.follow(function.LogQuery{})
	for i := range count {
		f.want(fmt.Sprintf("line %d", i))
	}
	if err := <-printed; err != nil {
		t.Fatal(err)
	}
	f.end()
}

func TestLogs_EndsWithTheErrorOfEmit(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	replica := s.start(s.function("figlet"))
	s.print(replica, "stdout", "one\n")
	s.awaitLines(1)
	gone := errors.New("the reader has gone")
	for _, follow := range []bool{false, true} {
		err := s.Logs(t.Context(), replica.Function, function.LogQuery{Follow: follow}, func(function.LogLine) error { return gone })
		if !errors.Is(err, gone) {
			t.Errorf("follow %v: got %v, want the error of emit", follow, err)
		}
	}
}

// TestLogs_FollowOverRotationsIsExact has replicas write so much that Docker begins new files
// for it, which it then reads twice in part. They write no faster than is read: Docker loses
// files that come and go while nobody reads.
func TestLogs_FollowOverRotationsIsExact(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	const count, batch, replicas = 12_000, 200, 2
	pad := strings.Repeat("x", 1000)
	f := s.follow(function.LogQuery{})
	write := func(replica function.Replica, name string, from int) {
		var text strings.Builder
		for i := from; i < from+batch; i++ {
			fmt.Fprintf(&text, "%s %d %s\n", name, i, pad)
		}
		s.print(replica, "stdout", text.String())
	}
	next, seen := map[string]int{}, map[string]int{}
	var all []function.Replica
	for r := range replicas {
		all = append(all, s.start(s.function("figlet")))
		write(all[r], strconv.Itoa(r), 0)
		next[strconv.Itoa(r)] = batch
	}
	for range replicas * count {
		var line function.LogLine
		select {
		case line = <-f.lines:
		case err := <-f.ended:
			t.Fatalf("ended with %v after %v lines", err, seen)
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing comes after %v lines", seen)
		}
		fields := strings.Fields(line.Text)
		if want := strconv.Itoa(seen[fields[0]]); fields[1] != want {
			t.Fatalf("replica %s: line %s came, want %s", fields[0], fields[1], want)
		}
		seen[fields[0]]++
		if n := seen[fields[0]]; n == next[fields[0]]-batch/2 && next[fields[0]] < count {
			r, _ := strconv.Atoi(fields[0])
			write(all[r], fields[0], next[fields[0]])
			next[fields[0]] += batch
		}
	}
	s.print(all[0], "stdout", "0 last\n")
	f.want("0 last")
	f.end()
}
