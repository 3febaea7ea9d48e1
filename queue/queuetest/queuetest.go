// Package queuetest has the tests that every queue.Backend must pass.
package queuetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"faas-docker/function"
	"faas-docker/queue"
)

// Opened is a Backend under test. Reopen ends it as a kill would, as far as that can be done within one
// process, and returns the next one on the same data.
type Opened struct {
	queue.Backend
	Reopen func() Opened
}

// Run runs the tests. open returns an empty Backend.
func Run(t *testing.T, open func(t *testing.T) Opened) {
	for name, test := range map[string]func(*testing.T, Opened){
		"what was accepted is found again":              acceptedIsKept,
		"calls of a lane come in their order":           order,
		"a claimed call is nobody else's":               claimedOnce,
		"what is due later waits":                       due,
		"a call given back is claimed again":            givenBack,
		"claims do not outlive the process":             claimsEnd,
		"a call settled twice has changed":              settledTwice,
		"a settled call brings others":                  brings,
		"a retry stands at its time":                    retry,
		"a cancelled call is not claimed":               cancelled,
		"a dead call can be made ready":                 redrive,
		"a Started call is claimed as such after it":    startedIsClaimed,
		"headers keep bytes that are no text":           oddBytes,
		"a cancelled call gives its body back":          cancelledIsBare,
		"one Idempotency-Key is one call":               oneKey,
		"calls of one X-Call-Id are found":              byCallID,
		"a list goes page by page":                      pages,
		"long bodies are kept and removed":              longBodies,
		"a body whose reader fails leaves nothing":      failingBody,
		"swept calls are forgotten, younger ones not":   sweep,
		"lanes tell what waits":                         lanes,
		"many at once lose nothing, and nothing twice":  crowd,
		"what does not exist is unknown, and not a bug": unknown,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func newCall(lane string, change ...func(*queue.Call)) *queue.Call {
	c := &queue.Call{
		Lane: lane, Function: function.Name{Name: lane, Namespace: "openfaas-fn"}, CallID: "call-" + lane,
		Request: queue.Request{
			Method: http.MethodPost, Path: "/a?b=c", Host: "gateway:8080", Header: http.Header{"X-A": {"1", "2"}},
			Body: queue.Body{Inline: []byte("hello"), Size: 5},
		},
		Callback: "http://example.com/",
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func accept(t *testing.T, b queue.Backend, calls ...*queue.Call) {
	t.Helper()
	if err := b.Accept(t.Context(), calls...); err != nil {
		t.Fatalf("accept: %v", err)
	}
}

func claim(t *testing.T, b queue.Backend, lane string, most int) []*queue.Call {
	t.Helper()
	claimed, err := b.Claim(lane, most)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return claimed
}

// await claims so many calls of a lane, which are due before long.
func await(t *testing.T, b queue.Backend, lane string, count int) (claimed []*queue.Call) {
	t.Helper()
	for end := time.Now().Add(time.Minute); len(claimed) < count && time.Now().Before(end); {
		for _, l := range b.Lanes() {
			if l.Name == lane && !l.Next.IsZero() {
				time.Sleep(time.Until(l.Next)) // which is what is tested
			}
		}
		claimed = append(claimed, claim(t, b, lane, count-len(claimed))...)
	}
	return claimed
}

// soon is how much later a call is due that is due later: no disk is so slow.
const soon = 2 * time.Second

func settle(t *testing.T, b queue.Backend, c *queue.Call, state queue.State, then ...*queue.Call) {
	t.Helper()
	c.State, c.Last = state, queue.Try{Ended: time.Now(), Status: 200, Took: time.Second}
	if err := b.Settle(t.Context(), queue.Settlement{Call: c, Then: then}); err != nil {
		t.Fatalf("settle as %s: %v", state, err)
	}
}

func find(t *testing.T, b queue.Backend, id queue.ID) *queue.Call {
	t.Helper()
	c, err := b.Find(id)
	if err != nil {
		t.Fatalf("find %s: %v", id, err)
	}
	return c
}

func wantIDs(t *testing.T, what string, got, want []*queue.Call) {
	t.Helper()
	ids := func(calls []*queue.Call) (ids []string) {
		for _, c := range calls {
			ids = append(ids, c.ID.String())
		}
		return ids
	}
	if !slices.Equal(ids(got), ids(want)) {
		t.Errorf("%s: got %v, want %v", what, ids(got), ids(want))
	}
}

func bodyOf(t *testing.T, b queue.Backend, body queue.Body) string {
	t.Helper()
	reader, err := b.Open(body)
	if err != nil {
		t.Fatalf("open a body: %v", err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func acceptedIsKept(t *testing.T, o Opened) {
	sent := newCall("a")
	accept(t, o, sent)
	if sent.ID.Version() != 7 || time.Since(sent.Accepted) > time.Minute {
		t.Errorf("got the ID %s, accepted at %s, want a UUIDv7 and now", sent.ID, sent.Accepted)
	}
	got := find(t, o.Reopen(), sent.ID)
	if got.Function != sent.Function || got.CallID != sent.CallID || got.Request.Method != "POST" || got.Request.Path != "/a?b=c" || got.Request.Host != "gateway:8080" ||
		!slices.Equal(got.Request.Header["X-A"], []string{"1", "2"}) || string(got.Request.Body.Inline) != "hello" || got.Callback != sent.Callback ||
		!got.Accepted.Equal(sent.Accepted) || !got.Due.Equal(sent.Due) || got.State != queue.Ready || got.Tries != 0 || got.Lane != "a" {
		t.Errorf("got %+v, want %+v", got, sent)
	}
}

func order(t *testing.T, o Opened) {
	var all []*queue.Call
	for range 20 {
		c := newCall("a")
		accept(t, o, c, newCall("b"))
		all = append(all, c)
	}
	got := append(claim(t, o, "a", 7), claim(t, o, "a", 100)...)
	wantIDs(t, "claimed", got, all)
}

func claimedOnce(t *testing.T, o Opened) {
	accept(t, o, newCall("a"))
	if first, second := claim(t, o, "a", 9), claim(t, o, "a", 9); len(first) != 1 || len(second) != 0 {
		t.Errorf("claimed %d, then %d, want 1 and 0", len(first), len(second))
	}
}

func due(t *testing.T, o Opened) {
	at := time.Now().Add(soon)
	late, now := newCall("a", func(c *queue.Call) { c.Due = at }), newCall("a")
	accept(t, o, late)
	accept(t, o, now)
	wantIDs(t, "now", claim(t, o, "a", 9), []*queue.Call{now})
	if l := o.Lanes(); len(l) != 1 || l[0].Next.Sub(at).Abs() > soon {
		t.Errorf("got %+v, want the next at %s", l, at)
	}
	wantIDs(t, "later", await(t, o, "a", 1), []*queue.Call{late})
	if time.Now().Before(at) {
		t.Error("the later one was claimed before its time")
	}
}

func givenBack(t *testing.T, o Opened) {
	first, second := newCall("a"), newCall("a")
	accept(t, o, first, second)
	got := claim(t, o, "a", 2)
	o.GiveBack(got[0])
	wantIDs(t, "claimed again", claim(t, o, "a", 9), []*queue.Call{first})
}

func claimsEnd(t *testing.T, o Opened) {
	c := newCall("a")
	accept(t, o, c)
	claim(t, o, "a", 1)
	wantIDs(t, "after the end", claim(t, o.Reopen(), "a", 9), []*queue.Call{c})
}

func settledTwice(t *testing.T, o Opened) {
	accept(t, o, newCall("a"))
	c := claim(t, o, "a", 1)[0]
	old := *c
	settle(t, o, c, queue.Done)
	if err := o.Settle(t.Context(), queue.Settlement{Call: &old}); !errors.Is(err, queue.ErrChanged) {
		t.Errorf("settled again: got %v, want ErrChanged", err)
	}
	o = o.Reopen()
	got := find(t, o, c.ID)
	if got.State != queue.Done || got.Last.Status != 200 || got.Last.Took != time.Second || got.Request.Header != nil || got.Request.Body.Inline != nil || got.Request.Body.Size != 5 {
		t.Errorf("got %+v, want it done, with its last try, without header and body", got)
	}
	if left := claim(t, o, "a", 9); len(left) != 0 {
		t.Errorf("%d calls are claimed that were done", len(left))
	}
}

func brings(t *testing.T, o Opened) {
	accept(t, o, newCall("a"))
	callback := newCall("callbacks", func(c *queue.Call) { c.URL = "http://example.com/" })
	settle(t, o, claim(t, o, "a", 1)[0], queue.Done, callback)
	got := claim(t, o.Reopen(), "callbacks", 9)
	wantIDs(t, "brought", got, []*queue.Call{callback})
}

func retry(t *testing.T, o Opened) {
	c, other := newCall("a"), newCall("a")
	accept(t, o, c, other)
	c = claim(t, o, "a", 1)[0]
	at := time.Now().Add(soon)
	c.Tries, c.Due = 1, at
	settle(t, o, c, queue.Ready)
	wantIDs(t, "before its time", claim(t, o, "a", 9), []*queue.Call{other})
	o = o.Reopen()
	got := await(t, o, "a", 2)
	wantIDs(t, "at its time", got, []*queue.Call{other, c})
	if time.Now().Before(at) || got[1].Tries != 1 || got[1].Request.Header == nil || bodyOf(t, o, got[1].Request.Body) != "hello" {
		t.Errorf("got %+v, want it whole, with one try, at %s", got[1], at)
	}
}

func cancelled(t *testing.T, o Opened) {
	accept(t, o, newCall("a"))
	c := claim(t, o, "a", 1)[0]
	settle(t, o, find(t, o, c.ID), queue.Cancelled)
	c.State = queue.Done
	if err := o.Settle(t.Context(), queue.Settlement{Call: c}); !errors.Is(err, queue.ErrChanged) {
		t.Errorf("settled by who has claimed it: got %v, want ErrChanged", err)
	}
	if left := claim(t, o, "a", 9); len(left) != 0 || len(o.Lanes()) != 0 {
		t.Errorf("%d calls are claimed, the lanes are %v, want none", len(left), o.Lanes())
	}
}

func redrive(t *testing.T, o Opened) {
	accept(t, o, newCall("a"))
	c := claim(t, o, "a", 1)[0]
	settle(t, o, c, queue.Dead)
	o = o.Reopen()
	c = find(t, o, c.ID)
	c.Tries, c.Due = 0, time.Now()
	settle(t, o, c, queue.Ready)
	wantIDs(t, "claimed", claim(t, o, "a", 9), []*queue.Call{c})
}

func startedIsClaimed(t *testing.T, o Opened) {
	accept(t, o, newCall("a"))
	c := claim(t, o, "a", 1)[0]
	settle(t, o, c, queue.Started)
	if again := claim(t, o, "a", 9); len(again) != 0 {
		t.Fatal("it is claimed again while it is made")
	}
	accept(t, o, newCall("a"))
	if again := claim(t, o, "a", 9); len(again) != 1 || again[0].ID == c.ID {
		t.Fatalf("claimed are %v, want the other one", again)
	}
	o = o.Reopen()
	got := claim(t, o, "a", 9)
	if len(got) != 2 || !slices.ContainsFunc(got, func(got *queue.Call) bool { return got.ID == c.ID && got.State == queue.Started }) {
		t.Errorf("after the end claimed are %+v, want the one that was being made, as such", got)
	}
}

func oddBytes(t *testing.T, o Opened) {
	header := http.Header{"X-Latin": {"caf\xe9", ""}, "X-Empty": {""}, "X-Utf8": {"caf\u00e9"}}
	sent := newCall("a", func(c *queue.Call) { c.Request.Header = header })
	accept(t, o, sent)
	if got := find(t, o.Reopen(), sent.ID); !maps.EqualFunc(got.Request.Header, header, slices.Equal[[]string]) {
		t.Errorf("got %q, want %q", got.Request.Header, header)
	}
}

func cancelledIsBare(t *testing.T, o Opened) {
	body, err := o.Keep(strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	c := newCall("a", func(c *queue.Call) { c.Request.Body = body })
	accept(t, o, c)
	settle(t, o, c, queue.Cancelled)
	if reader, err := o.Open(body); err == nil {
		reader.Close()
		t.Error("the body of a cancelled call is still there")
	}
}

func oneKey(t *testing.T, o Opened) {
	keyed := func(digest string) *queue.Call {
		return newCall("a", func(c *queue.Call) { c.Key, c.Digest = "k", digest })
	}
	first, again, other := keyed("1"), keyed("1"), keyed("2")
	accept(t, o, first)
	o = o.Reopen()
	accept(t, o, again)
	if again.ID != first.ID {
		t.Errorf("got the ID %s, want %s", again.ID, first.ID)
	}
	if err := o.Accept(t.Context(), other); !errors.Is(err, queue.ErrKeyTaken) {
		t.Errorf("got %v, want ErrKeyTaken", err)
	}
	if got := claim(t, o, "a", 9); len(got) != 1 {
		t.Errorf("%d calls, want 1", len(got))
	}
}

func byCallID(t *testing.T, o Opened) {
	one, two := newCall("a"), newCall("a")
	accept(t, o, one, two, newCall("b"), newCall("c", func(c *queue.Call) { c.CallID = "call-a2" }))
	got, err := o.FindAll("call-a", uuid.Nil, 9)
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, "found", got, []*queue.Call{one, two})
	for _, page := range []struct {
		after queue.ID
		want  []*queue.Call
	}{{uuid.Nil, []*queue.Call{one}}, {one.ID, []*queue.Call{two}}, {two.ID, nil}} {
		got, err := o.FindAll("call-a", page.after, 1)
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, "found of a page", got, page.want)
	}
	none := newCall("d", func(c *queue.Call) { c.CallID = "" })
	accept(t, o, none)
	if none.CallID != none.ID.String() || find(t, o, none.ID).CallID != none.CallID {
		t.Errorf("a call without an X-Call-Id has %q, want its ID %s", none.CallID, none.ID)
	}
}

func pages(t *testing.T, o Opened) {
	var young []*queue.Call
	for i := range 9 {
		c := newCall([]string{"a", "b"}[i%2])
		accept(t, o, c)
		young = slices.Insert(young, 0, c)
	}
	var got []*queue.Call
	for last := uuid.Nil; ; last = got[len(got)-1].ID {
		page, err := o.List(queue.Query{Before: last, Limit: 4})
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, page...); len(page) == 0 {
			break
		}
	}
	wantIDs(t, "all", got, young)
	some, err := o.List(queue.Query{Lane: "b", State: queue.Ready, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, "of a lane", some, []*queue.Call{young[1], young[3]})
}

func longBodies(t *testing.T, o Opened) {
	for _, size := range []int{0, 1, 32 << 10, 32<<10 + 1, 5 << 20} {
		text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		body, err := o.Keep(strings.NewReader(text))
		if err != nil || body.Size != int64(size) || size > 1<<20 && body.Inline != nil {
			t.Fatalf("keep %d bytes: %+v %v", size, body.Size, err)
		}
		c := newCall(fmt.Sprint("a", size), func(c *queue.Call) { c.Request.Body = body })
		accept(t, o, c)
		o = o.Reopen()
		got := claim(t, o, c.Lane, 1)[0]
		if bodyOf(t, o, got.Request.Body) != text {
			t.Errorf("a body of %d bytes is another", size)
		}
		settle(t, o, got, queue.Done)
		if reader, err := o.Open(body); body.File != "" && err == nil {
			reader.Close()
			t.Errorf("the body of %d bytes is still there", size)
		}
	}
}

func failingBody(t *testing.T, o Opened) {
	broken := errors.New("broken")
	for _, size := range []int{1, 1 << 20} {
		_, err := o.Keep(io.MultiReader(bytes.NewReader(make([]byte, size)), iotestErr{broken}))
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: got %v, want the reader's error", size, err)
		}
	}
}

type iotestErr struct{ err error }

func (r iotestErr) Read([]byte) (int, error) { return 0, r.err }

func sweep(t *testing.T, o Opened) {
	old, young, dead := newCall("a"), newCall("a"), newCall("a")
	accept(t, o, old, young, dead)
	for _, c := range claim(t, o, "a", 3) {
		c.State, c.Last.Ended = queue.Done, time.Now().Add(-time.Hour)
		switch c.ID {
		case young.ID:
			c.Last.Ended = time.Now()
		case dead.ID:
			c.State = queue.Dead
		}
		if err := o.Settle(t.Context(), queue.Settlement{Call: c}); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := o.Sweep(queue.Done, time.Now().Add(-time.Minute), 10)
	if gone != 1 || err != nil {
		t.Errorf("swept %d, %v, want 1", gone, err)
	}
	o = o.Reopen()
	if _, err := o.Find(old.ID); !errors.Is(err, queue.ErrUnknown) {
		t.Errorf("the old one: got %v, want ErrUnknown", err)
	}
	left, _ := o.FindAll("call-a", uuid.Nil, 9)
	wantIDs(t, "left", left, []*queue.Call{young, dead})
}

func lanes(t *testing.T, o Opened) {
	accept(t, o, newCall("b"), newCall("a"), newCall("a"))
	claim(t, o, "a", 1)
	check := func(o Opened, claimed int) {
		t.Helper()
		got := o.Lanes()
		if len(got) != 2 || got[0].Name != "a" || got[0].Waiting != 2 || got[0].Claimed != claimed || got[1].Name != "b" || got[1].Waiting != 1 || got[1].Next.IsZero() {
			t.Errorf("got %+v", got)
		}
	}
	check(o, 1)
	check(o.Reopen(), 0)
}

func crowd(t *testing.T, o Opened) {
	const callers, each = 16, 50
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range each {
				if err := o.Accept(t.Context(), newCall("a")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var mu sync.Mutex
	var made atomic.Int32
	times := map[queue.ID]int{}
	for range 4 {
		group.Go(func() {
			for made.Load() < callers*each {
				for _, c := range claim(t, o, "a", 3) {
					mu.Lock()
					times[c.ID]++
					mu.Unlock()
					settle(t, o, c, queue.Done)
					made.Add(1)
				}
			}
		})
	}
	group.Wait()
	if len(times) != callers*each || len(o.Lanes()) != 0 {
		t.Errorf("%d calls were made, want %d; the lanes are %+v", len(times), callers*each, o.Lanes())
	}
	for id, count := range times {
		if count != 1 {
			t.Errorf("call %s was made %d times", id, count)
		}
	}
}

func unknown(t *testing.T, o Opened) {
	id := uuid.New()
	if _, err := o.Find(id); !errors.Is(err, queue.ErrUnknown) {
		t.Errorf("find: got %v, want ErrUnknown", err)
	}
	if err := o.Settle(t.Context(), queue.Settlement{Call: &queue.Call{ID: id}}); !errors.Is(err, queue.ErrUnknown) {
		t.Errorf("settle: got %v, want ErrUnknown", err)
	}
	if got := claim(t, o, "nothing", 9); len(got) != 0 {
		t.Errorf("claimed %d calls of no lane", len(got))
	}
	if got, err := o.FindAll("nothing", uuid.Nil, 9); len(got) != 0 || err != nil {
		t.Errorf("find all: got %d, %v", len(got), err)
	}
	o.GiveBack(&queue.Call{ID: id})
	o.Drop(queue.Body{File: "nothing"})
}
