package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

// never is a pause that no test waits for: only what is announced helps.
const never = time.Hour

// host is a fleet and a store that remember what was done.
type host struct {
	mu         sync.Mutex
	namespaces map[string]bool
	secrets    map[string][]string
	revisions  map[function.Name]uint64
	specs      map[function.Name]function.Spec
	ensured    []string
	failures   map[string]int           // how often a function still fails
	block      map[string]chan struct{} // what a function waits for
}

func newHost() *host {
	return &host{
		namespaces: map[string]bool{function.DefaultNamespace: true},
		secrets:    map[string][]string{},
		revisions:  map[function.Name]uint64{},
		specs:      map[function.Name]function.Spec{},
		failures:   map[string]int{},
		block:      map[string]chan struct{}{},
	}
}

func (h *host) Ensure(ctx context.Context, spec function.Spec) error {
	h.mu.Lock()
	block := h.block[spec.Name]
	h.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures[spec.Name] != 0 {
		h.failures[spec.Name]--
		return errors.New("no such image")
	}
	h.ensured = append(h.ensured, spec.ID().String())
	h.deploy(spec)
	return nil
}

func (h *host) deploy(spec function.Spec) {
	h.revisions[spec.ID()]++
	h.specs[spec.ID()] = spec
}

func (h *host) Function(name function.Name) (function.Function, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.revisions[name] == 0 {
		return function.Function{}, function.UnknownFunction(name)
	}
	return function.Function{Spec: h.specs[name], Revision: h.revisions[name]}, nil
}

func (h *host) Namespace(name string) (function.Namespace, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.namespaces[name] {
		return function.Namespace{}, function.NotFound("namespace %q does not exist", name)
	}
	return function.Namespace{Name: name}, nil
}

func (h *host) Secrets(namespace string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.secrets[namespace])
}

func (h *host) do(act func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	act()
}

// scene is a keeper that runs.
type scene struct {
	*Keeper
	host *host
	path string
	log  *bytes.Buffer
}

func run(t *testing.T, h *host, retry time.Duration, text string) *scene {
	t.Helper()
	var log bytes.Buffer
	s := &scene{host: h, path: write(t, t.TempDir(), "stack.yml", text), log: &log}
	s.Keeper = NewKeeper(Settings{
		Path: s.path, Variables: s.path + ".env", Reader: reader(), Fleet: h, Store: h, Retry: retry,
		Logger: hclog.New(&hclog.LoggerOptions{Output: &log, Mutex: &sync.Mutex{}}),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

// await returns when every function's state is as told: "alpha=deployed …".
func (s *scene) await(t *testing.T, want string) Report {
	t.Helper()
	words := map[State]string{Pending: "pending", Deployed: "deployed", Waiting: "waiting", Failed: "failed"}
	var got string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		report := s.Report()
		var states []string
		for _, f := range report.Functions {
			states = append(states, f.Name.Name+"="+words[f.State])
		}
		if report.Err != nil {
			states = append(states, "error")
		}
		if report.Busy {
			states = append(states, "busy")
		}
		if got = strings.Join(states, " "); got == want {
			return report
		}
	}
	t.Fatalf("got %q, want %q", got, want)
	return Report{}
}

const needy = head + `
functions:
  alpha: {image: "a:1"}
  needy: {image: "n:1", secrets: [token, key]}
`

func TestKeeper_WaitsForSecrets(t *testing.T) {
	s := run(t, newHost(), never, needy)
	report := s.await(t, "alpha=deployed needy=waiting")
	if reason := report.Functions[1].Reason; !strings.Contains(reason, `secret "token" does not exist in namespace "openfaas-fn"`) {
		t.Errorf("waits for: %s", reason)
	}
	s.host.do(func() { s.host.secrets["other"] = []string{"token", "key"} })
	s.Ring()
	s.host.do(func() { s.host.secrets[function.DefaultNamespace] = []string{"token"} })
	s.Ring()
	for !strings.Contains(s.await(t, "alpha=deployed needy=waiting").Functions[1].Reason, `"key"`) {
		time.Sleep(time.Millisecond)
	}
	s.host.do(func() { s.host.secrets[function.DefaultNamespace] = []string{"key", "token"} })
	s.Ring()
	s.await(t, "alpha=deployed needy=deployed")
	s.host.do(func() {
		if want := []string{"alpha.openfaas-fn", "needy.openfaas-fn"}; !slices.Equal(s.host.ensured, want) {
			t.Errorf("deployed %v, want %v", s.host.ensured, want)
		}
	})
}

func TestKeeper_WaitsForNamespaces(t *testing.T) {
	s := run(t, newHost(), never, head+"functions:\n  alpha: {image: \"a:1\", namespace: dev, secrets: [token]}\n  beta: {image: \"b:1\", namespace: prod}\n")
	report := s.await(t, "alpha=waiting beta=waiting")
	if reason := report.Functions[0].Reason; !strings.Contains(reason, "faas-cli namespace create dev") {
		t.Errorf("waits for: %s", reason)
	}
	s.host.do(func() { s.host.namespaces["dev"] = true })
	s.Ring()
	for !strings.Contains(s.await(t, "alpha=waiting beta=waiting").Functions[0].Reason, `secret "token" does not exist in namespace "dev"`) {
		time.Sleep(time.Millisecond)
	}
	s.host.do(func() { s.host.namespaces["prod"], s.host.secrets["dev"] = true, []string{"token"} })
	s.Ring()
	s.await(t, "alpha=deployed beta=deployed")
}

func TestKeeper_OneBadFunctionCostsOneFunction(t *testing.T) {
	h := newHost()
	h.failures["gone"], h.failures["late"] = -1, 2
	s := run(t, h, time.Millisecond, head+`
functions:
  alpha: {image: "a:1"}
  bad: {image: "b:1", limits: {memory: lots}}
  gone: {image: "none:1"}
  late: {image: "l:1"}
`)
	report := s.await(t, "alpha=deployed bad=failed gone=failed late=deployed")
	if reason := report.Functions[1].Reason; !strings.Contains(reason, "limits.memory") {
		t.Errorf("bad failed with: %s", reason)
	}
	if log := s.log.String(); strings.Count(log, "no such image") != 2 || !strings.Contains(log, "line=8") {
		t.Errorf("each reason is to be logged once, with its line:\n%s", log)
	}
	write(t, s.path[:len(s.path)-len("stack.yml")], "stack.yml", head+"functions: {alpha: {image: \"a:2\"}, bad: {image: \"b:2\"}}\n")
	s.await(t, "alpha=deployed bad=deployed")
	h.do(func() {
		if image := h.specs[function.Name{Name: "alpha", Namespace: function.DefaultNamespace}].Image; image != "a:1" {
			t.Errorf("alpha was deployed and then updated to %s, which the file does not ask for", image)
		}
	})
}

// A function whose deployment takes long, such as one whose image is pulled, keeps no other.
func TestKeeper_DeploysBeside(t *testing.T) {
	h := newHost()
	slow := make(chan struct{})
	h.block["alpha"] = slow
	s := run(t, h, never, head+"functions: {alpha: {image: \"a:1\"}, beta: {image: \"b:1\"}}\n")
	s.await(t, "alpha=pending beta=deployed busy")
	close(slow)
	s.await(t, "alpha=deployed beta=deployed")
}

func TestKeeper_ReadsAFileThatIsMended(t *testing.T) {
	for _, broken := range []string{"", "functions: [", "provider: {name: faas}\n"} {
		s := run(t, newHost(), time.Millisecond, broken)
		if report := s.await(t, "error"); !strings.Contains(report.Err.Error(), s.path) {
			t.Error(report.Err)
		}
		write(t, s.path[:len(s.path)-len("stack.yml")], "stack.yml", head+"functions: {alpha: {image: \"a:1\"}}\n")
		s.await(t, "alpha=deployed")
	}
}

// A change by hand, while the file's function waited, stays.
func TestKeeper_LeavesWhatWasDoneByHand(t *testing.T) {
	name := function.Name{Name: "needy", Namespace: function.DefaultNamespace}
	own := function.Spec{Name: name.Name, Namespace: name.Namespace, Image: "own:1"}
	for _, tc := range []struct {
		what   string
		before uint64
		act    func(*host)
		want   string
	}{
		{"deployed", 0, func(h *host) { h.deploy(own) }, "own:1"},
		{"updated", 3, func(h *host) { h.deploy(own) }, "own:1"},
		{"deleted", 3, func(h *host) { delete(h.revisions, name); delete(h.specs, name) }, ""},
		{"left alone", 3, func(*host) {}, "n:1"},
	} {
		h := newHost()
		h.revisions[name] = tc.before
		s := run(t, h, never, needy)
		s.await(t, "alpha=deployed needy=waiting")
		h.do(func() {
			tc.act(h)
			h.secrets[name.Namespace] = []string{"token", "key"}
		})
		s.Ring()
		s.await(t, "alpha=deployed needy=deployed")
		h.do(func() {
			if image := h.specs[name].Image; image != tc.want {
				t.Errorf("%s: the image is %q, want %q", tc.what, image, tc.want)
			}
		})
	}
}

func TestKeeper_Redeploys(t *testing.T) {
	h := newHost()
	s := run(t, h, never, head+"functions: {alpha: {image: \"a:${STACK_TAG:-1}\"}}\n")
	s.await(t, "alpha=deployed")
	s.Ring()
	write(t, s.path[:len(s.path)-len("stack.yml")], "stack.yml.env", "STACK_TAG=2\n")
	for i := range 3 {
		s.Redeploy()
		report := s.Report()
		h.do(func() {
			if !report.Busy && len(h.ensured) < i+2 {
				t.Error("asked to deploy again, it reports that all is done")
			}
		})
		s.await(t, "alpha=deployed")
	}
	h.do(func() {
		if len(h.ensured) != 4 {
			t.Errorf("deployed %d times, want 4: %v", len(h.ensured), h.ensured)
		}
		if image := h.specs[function.Name{Name: "alpha", Namespace: function.DefaultNamespace}].Image; image != "a:2" {
			t.Errorf("the image is %s: the file of variables did not count", image)
		}
	})
}

// Whatever the keeper does when it is asked to deploy again, it reports nothing of what was
// read before.
func TestKeeper_ForgetsWhatWasReadBefore(t *testing.T) {
	for _, before := range []struct{ text, want string }{
		{head + "functions: {alpha: {image: \"a:1\"}}\n", "alpha=deployed"},
		{head + "functions: {alpha: {image: \"a:1\"}, slow: {image: \"s:1\"}}\n", "alpha=deployed slow=pending busy"},
		{head + "functions: {bad: {image: \"a:1\", limits: {memory: lots}}}\n", "bad=failed"},
		{head + "functions: {needy: {image: \"a:1\", secrets: [token], enviroment: {}}}\n", "needy=waiting"},
		{"functions: [", "error"},
	} {
		h := newHost()
		slow := make(chan struct{})
		h.block["slow"] = slow
		s := run(t, h, never, before.text)
		s.await(t, before.want)
		write(t, filepath.Dir(s.path), "stack.yml", head+"functions: {beta: {image: \"b:1\"}}\n")
		s.Redeploy()
		report := s.Report()
		for _, f := range report.Functions {
			if f.Name.Name != "beta" {
				t.Errorf("%s: asked to deploy again, it reports %+v", before.want, f)
			}
		}
		if report.Err != nil || len(report.Notes) > 0 {
			t.Errorf("%s: asked to deploy again, it reports %v %v", before.want, report.Err, report.Notes)
		}
		close(slow)
		s.await(t, "beta=deployed")
	}
}

// A file that was read before the keeper was asked to deploy again is passed over.
func TestKeeper_PassesOverWhatItReadTooEarly(t *testing.T) {
	k := NewKeeper(Settings{Path: write(t, t.TempDir(), "stack.yml", head+"functions: {alpha: {image: \"a:1\"}}\n"), Reader: reader(), Logger: hclog.NewNullLogger()})
	k.begin()
	file, err := k.read()
	k.Redeploy()
	if todo, report := k.take(file, err), k.Report(); len(todo) > 0 || len(report.Functions) > 0 || !report.Busy {
		t.Errorf("it deploys %v and reports %+v", todo, report)
	}
	k.begin()
	if todo := k.take(file, err); len(todo) != 1 {
		t.Errorf("begun again, it deploys %v", todo)
	}
}

func TestKeeper_LogsWhatItPassesOver(t *testing.T) {
	s := run(t, newHost(), never, head+"functions:\n  alpha:\n    image: a:1\n    enviroment: {a: b}\n")
	s.await(t, "alpha=deployed")
	if log := s.log.String(); !strings.Contains(log, fmt.Sprintf("file=%s line=7 key=enviroment", s.path)) {
		t.Error(log)
	}
}
