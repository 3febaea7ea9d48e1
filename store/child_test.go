package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/store"
)

// The roles in which this test binary runs as another process.
const (
	childWriter = "child-writer"
	childFull   = "child-full"
)

func runChild(role, path string) int {
	s, err := store.Open(path, home)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	run := map[string]func(*store.Store, string) error{childWriter: writeForever, childFull: writeUntilFull}[role]
	if err := run(s, path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// writeForever makes changes until it is killed. It prints "put <name>
// <revision>" and "gone <name>" once acknowledged, and "try <name>" before each
// act: of that one function the outcome is open.
func writeForever(s *store.Store, _ string) error {
	for i := 0; ; i++ {
		f := spec(fmt.Sprintf("fn-%d-%d", os.Getpid(), i), home)
		fmt.Println("try", f.Name)
		created, err := s.Create(f)
		if err != nil {
			return err
		}
		fmt.Println("put", f.Name, created.Revision)
		fmt.Println("try", f.Name)
		replaced, err := s.Replace(f.ID(), func(f function.Function) function.Function { f.Replicas = 2; return f })
		if err != nil {
			return err
		}
		fmt.Println("put", f.Name, replaced.Revision)
		if i%3 != 0 {
			continue
		}
		fmt.Println("try", f.Name)
		if err := s.Delete(f.ID()); err != nil {
			return err
		}
		fmt.Println("gone", f.Name)
	}
}

// ledger is what a killed writer said it had done.
type ledger struct {
	revisions map[string]uint64 // by function; 0 when it is gone
	highest   uint64
	open      string // the function whose last act may or may not have happened
}

func (l *ledger) note(t *testing.T, line string) {
	t.Helper()
	words := strings.Fields(line)
	switch {
	case len(words) == 2 && words[0] == "try":
		l.open = words[1]
	case len(words) == 2 && words[0] == "gone":
		l.revisions[words[1]], l.open = 0, ""
	case len(words) == 3 && words[0] == "put":
		revision, err := strconv.ParseUint(words[2], 10, 64)
		must(t, err)
		if revision <= l.highest {
			t.Errorf("got revision %d after %d", revision, l.highest)
		}
		l.revisions[words[1]], l.highest, l.open = revision, revision, ""
	default:
		t.Fatalf("the writer said %q", line)
	}
}

func (l *ledger) check(t *testing.T, s *store.Store) {
	t.Helper()
	for fn, want := range l.revisions {
		f, err := s.Function(name(fn, home))
		switch {
		case fn == l.open:
		case want == 0 && err == nil:
			t.Errorf("%s came back after its deletion was acknowledged", fn)
		case want != 0 && (err != nil || f.Revision != want):
			t.Errorf("%s: got revision %d and %v, want %d, which was acknowledged", fn, f.Revision, err, want)
		}
	}
}

// settle takes down how the open act turned out: from now on that must hold too.
func (l *ledger) settle(s *store.Store) {
	if l.open == "" {
		return
	}
	f, _ := s.Function(name(l.open, home))
	l.revisions[l.open], l.open = f.Revision, ""
	l.highest = max(l.highest, f.Revision)
}

func TestStore_KeepsWhatItAcknowledgedWhenKilled(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	done := &ledger{revisions: map[string]uint64{}}
	for range 10 {
		killWriter(t, path, done)
		s, err := store.Open(path, home)
		must(t, err)
		done.check(t, s)
		done.settle(s)
		must(t, s.Close())
	}
	t.Logf("%d functions, highest revision %d", len(done.revisions), done.highest)
	if done.highest < 10 {
		t.Errorf("got %d changes in all, want enough to mean something", done.highest)
	}
}

// killWriter runs a writer and kills it at a random moment after a random
// number of lines, then reads what it managed to say.
func killWriter(t *testing.T, path string, done *ledger) {
	t.Helper()
	child, out := startChild(t, childWriter, path)
	lines := bufio.NewScanner(out)
	for left := 2 + rand.IntN(40); left > 0 && lines.Scan(); left-- {
		done.note(t, lines.Text())
	}
	moment := time.AfterFunc(time.Duration(rand.Int64N(int64(5*time.Millisecond))), func() { _ = child.Process.Kill() })
	defer moment.Stop()
	for lines.Scan() {
		done.note(t, lines.Text())
	}
	must(t, lines.Err())
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("got %v from the writer, want it killed", err)
	}
}

func startChild(t *testing.T, role, path string) (*exec.Cmd, io.Reader) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	child := exec.CommandContext(t.Context(), self, role, path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	return child, out
}

// writeUntilFull lets the kernel refuse to let the file grow, which is the
// refusal of a full disk, and checks that nothing else breaks.
func writeUntilFull(s *store.Store, path string) error {
	// The kernel would end the process for writing beyond the limit.
	signal.Ignore(syscall.SIGXFSZ)
	if _, err := s.Create(spec("before", home)); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	limit := syscall.Rlimit{Cur: uint64(info.Size()), Max: old.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := refuseAll(s); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	after, err := s.Create(spec("after", home))
	fmt.Println("after", after.Revision)
	return err
}

// refuseAll tries each kind of change with more than fits, and prints the answers.
func refuseAll(s *store.Store) error {
	large := strings.Repeat("hush", 1<<20)
	big := func(f function.Function) function.Function {
		f.EnvVars = map[string]string{"BIG": large}
		return f
	}
	n := name("before", home)
	acts := []func() error{
		func() error { _, err := s.Create(big(spec("big", home))); return err },
		func() error { _, err := s.Replace(n, big); return err },
		func() error {
			_, err := s.Change(n, func(f function.Function) (function.Function, bool) { return big(f), true })
			return err
		},
		func() error { return s.Adopt([]function.Function{big(spec("big", "dev"))}) },
		func() error {
			return s.CreateNamespace(function.Namespace{Name: "dev", Labels: map[string]string{"a": large}})
		},
		func() error { return s.CreateSecret(secret("big", home, large)) },
	}
	for i, act := range acts {
		err := act()
		fmt.Printf("%d %t %v\n", i, errors.Is(err, function.ErrUnavailable), err)
	}
	fmt.Println("left", len(s.Functions("")), len(s.Namespaces()), len(s.Secrets(home)))
	f, err := s.Function(n)
	fmt.Println("before", f.Revision, len(f.EnvVars))
	return err
}

func TestStore_ChangesNothingWhenTheDiskRefuses(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	child, out := startChild(t, childFull, path)
	said, err := io.ReadAll(out)
	must(t, err)
	must(t, child.Wait())
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	if len(lines) != 9 {
		t.Fatalf("got %d lines, want 9:\n%s", len(lines), said)
	}
	for i, line := range lines[:6] {
		want := fmt.Sprintf("%d true nothing was changed, because the store cannot be written", i)
		if !strings.HasPrefix(line, want) || !strings.Contains(line, "has room") || strings.Contains(line, "hush") {
			t.Errorf("got %q, want it to begin %q and say what to do", line, want)
		}
	}
	for i, want := range []string{"left 1 1 0", "before 1 0", "after 2"} {
		if got := lines[6+i]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	s := open(t, path)
	wantFunctions(t, s, "", "after", "before")
	wantNamespaces(t, s, home)
	wantSecrets(t, s, home)
}
