package e2e

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"faas-docker/engine/enginetest"
)

// fixture is what tests share because it is dear to make: images of the sample
// functions and two running providers. Each is made when the first test asks for
// it, and all of it goes after the last test.
type fixture struct {
	mu     sync.Mutex
	host   *fixtureTB
	images map[string]string
	hosts  map[string]*host
	binary string
}

// common is the one fixture of this package's tests.
var common = &fixture{images: map[string]string{}, hosts: map[string]*host{}}

func TestMain(m *testing.M) {
	// The tests name files from the root of the project. Those that run this program again, in
	// namespaces of its own, do so from there.
	if _, err := os.Stat("go.mod"); err != nil {
		if err := os.Chdir(".."); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if left := common.tearDown(); left != "" {
		fmt.Fprintln(os.Stderr, "FAIL: the tests left something behind:", left)
		code = 1
	}
	os.Exit(code)
}

// image returns a reference to an image of one of the sample functions, or of a
// program in a testdata folder.
func image(t testing.TB, name string) string {
	t.Helper()
	folder := "./functions/" + name
	switch name {
	case "probe":
		folder = "./engine/testdata/probe"
	case "caller", "moody", "sluggish", "talker":
		folder = "./e2e/testdata/" + name
	}
	return common.make(t, func(tb testing.TB) string {
		if common.images[name] == "" {
			common.images[name] = enginetest.Image(tb, folder)
		}
		return common.images[name]
	})
}

// patient returns the provider that most tests share: those that deploy functions of their
// own, call them, and look at what is shown of them. A provider costs two seconds and four
// holders of network namespaces, and a hundred of them would make the suite longer by half. A
// test that does what others can notice has its own: one that puts a load on the start queue,
// sets limits, takes networks or containers away, or restarts.
func patient(t testing.TB) *host {
	t.Helper()
	return sharedHost(t, "patient", map[string]string{"routes_dir": os.TempDir()})
}

// hasty returns a shared provider that waits for nothing for long, and pulls no
// images.
func hasty(t testing.TB) *host {
	t.Helper()
	return sharedHost(t, "hasty", map[string]string{
		"read_timeout": "1s", "write_timeout": "1s", "upstream_timeout": "1s",
		"wake_timeout": "3s", "start_timeout": "1s", "drain_timeout": "1s",
	})
}

// ownHost returns a provider for one test.
func ownHost(t testing.TB, settings map[string]string) *host {
	t.Helper()
	h := startHost(t, enginetest.Network(t), settings)
	h.explainFailure(t)
	return h
}

func sharedHost(t testing.TB, kind string, settings map[string]string) *host {
	t.Helper()
	common.make(t, func(tb testing.TB) string {
		if common.hosts[kind] == nil {
			common.hosts[kind] = startHost(tb, enginetest.Network(tb), settings)
		}
		return ""
	})
	h := *common.hosts[kind]
	h.explainFailure(t)
	return &h
}

// make runs build with a testing.TB that outlives the test t. A build that fails
// fails t.
func (f *fixture) make(t testing.TB, build func(testing.TB) string) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.host == nil {
		f.host = &fixtureTB{}
	}
	f.host.failure = ""
	var made string
	done := make(chan struct{})
	go func() { // a goroutine of its own, because Fatal ends it
		defer close(done)
		made = build(f.host)
	}()
	<-done
	if f.host.failure != "" {
		t.Fatal(f.host.failure)
	}
	return made
}

// tearDown removes everything that was shared and says what could not be.
func (f *fixture) tearDown() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.host == nil {
		return ""
	}
	f.host.failure, f.host.said = "", ""
	for _, clean := range slices.Backward(f.host.cleanups) {
		clean()
	}
	// Such as what Docker does not let go of, which is no failure of the tests.
	fmt.Fprint(os.Stderr, f.host.said)
	for _, h := range f.hosts {
		f.host.failure += leftovers(h.network, f.host.said)
	}
	return f.host.failure
}

// fixtureTB is a testing.TB whose life is that of the test binary. Only what
// enginetest and startHost need of one is there.
type fixtureTB struct {
	testing.TB
	cleanups []func()
	// failure is what has failed, said what was told besides.
	failure, said string
}

func (f *fixtureTB) Helper()                  {}
func (f *fixtureTB) Name() string             { return "fixture" }
func (f *fixtureTB) Context() context.Context { return context.Background() }
func (f *fixtureTB) Cleanup(clean func())     { f.cleanups = append(f.cleanups, clean) }
func (f *fixtureTB) Log(...any)               {}
func (f *fixtureTB) Logf(format string, args ...any) {
	f.said += fmt.Sprintf(format, args...) + "\n"
}
func (f *fixtureTB) Failed() bool      { return f.failure != "" }
func (f *fixtureTB) Error(args ...any) { f.failure += fmt.Sprintln(args...) }
func (f *fixtureTB) Errorf(format string, args ...any) {
	f.failure += fmt.Sprintf(format, args...) + "\n"
}

func (f *fixtureTB) Fatal(args ...any) {
	f.Error(args...)
	runtime.Goexit()
}

func (f *fixtureTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

func (f *fixtureTB) TempDir() string {
	folder, err := os.MkdirTemp("", "faas-docker-test-")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// leftovers lists what carries a provider's label although it should be gone, but for what
// has been explained by its identifier.
func leftovers(network, explained string) string {
	var left []string
	for _, kind := range [][]string{{"ps", "-aq"}, {"volume", "ls", "-q"}, {"network", "ls", "-q"}} {
		args := append(kind, "--filter", "label=com.openfaas.provider="+network)
		out, err := runDocker(context.Background(), args...)
		if err != nil {
			left = append(left, err.Error())
		}
		for _, id := range strings.Fields(out) {
			if !strings.Contains(explained, id) {
				left = append(left, strings.Join(args, " ")+": "+id)
			}
		}
	}
	return strings.Join(left, "\n")
}
