package fleet

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/function/clock"
)

// probed is a spec with annotations for its checks, given without their prefix.
func probed(name string, pairs ...string) function.Spec {
	sp := spec(name)
	sp.Annotations = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		sp.Annotations["com.openfaas."+pairs[i]] = pairs[i+1]
	}
	return sp
}

func TestReadiness_CallersAndStatusAreToldWhatIsWaitedFor(t *testing.T) {
	for _, test := range []struct{ told, want string }{
		{"answers 503 on /_/health", "replica figlet.openfaas-fn.c1: answers 503 on /_/health since 20s"},
		{"the process behind its watchdog does not listen on port 5000", "replica figlet.openfaas-fn.c1: the process behind its watchdog does not listen on port 5000 since 20s"},
		{"nothing listens on port 8080; it listens on 3000: set the variable port=3000", "replica figlet.openfaas-fn.c1: nothing listens on port 8080 since 20s; it listens on 3000: set the variable port=3000"},
	} {
		play(t, nil, func(s *scene) {
			var well atomic.Bool
			s.engine.prepare = func(ctx context.Context, _ function.Replica, _ function.Readiness, tell func(string)) error {
				if well.Load() {
					return nil
				}
				tell(test.told)
				<-ctx.Done()
				return errors.New(test.told)
			}
			s.create(spec("figlet"))
			s.passes(200 * time.Millisecond)
			s.passes(20 * time.Second)
			if got := s.Awaited(s.name("figlet")); got != test.want {
				t.Errorf("callers are told %q, want %q", got, test.want)
			}
			s.wantReason("figlet", "starting: "+test.want)
			s.passes(45 * time.Second)
			if status, _ := s.Status(s.name("figlet")); !strings.Contains(status.Reason, test.told) {
				t.Errorf("after it was given up: %q", status.Reason)
			}
			well.Store(true)
			s.passes(2 * time.Minute)
			if got := s.Awaited(s.name("figlet")); got != "" {
				t.Errorf("ready, and callers are told %q", got)
			}
		})
	}
}

func TestReadiness_AnUpdateSaysWhatItWaitsForAtOnce(t *testing.T) {
	for _, test := range []struct{ told, want string }{
		{"answers 500 on /ready", "starting: replica figlet.openfaas-fn.c2: answers 500 on /ready since 1s"},
		{"nothing listens on port 8080", "nothing listens on port 8080 since 1s"},
		{"is in its initial delay of 30s", "is in its initial delay of 30s since 1s"},
		{"", ""},
	} {
		play(t, nil, func(s *scene) {
			s.engine.prepare = func(ctx context.Context, replica function.Replica, _ function.Readiness, tell func(string)) error {
				if replica.ID == "c1" {
					return nil
				}
				if test.told != "" {
					tell(test.told)
				}
				clock.Sleep(ctx, 30*time.Second)
				return ctx.Err()
			}
			sp := probed("figlet", "ready.http.path", "/ready")
			s.create(sp)
			s.passes(time.Second)
			s.wantReason("figlet", "")
			s.redeploy(sp, 1)
			s.passes(1200 * time.Millisecond)
			s.wantReason("figlet", test.want)
			s.passes(time.Minute)
			s.wantReady("figlet", 1)
			s.wantReason("figlet", "")
		})
	}
}

func TestReadiness_TheInitialDelayIsNotTakenFromTheStart(t *testing.T) {
	var asked []function.Readiness
	play(t, nil, func(s *scene) {
		s.engine.prepare = func(ctx context.Context, _ function.Replica, ready function.Readiness, _ func(string)) error {
			asked = append(asked, ready)
			if clock.Sleep(ctx, ready.Delay+50*time.Second) == nil {
				return nil
			}
			return errors.New("answers 503 on /ready")
		}
		sp := probed("figlet", "ready.http.path", "/ready", "ready.http.initialDelaySeconds", "30", "ready.http.successThreshold", "2")
		s.create(sp)
		s.passes(79 * time.Second)
		s.wantReady("figlet", 0)
		s.passes(3 * time.Second)
		s.wantReady("figlet", 1)
		s.wantRunning("c1")
		if len(asked) != 1 || asked[0].Delay != 30*time.Second || asked[0].Successes != 2 || asked[0].Path != "/ready" {
			t.Errorf("asked %+v", asked)
		}
		// One that answered before has nothing to wait for.
		s.Resolver.Suspect(s.name("figlet"), "c1")
		s.passes(time.Second)
		if len(asked) != 2 || asked[1].Delay != 0 {
			t.Errorf("asked again with %+v", asked)
		}
	})
}

func TestReadiness_AReplicaThatWasThereBeforeTheProviderIsAskedAtOnce(t *testing.T) {
	sp := probed("figlet", "ready.http.initialDelaySeconds", "30")
	play(t, func(s *scene) {
		created, err := s.store.Create(function.Function{Spec: sp, Replicas: 1, ImageID: "sha256:x"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.engine.Start(t.Context(), created); err != nil {
			t.Fatal(err)
		}
		s.openStore()
		s.engine.prepare = func(ctx context.Context, _ function.Replica, ready function.Readiness, _ func(string)) error {
			clock.Sleep(ctx, ready.Delay)
			return ctx.Err()
		}
	}, func(s *scene) {
		s.passes(time.Second)
		s.wantReady("figlet", 1)
		s.wantRunning("c1")
	})
}

func TestReadiness_OneThatSaysThatItIsNotReadyTakesNoCallsUntilItIs(t *testing.T) {
	play(t, nil, func(s *scene) {
		var busy atomic.Bool
		busy.Store(true)
		s.engine.prepare = func(ctx context.Context, replica function.Replica, ready function.Readiness, tell func(string)) error {
			for s.ask(ctx, replica, ready.Probe) != nil {
				tell("answers 429 on /_/ready")
				if clock.Sleep(ctx, ready.Period) != nil {
					return errors.New("answers 429 on /_/ready")
				}
			}
			return nil
		}
		s.create(probed("figlet", "ready.http.path", "/_/ready", "ready.http.periodSeconds", "1s", "ready.http.failureThreshold", "2"))
		s.passes(10 * time.Second)
		s.wantReady("figlet", 1)
		s.asks(func(_ function.Replica, path string) error {
			if busy.Load() && path == "/_/ready" {
				return errors.New("answers 429 on /_/ready")
			}
			return nil
		})
		s.passes(900 * time.Millisecond)
		s.wantReady("figlet", 1)
		s.passes(2 * time.Second)
		s.wantReady("figlet", 0)
		s.passes(10 * time.Minute) // longer than any start may take: it is not replaced for that
		s.wantRunning("c1")
		if got := s.Awaited(s.name("figlet")); !strings.Contains(got, "answers 429 on /_/ready since 10m") {
			t.Errorf("callers are told %q", got)
		}
		busy.Store(false)
		s.passes(2 * time.Second)
		s.wantReady("figlet", 1)
		s.wantRunning("c1")
	})
}

func TestReadiness_ItsHealthCheckReplacesOneThatIsNotReadyEither(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(probed("figlet", "ready.http.path", "/ready", "health.http.path", "/alive", "health.http.periodSeconds", "1", "health.http.initialDelay", "10s"))
		s.passes(5 * time.Second)
		s.asks(func(replica function.Replica, path string) error {
			if replica.ID == "c1" && path == "/alive" {
				return errors.New("answers 500 on /alive")
			}
			return nil
		})
		s.passes(4 * time.Second)
		s.wantRunning("c1")
		s.passes(6 * time.Second)
		s.wantRunning("c2")
		s.wantReady("figlet", 1)
	})
}

// One that has said that it is not ready is still under its health check.
func TestReadiness_OneThatIsUnreadyAndHangsIsReplaced(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(probed("figlet", "ready.http.path", "/ready", "ready.http.periodSeconds", "1", "health.http.path", "/alive", "health.http.periodSeconds", "1"))
		s.passes(5 * time.Second)
		hangs := atomic.Bool{}
		s.asks(func(replica function.Replica, path string) error {
			if replica.ID == "c1" && (path == "/ready" || hangs.Load()) {
				return errors.New("answers 503 on " + path)
			}
			return nil
		})
		s.passes(10 * time.Second)
		s.wantRunning("c1") // it is not ready, which its health check does not mind
		hangs.Store(true)
		s.passes(15 * time.Second)
		s.wantRunning("c2")
	})
}

func TestReadiness_SettingsThatAreNotKnownAreNamed(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(probed("figlet", "health.http.timeout", "5s", "ready.path", "/ready", "health.http.path", "/ok"))
		all := ""
		for _, note := range s.Notes(s.name("figlet")) {
			all += note.Text + "\n"
		}
		for _, key := range []string{"com.openfaas.health.http.timeout is not known", "com.openfaas.ready.path is not known"} {
			if !strings.Contains(all, key) {
				t.Errorf("%q does not say %q", all, key)
			}
		}
		if strings.Contains(all, "com.openfaas.health.http.path is not known") {
			t.Errorf("%q names one that is known", all)
		}
	})
}

func TestImageConfig_GoesWithTheFunction(t *testing.T) {
	slow := function.NewImageConfig([]string{"write_timeout=150s", "max_inflight=2"}, []string{"3000/tcp"}, nil)
	// away is set while the image cannot be read, and nothing of it be started.
	var away atomic.Bool
	of := func(reference string) *function.ImageConfig {
		switch {
		case away.Load():
			return nil
		case strings.Contains(reference, "figlet"):
			return slow
		}
		return &function.ImageConfig{}
	}
	starts := func(function.Function) error {
		if away.Load() {
			return function.NotFound("no such image")
		}
		return nil
	}
	for name, test := range map[string]struct {
		arrange func(*scene)
		act     func(*scene)
	}{
		"when it is deployed": {
			arrange: func(s *scene) { s.engine.imageConfig = of },
			act:     func(s *scene) { s.create(spec("figlet")) },
		},
		"when its image came later": {
			arrange: func(s *scene) {
				s.engine.imageConfig = of
				s.engine.image = func(ctx context.Context, ref string) (string, error) {
					clock.Sleep(ctx, time.Minute)
					return "sha256:" + ref, ctx.Err()
				}
			},
			act: func(s *scene) { s.create(spec("figlet")); s.passes(2 * time.Minute) },
		},
		"when the image could not be read at first": {
			arrange: func(s *scene) {
				s.engine.imageConfig, s.engine.start = of, starts
				away.Store(true)
			},
			act: func(s *scene) {
				s.create(spec("figlet"))
				s.passes(time.Second)
				away.Store(false)
				s.passes(2 * time.Minute)
			},
		},
		"when it was stored by an older provider": {
			arrange: func(s *scene) {
				s.engine.imageConfig = of
				if _, err := s.store.Create(function.Function{Spec: spec("figlet"), Replicas: 1, ImageID: "sha256:figlet"}); err != nil {
					t.Fatal(err)
				}
			},
			act: func(*scene) {},
		},
		"when its image is gone": {
			arrange: func(s *scene) { s.engine.imageConfig, s.engine.start = of, starts },
			act: func(s *scene) {
				s.create(spec("figlet"))
				s.passes(time.Second)
				away.Store(true)
				if err := s.engine.set("c1", function.Exited); err != nil {
					t.Fatal(err)
				}
				s.passes(time.Minute)
			},
		},
		"when it was rolled back": {
			arrange: func(s *scene) { s.engine.imageConfig = of },
			act: func(s *scene) {
				sp := spec("figlet")
				s.create(sp)
				s.passes(10 * time.Second)
				sp.Image, sp.Annotations = "other", map[string]string{function.AnnotationRollback: "10m"}
				s.update(sp)
				s.passes(10 * time.Second)
				if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			away.Store(false)
			play(t, test.arrange, func(s *scene) {
				test.act(s)
				s.passes(10 * time.Second)
				known, err := s.store.Function(s.name("figlet"))
				if err != nil || !reflect.DeepEqual(known.ImageConfig, slow) {
					t.Errorf("kept %+v, %v; want %+v", known.ImageConfig, err, slow)
				}
				if policy := s.Resolver.Policy(s.name("figlet")); policy.WatchdogTime != 150*time.Second || policy.MaxInFlight != 2 {
					t.Errorf("called by %+v, want what the image says", policy)
				}
			})
		})
	}
}

func TestReadiness_OneWhoseWatchdogAnsweredForItIsAskedForItsProcess(t *testing.T) {
	play(t, nil, func(s *scene) {
		var mu sync.Mutex
		var asked []function.Upstream
		var listens atomic.Bool
		listens.Store(true)
		s.engine.prepare = func(ctx context.Context, _ function.Replica, ready function.Readiness, _ func(string)) error {
			mu.Lock()
			asked = append(asked, ready.Upstream)
			mu.Unlock()
			for !listens.Load() {
				if clock.Sleep(ctx, time.Second) != nil {
					return errors.New("the process behind its watchdog does not listen")
				}
			}
			return nil
		}
		s.create(spec("figlet"))
		s.passes(time.Second)
		s.wantReady("figlet", 1)
		listens.Store(false)
		s.Resolver.Deny(s.name("figlet"), "c1")
		s.passes(20 * time.Second) // longer than one has that answered before
		if notes := s.Notes(s.name("figlet")); !strings.Contains(notes[len(notes)-1].Text, "until the process behind its watchdog listens") {
			t.Errorf("the notes do not say why it takes no calls: %v", notes)
		}
		s.wantReady("figlet", 0)
		s.wantRunning("c1")
		listens.Store(true)
		s.passes(2 * time.Second)
		s.wantReady("figlet", 1)
		s.wantRunning("c1")
		mu.Lock()
		if want := []function.Upstream{{}, {Unknown: true}}; !reflect.DeepEqual(asked, want) {
			t.Errorf("asked for %+v, want %+v", asked, want)
		}
		mu.Unlock()
		lease, err := s.Resolver.Acquire(s.t.Context(), s.name("figlet"))
		if err != nil || !lease.IsProven() {
			t.Errorf("lent unproven, %v", err)
		}
		lease.Release()
		listens.Store(false)
		s.Resolver.Deny(s.name("figlet"), "c1")
		s.passes(2 * time.Minute) // it is replaced as one that does not start
		if got := s.engine.running(); len(got) == 1 && got[0] == "c1" {
			t.Error("c1 runs still")
		}
	})
}

// Once is enough: an update of such a function is not switched before its process listens.
func TestReadiness_AProcessThatWasHiddenIsAwaitedFromThenOn(t *testing.T) {
	play(t, nil, func(s *scene) {
		var mu sync.Mutex
		var asked []function.Upstream
		s.engine.prepare = func(ctx context.Context, _ function.Replica, ready function.Readiness, tell func(string)) error {
			mu.Lock()
			asked = append(asked, ready.Upstream)
			mu.Unlock()
			if ready.Upstream.Unknown {
				tell("the process behind its watchdog does not listen")
				clock.Sleep(ctx, 5*time.Second)
			}
			return ctx.Err()
		}
		sp := spec("figlet")
		s.create(sp)
		s.passes(time.Second)
		s.Resolver.Deny(s.name("figlet"), "c1")
		s.passes(6 * time.Second)
		s.wantReady("figlet", 1)
		sp.EnvVars = map[string]string{"version": "2"}
		s.update(sp)
		s.passes(4 * time.Second)
		s.wantRunning("c1", "c2")
		s.passes(20 * time.Second)
		s.wantRunning("c2")
		mu.Lock()
		defer mu.Unlock()
		if want := []function.Upstream{{}, {Unknown: true}, {Unknown: true}}; !reflect.DeepEqual(asked, want) {
			t.Errorf("asked for %+v, want %+v", asked, want)
		}
	})
}
