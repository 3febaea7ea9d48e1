package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"faas-docker/function"
	"faas-docker/replica"
)

// frozen makes a function known whose only replica sleeps: the kernel takes what is
// sent to it, and nobody reads it.
func frozen(t *testing.T, h *Handler, name string) function.Replica {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	id := deploy(t, h, name, listener.Addr().String())
	sleeper := h.Resolver.Members(id)[0].Replica
	if !h.Resolver.Begin(id, sleeper.ID, replica.Pause) {
		t.Fatal("not frozen")
	}
	h.Resolver.Tell(id, sleeper.ID, replica.Event{Kind: replica.Paused, Listing: h.Resolver.Listing()})
	return sleeper
}

// addReplica adds a replica that is awake.
func addReplica(t *testing.T, h *Handler, name function.Name, address string) {
	t.Helper()
	replica := function.Replica{ID: "successor", Function: name, State: function.Running, Address: netip.MustParseAddrPort(address)}
	h.Resolver.Add(replica, h.Resolver.Listing())
	if !h.Resolver.MarkReady(name, replica.ID) {
		t.Error("not admitted") // not Fatal: it is called from other goroutines
	}
}

func TestThaw_CallsOnAReplicaThatNeverThawedGoToAnother(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, method, body string
		untouched          bool
		wantCode           int
	}{
		{"GET", http.MethodGet, "", true, 200},
		{"POST", http.MethodPost, "", true, 200},
		{"POST with a body", http.MethodPost, "hello", true, 200},
		{"POST with a body as large as is kept", http.MethodPost, strings.Repeat("x", maxRecording), true, 200},
		{"GET that the function may have seen", http.MethodGet, "", false, 200},
		{"POST that the function may have seen", http.MethodPost, "", false, 502},
		{"body that the function may have seen", http.MethodPut, "hello", false, 502},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t)
			h.Resolver.ThawFailed = h.Abandon
			replica := frozen(t, h, "f")
			woken := make(chan struct{}, 10)
			h.Resolver.Changed = func(function.Name) { woken <- struct{}{} }
			var seen atomic.Int64
			successor := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen.Add(1)
				body, err := io.ReadAll(r.Body)
				fmt.Fprintf(w, "%t %v", string(body) == row.body, err)
			}))
			address := "http://" + serve(t, h) + "/function/f"
			go func() {
				// The thaw fails as soon as the call has found the replica.
				<-woken
				addReplica(t, h, replica.Function, successor)
				h.Resolver.Withdraw(replica.Function, replica.ID)
				h.Resolver.ThawFailed(replica, row.untouched)
			}()
			answer, text := fetch(t, row.method, address, strings.NewReader(row.body))
			if answer.StatusCode != row.wantCode || row.wantCode == http.StatusOK && text != "true <nil>" {
				t.Errorf("%d %q, want %d with the whole body", answer.StatusCode, text, row.wantCode)
			}
			want := int64(0)
			if row.wantCode == http.StatusOK {
				want = 1
			}
			if seen.Load() != want {
				t.Errorf("the successor saw %d requests, want %d", seen.Load(), want)
			}
		})
	}
}

func TestRewind_OnlyWhatIsRememberedWhole(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]bool{0: true, 1000: true, maxRecording: true, maxRecording + 1: false} {
		record := &recording{Body: keptBody{strings.NewReader(strings.Repeat("x", size) + "rest")}}
		var again attempt
		if _, err := io.CopyN(io.Discard, record, int64(size)); err != nil {
			t.Fatal(err)
		}
		if got := record.rewind(&again); got != want {
			t.Errorf("%d bytes: rewound=%t, want %t", size, got, want)
			continue
		}
		if _, err := record.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes: the first try reads on", size)
		}
		if !want {
			continue
		}
		if all, err := io.ReadAll(again.out.Body); err != nil || len(all) != size+len("rest") {
			t.Errorf("%d bytes: %d after it was rewound, %v", size, len(all), err)
		}
	}
}

func TestThaw_ACallThatComesJustAfterItFailedGoesOnAtOnce(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	replica := frozen(t, h, "f")
	// The lease was given, and the failure told, before the call was sent.
	h.Abandon(replica, true)
	addReplicaWhenLost := make(chan struct{})
	h.Resolver.Changed = func(name function.Name) {
		h.Resolver.Changed = nil
		h.Resolver.Withdraw(name, replica.ID)
		addReplica(t, h, name, serve(t, okFunction()))
		close(addReplicaWhenLost)
	}
	answer, text := fetch(t, http.MethodPost, "http://"+serve(t, h)+"/function/f", strings.NewReader("hello"))
	<-addReplicaWhenLost
	if answer.StatusCode != http.StatusOK || text != "ok" {
		t.Errorf("%d %q", answer.StatusCode, text)
	}
}

func TestThaw_OneThatSucceedsKeepsTheBodyWhole(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	want := strings.Repeat("0123456789", maxRecording/5)
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%t %v", string(body) == want, err)
	}))
	id := deploy(t, h, "f", address)
	member := h.Resolver.Members(id)[0]
	h.Resolver.Begin(id, member.ID, replica.Pause)
	h.Resolver.Tell(id, member.ID, replica.Event{Kind: replica.Paused, Listing: h.Resolver.Listing()})
	if answer, text := fetch(t, http.MethodPost, "http://"+serve(t, h)+"/function/f", strings.NewReader(want)); text != "true <nil>" {
		t.Errorf("%d %q", answer.StatusCode, text)
	}
}

// A replica whose thaw failed may be well again later.
func TestThaws_AFailureIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var thaws thaws
		thaws.fail("one", errNeverThawed)
		time.Sleep(failureMemory + time.Second)
		ctx, abandon := context.WithCancelCause(t.Context())
		defer abandon(nil)
		thaws.await("one", abandon)()
		if ctx.Err() != nil {
			t.Errorf("abandoned: %v", context.Cause(ctx))
		}
	})
}
