package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/queue"
	"faas-docker/queue/disk"
)

// scene is a Dispatcher at work, in a bubble with a clock of its own.
type scene struct {
	*testing.T
	*Dispatcher
	queue  *flaky
	folder string
	rules  *rules
	stop   func()

	mu    sync.Mutex
	calls []string
	// answer answers calls; nil answers 200 at once.
	answer func(ctx context.Context, c *queue.Call) (Answer, error)
}

// rules are those of a test; each lane has as many places.
type rules struct {
	mu      sync.Mutex // protects places
	places  int
	retries queue.Retries
	once    bool
	then    func(*queue.Call, Answer) []*queue.Call
}

func (r *rules) Places(string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.places
}

func (r *rules) set(places int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.places = places
}

func (r *rules) Retries(*queue.Call) queue.Retries { return r.retries }
func (r *rules) Once(*queue.Call) bool             { return r.once }
func (r *rules) Then(c *queue.Call, a Answer) []*queue.Call {
	if r.then == nil {
		return nil
	}
	return r.then(c, a)
}

// flaky is a Backend whose Settle fails for a while.
type flaky struct {
	queue.Backend
	mu    sync.Mutex
	fails int
}

var errFull = errors.New("no space left")

func (f *flaky) Settle(ctx context.Context, settlements ...queue.Settlement) error {
	f.mu.Lock()
	fails := f.fails > 0
	f.fails--
	f.mu.Unlock()
	if fails {
		return errFull
	}
	return f.Backend.Settle(ctx, settlements...)
}

// play runs a test in a bubble. The Dispatcher begins with start.
func play(t *testing.T, act func(s *scene)) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		kept, err := disk.Open(folder, disk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		retries := queue.DefaultRetries()
		retries.Jitter = queue.NoJitter
		s := &scene{T: t, queue: &flaky{Backend: kept}, folder: folder, rules: &rules{places: 2, retries: retries}, stop: func() {}}
		s.Dispatcher = New(Config{Queue: s.queue, Caller: s, Rules: s.rules, Logger: hclog.NewNullLogger()})
		act(s)
		s.stop()
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
}

// start begins to make calls.
func (s *scene) start() {
	ctx, cancel := context.WithCancel(context.Background())
	patience, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Dispatcher.Run(ctx, patience)
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		time.Sleep(time.Minute) // for those under way, by the clock of the bubble
		end()
		<-ended
	})
}

func (s *scene) Call(ctx context.Context, c *queue.Call, body io.Reader) (Answer, error) {
	text, _ := io.ReadAll(body)
	s.mu.Lock()
	s.calls = append(s.calls, c.Lane+c.Request.Path+string(text))
	answer := s.answer
	s.mu.Unlock()
	if answer == nil {
		return status(http.StatusOK), nil
	}
	return answer(ctx, c)
}

func (s *scene) made() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func status(code int) Answer { return Answer{Outcome: queue.Outcome{Status: code}} }

func (s *scene) accept(lane, path string) *queue.Call {
	s.Helper()
	c := &queue.Call{Lane: lane, CallID: lane + path, Function: function.Name{Name: lane, Namespace: "openfaas-fn"}, Request: queue.Request{Path: path, Body: queue.Body{Inline: []byte("!"), Size: 1}}}
	if err := s.queue.Accept(s.Context(), c); err != nil {
		s.Fatal(err)
	}
	s.Ring()
	return c
}

func (s *scene) find(id queue.ID) *queue.Call {
	s.Helper()
	c, err := s.queue.Find(id)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

func (s *scene) wantMade(want ...string) {
	s.Helper()
	if got := s.made(); !slices.Equal(got, want) {
		s.Errorf("made are %q, want %q", got, want)
	}
}

func TestDispatcher_MakesWhatIsAcceptedBeforeAndAfterItsStart(t *testing.T) {
	play(t, func(s *scene) {
		before := s.accept("a", "/1")
		s.start()
		time.Sleep(time.Second)
		after := s.accept("a", "/2")
		time.Sleep(time.Second)
		s.wantMade("a/1!", "a/2!")
		for _, c := range []*queue.Call{before, after} {
			if got := s.find(c.ID); got.State != queue.Done || got.Tries != 1 || got.Last.Status != 200 {
				s.Errorf("got %+v, want it done with the first try", got)
			}
		}
	})
}

func TestDispatcher_KeepsToTheOrderWithOnePlace(t *testing.T) {
	play(t, func(s *scene) {
		s.rules.places = 1
		var want []string
		for i := range 30 {
			s.accept("a", fmt.Sprint("/", i))
			want = append(want, fmt.Sprintf("a/%d!", i))
		}
		s.start()
		time.Sleep(time.Second)
		s.wantMade(want...)
	})
}

func TestDispatcher_BeginsNoMoreThanThereArePlaces(t *testing.T) {
	play(t, func(s *scene) {
		s.MaxInFlight = 5
		most := 0
		s.answer = func(context.Context, *queue.Call) (Answer, error) {
			s.mu.Lock()
			most = max(most, s.InFlight("a"))
			s.mu.Unlock()
			time.Sleep(time.Second)
			return status(200), nil
		}
		s.rules.places = 3
		for i := range 9 {
			s.accept("a", fmt.Sprint("/", i))
			s.accept("b", fmt.Sprint("/", i))
		}
		s.start()
		time.Sleep(500 * time.Millisecond)
		if got := len(s.made()); got != 5 {
			s.Errorf("%d calls are under way, want 5 in all", got)
		}
		time.Sleep(time.Minute)
		if got := len(s.made()); got != 18 || most > 3 {
			s.Errorf("%d calls were made, at most %d of one lane at once, want 18 and 3", got, most)
		}
	})
}

// A burst for one function must not hold up another.
func TestDispatcher_ABurstDelaysNoOtherLane(t *testing.T) {
	play(t, func(s *scene) {
		s.MaxInFlight = 2
		s.answer = func(context.Context, *queue.Call) (Answer, error) {
			time.Sleep(time.Second)
			return status(200), nil
		}
		for i := range 100 {
			s.accept("a", fmt.Sprint("/", i))
		}
		s.start()
		time.Sleep(10500 * time.Millisecond)
		s.accept("b", "/")
		time.Sleep(time.Second)
		if !slices.Contains(s.made(), "b/!") {
			s.Errorf("made are %q, want b's among them", s.made())
		}
	})
}

func TestDispatcher_RepeatsUntilItSucceeds(t *testing.T) {
	play(t, func(s *scene) {
		s.answer = func(context.Context, *queue.Call) (Answer, error) {
			if len(s.made()) < 4 {
				return status(500), nil
			}
			return status(200), nil
		}
		c := s.accept("a", "/")
		s.start()
		time.Sleep(69 * time.Second) // 10 s, 20 s and 40 s make 70
		if got := s.find(c.ID); got.State != queue.Ready || got.Tries != 3 || got.Last.Status != 500 {
			s.Errorf("got %+v, want three tries", got)
		}
		time.Sleep(2 * time.Second)
		if got := s.find(c.ID); got.State != queue.Done || got.Tries != 4 {
			s.Errorf("got %+v, want it done with the fourth", got)
		}
		s.wantMade("a/!", "a/!", "a/!", "a/!")
	})
}

func TestDispatcher_GivesUpAndSaysWhy(t *testing.T) {
	play(t, func(s *scene) {
		s.rules.retries.Attempts = 2
		s.answer = func(_ context.Context, c *queue.Call) (Answer, error) {
			if c.Lane == "letters" {
				return status(200), nil
			}
			return Answer{}, errors.New("connection refused")
		}
		s.rules.then = func(c *queue.Call, _ Answer) []*queue.Call {
			if c.State != queue.Dead {
				return nil
			}
			return []*queue.Call{{Lane: "letters", CallID: c.CallID, Request: queue.Request{Path: "/" + c.Last.Error}}}
		}
		c := s.accept("a", "/")
		s.start()
		time.Sleep(time.Minute)
		if got := s.find(c.ID); got.State != queue.Dead || got.Tries != 3 || got.Last.Error != "connection refused" || string(got.Request.Body.Inline) != "!" {
			s.Errorf("got %+v, want it dead, whole, with the reason", got)
		}
		s.wantMade("a/!", "a/!", "a/!", "letters/connection refused")
	})
}

func TestDispatcher_AtMostOnceIsWrittenBefore(t *testing.T) {
	play(t, func(s *scene) {
		s.rules.once = true
		s.answer = func(_ context.Context, c *queue.Call) (Answer, error) {
			if got := s.find(c.ID); got.State != queue.Started {
				s.Errorf("while it is made it is %s, want started", got.State)
			}
			return status(200), nil
		}
		c := s.accept("a", "/")
		s.start()
		time.Sleep(time.Second)
		if got := s.find(c.ID); got.State != queue.Done {
			s.Errorf("got %s, want done", got.State)
		}
	})
}

func TestDispatcher_GivesUpWhatWasBeingMadeWhenTheProviderEnded(t *testing.T) {
	play(t, func(s *scene) {
		c := s.accept("a", "/")
		claimed, err := s.queue.Claim("a", 1)
		if err != nil || len(claimed) != 1 {
			s.Fatal(claimed, err)
		}
		claimed[0].State = queue.Started
		if err := s.queue.Settle(s.Context(), queue.Settlement{Call: claimed[0]}); err != nil {
			s.Fatal(err)
		}
		s.queue.GiveBack(claimed[0]) // as the end of a process does
		var told atomic.Bool
		s.rules.then = func(*queue.Call, Answer) []*queue.Call { told.Store(true); return nil }
		s.start()
		s.Ring()
		time.Sleep(time.Second)
		s.wantMade()
		if got := s.find(c.ID); got.State != queue.Dead || got.Last.Error != errEnded.Error() || !told.Load() {
			s.Errorf("got %+v, told %v, want it dead, with the reason, and its callback", got, told.Load())
		}
	})
}

// An answer that is kept for a callback is dropped where there is none after all.
func TestDispatcher_DropsAnswersThatNobodyGets(t *testing.T) {
	play(t, func(s *scene) {
		s.answer = func(_ context.Context, c *queue.Call) (Answer, error) {
			kept, err := s.queue.Keep(strings.NewReader(strings.Repeat("x", 100<<10)))
			answer := Answer{Outcome: queue.Outcome{Status: 500}, Body: kept}
			if c.Tries == 3 {
				answer.Status = 200
			}
			return answer, err
		}
		var last atomic.Value
		s.rules.then = func(c *queue.Call, a Answer) []*queue.Call {
			last.Store(a.Body)
			if c.Lane == "callbacks" {
				return nil
			}
			return []*queue.Call{{Lane: "callbacks", Request: queue.Request{Body: a.Body}, Due: time.Now().Add(time.Hour)}}
		}
		s.accept("a", "/")
		s.start()
		time.Sleep(30 * time.Minute)
		if got := len(s.bodies()); got != 1 {
			s.Errorf("%d answers are kept, want that of the last try", got)
		}
		body, err := s.queue.Open(last.Load().(queue.Body))
		if err != nil {
			s.Fatalf("the answer of the last try is gone: %v", err)
		}
		body.Close()
	})
}

// bodies are the files of long bodies.
func (s *scene) bodies() []string {
	files, _ := filepath.Glob(filepath.Join(s.folder, "bodies", "*"))
	return files
}

func TestDispatcher_FindsTheNextBehindOneThatWasCancelled(t *testing.T) {
	play(t, func(s *scene) {
		s.start()
		dueIn := func(path string, d time.Duration) *queue.Call {
			c := &queue.Call{Lane: "a", Request: queue.Request{Path: path}, Due: time.Now().Add(d)}
			if err := s.queue.Accept(s.Context(), c); err != nil {
				s.Fatal(err)
			}
			s.Ring()
			return c
		}
		first := dueIn("/1", time.Minute)
		dueIn("/2", 2*time.Minute)
		time.Sleep(time.Second)
		first.State = queue.Cancelled
		if err := s.queue.Settle(s.Context(), queue.Settlement{Call: first}); err != nil {
			s.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		s.wantMade("a/2")
	})
}

func TestDispatcher_AtMostOnceRepeatsOnlyWhatCannotHaveRun(t *testing.T) {
	play(t, func(s *scene) {
		s.rules.once = true
		ours := func(code int) Answer { return Answer{Outcome: queue.Outcome{Status: code, IsOurs: true}} }
		answers := map[string]Answer{"/busy": ours(503), "/many": ours(429), "/fails": status(500), "/cut": ours(502), "/slow": ours(504), "/gone": {}}
		s.answer = func(_ context.Context, c *queue.Call) (Answer, error) {
			if c.Tries > 0 {
				return status(200), nil
			}
			return answers[c.Request.Path], nil
		}
		s.start()
		for path, want := range map[string]queue.State{
			"/busy": queue.Done, "/many": queue.Done, "/fails": queue.Done, "/cut": queue.Dead, "/slow": queue.Dead, "/gone": queue.Dead,
		} {
			c := s.accept("a", path)
			time.Sleep(time.Minute)
			if got := s.find(c.ID); got.State != want {
				s.Errorf("%s: got %s, want %s", path, got.State, want)
			}
		}
	})
}

func TestDispatcher_BreaksOffWhatIsCancelled(t *testing.T) {
	play(t, func(s *scene) {
		s.rules.places = 1
		s.answer = func(ctx context.Context, c *queue.Call) (Answer, error) {
			if c.Request.Path == "/2" {
				return status(200), nil
			}
			<-ctx.Done()
			return Answer{}, ctx.Err()
		}
		s.start()
		c, next := s.accept("a", "/1"), s.accept("a", "/2")
		time.Sleep(time.Hour)
		cancelled := s.find(c.ID)
		cancelled.State = queue.Cancelled
		if err := s.queue.Settle(s.Context(), queue.Settlement{Call: cancelled}); err != nil {
			s.Fatal(err)
		}
		s.Break(c.ID)
		time.Sleep(time.Second)
		if got := s.find(c.ID); got.State != queue.Cancelled || got.Tries != 0 {
			s.Errorf("got %+v, want it cancelled", got)
		}
		if got := s.find(next.ID); got.State != queue.Done {
			s.Errorf("the next is %s, want done", got.State)
		}
	})
}

func TestDispatcher_LeavesToTheNextProcessWhatDoesNotEnd(t *testing.T) {
	play(t, func(s *scene) {
		s.answer = func(ctx context.Context, c *queue.Call) (Answer, error) {
			if c.Request.Path == "/short" {
				time.Sleep(10 * time.Second)
				return status(200), nil
			}
			<-ctx.Done()
			return Answer{}, ctx.Err()
		}
		s.start()
		short, long := s.accept("a", "/short"), s.accept("a", "/long")
		time.Sleep(time.Second)
		s.stop()
		if got := s.find(short.ID); got.State != queue.Done {
			s.Errorf("the short one is %s, want done", got.State)
		}
		got, err := s.queue.Claim("a", 9)
		if err != nil || len(got) != 1 || got[0].ID != long.ID || got[0].Tries != 0 {
			s.Errorf("left are %v, %v, want the long one, not tried", got, err)
		}
	})
}

func TestDispatcher_WaitsForPlacesThatOthersHave(t *testing.T) {
	play(t, func(s *scene) {
		s.rules.set(0)
		s.start()
		s.accept("a", "/")
		time.Sleep(time.Minute)
		s.wantMade()
		s.rules.set(1)
		time.Sleep(time.Second)
		s.wantMade("a/!")
	})
}

func TestDispatcher_PausesLanes(t *testing.T) {
	play(t, func(s *scene) {
		s.Pause(map[string]bool{"a": true})
		s.start()
		s.accept("a", "/")
		s.accept("b", "/")
		time.Sleep(time.Hour)
		s.wantMade("b/!")
		s.Pause(nil)
		time.Sleep(time.Second)
		s.wantMade("b/!", "a/!")
	})
}

// Nothing runs after its success could not be written down, and nothing is lost.
func TestDispatcher_WritesAnOutcomeDownAsSoonAsItCan(t *testing.T) {
	play(t, func(s *scene) {
		s.queue.fails = 5
		c := s.accept("a", "/")
		s.start()
		time.Sleep(4 * time.Second)
		if got := s.find(c.ID); got.State != queue.Ready {
			s.Errorf("it is %s while nothing can be written, want ready", got.State)
		}
		time.Sleep(2 * time.Second)
		if got := s.find(c.ID); got.State != queue.Done {
			s.Errorf("got %s, want done", got.State)
		}
		s.wantMade("a/!")
	})
}

func TestDispatcher_MakesWhatIsDueLaterAtItsTime(t *testing.T) {
	play(t, func(s *scene) {
		s.start()
		c := &queue.Call{Lane: "a", Request: queue.Request{Path: "/"}, Due: time.Now().Add(90 * time.Minute)}
		if err := s.queue.Accept(s.Context(), c); err != nil {
			s.Fatal(err)
		}
		s.Ring()
		time.Sleep(90*time.Minute - time.Millisecond)
		s.wantMade()
		time.Sleep(2 * time.Millisecond)
		s.wantMade("a/")
	})
}
