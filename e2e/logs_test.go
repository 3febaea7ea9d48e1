package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/logs"
)

// says makes the function write a text to its standard output.
func (h *host) says(t testing.TB, name, text string) {
	t.Helper()
	h.do(t, request{method: http.MethodPost, path: "/function/" + name + "/print", body: text}).wants(t, http.StatusOK)
}

// logs returns the messages of a request that does not follow.
func (h *host) logs(t testing.TB, query string) []logs.Message {
	t.Helper()
	got := h.get(t, "/system/logs?"+query).wants(t, http.StatusOK)
	if kind := got.Header.Get("Content-Type"); kind != "application/x-ndjson" {
		t.Errorf("content type %q", kind)
	}
	var messages []logs.Message
	for line := range strings.Lines(got.body) {
		var m logs.Message
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, clipped(line))
		}
		messages = append(messages, m)
	}
	return messages
}

// functionLines are the texts that the function itself wrote.
func functionLines(messages []logs.Message) []string {
	var lines []string
	for _, m := range messages {
		if m.Instance != "faas-docker" {
			lines = append(lines, m.Text)
		}
	}
	return lines
}

func (h *host) awaitLines(t testing.TB, query string, want []string) []logs.Message {
	t.Helper()
	var messages []logs.Message
	eventually(t, "the logs are as they should be", func() (bool, string) {
		messages = h.logs(t, query)
		got := functionLines(messages)
		return slices.Equal(got, want), fmt.Sprintf("%.300q", got)
	})
	return messages
}

func TestLogs_SelectByTailSinceAndInstance(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "probe")
	h.deploy(t, spec)
	long := strings.Repeat("long ", 50_000)
	h.says(t, spec.Service, "one\ntwo\n"+long+"\n")
	all := h.awaitLines(t, "name="+spec.Service, []string{"one", "two", long})
	// A log driver notes times; what comes after must be later by the clock.
	since := all[len(all)-1].Timestamp.Add(time.Millisecond)
	eventually(t, "the clock moves on", func() (bool, string) { return time.Now().After(since), "" })
	h.says(t, spec.Service, "three\n")
	instance := docker(t, "inspect", "--format", "{{.Name}}", h.container(t, spec.Service))[1:]
	whole := []string{"one", "two", long, "three"}
	for _, tc := range []struct {
		name, query string
		want        []string
	}{
		{"everything", "", whole},
		{"tail -1 as faas-cli sends it", "&tail=-1", whole},
		{"tail 0", "&tail=0", whole},
		{"since", "&since=" + url.QueryEscape(since.Format(time.RFC3339Nano)), whole[3:]},
		{"instance", "&instance=" + instance, whole},
		{"another instance", "&instance=nobody", nil},
		{"tail of an instance", "&tail=3&instance=" + instance, whole[1:]},
		{"not following", "&follow=0", whole},
		{"namespace", "&namespace=" + defaultNS, whole},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, m := range h.awaitLines(t, "name="+spec.Service+tc.query, tc.want) {
				if m.Name != spec.Service || m.Namespace != defaultNS || m.Instance == "" || m.Timestamp.IsZero() {
					t.Errorf("incomplete message: %+v", m)
				}
			}
		})
	}
	t.Run("tail 2", func(t *testing.T) {
		if got := h.logs(t, "name="+spec.Service+"&tail=2"); len(got) != 2 {
			t.Errorf("%d messages, want 2", len(got))
		}
	})
}

func TestLogs_AreInOrderOfTime(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "probe")
	h.deploy(t, spec)
	if err := h.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, 2); err != nil {
		t.Fatal(err)
	}
	h.awaitReplicas(t, spec.Service, 2)
	for i := range 20 {
		h.says(t, spec.Service, fmt.Sprintf("line %d\n", i))
	}
	var messages []logs.Message
	eventually(t, "20 lines", func() (bool, string) {
		messages = h.logs(t, "name="+spec.Service)
		lines := functionLines(messages)
		return len(lines) == 20, fmt.Sprint(len(lines))
	})
	if !slices.IsSortedFunc(messages, func(a, b logs.Message) int { return a.Timestamp.Compare(b.Timestamp) }) {
		t.Errorf("not in order: %+v", messages)
	}
	instances := map[string]bool{}
	for _, m := range messages {
		instances[m.Instance] = true
	}
	if len(instances) != 3 {
		t.Errorf("lines of %v, want two replicas and the provider", instances)
	}
}

func TestLogs_Refusals(t *testing.T) {
	t.Parallel()
	h := patient(t)
	for _, tc := range []struct {
		name, query string
		status      int
		word        string
	}{
		{"unknown function", "name=nobody-knows-it", http.StatusNotFound, "nobody-knows-it"},
		{"no name", "", http.StatusBadRequest, "name"},
		{"bad tail", "name=nobody-knows-it&tail=few", http.StatusUnprocessableEntity, "tail"},
		{"bad since", "name=nobody-knows-it&since=yesterday", http.StatusUnprocessableEntity, "since"},
		{"bad follow", "name=nobody-knows-it&follow=perhaps", http.StatusUnprocessableEntity, "follow"},
	} {
		t.Run(tc.name, func(t *testing.T) { h.get(t, "/system/logs?"+tc.query).wants(t, tc.status, tc.word) })
	}
}

// follower reads a stream of logs until it sees what it waits for.
type follower struct {
	t        testing.TB
	messages chan logs.Message
}

func (h *host) follow(t testing.TB, ctx context.Context, name string) *follower {
	t.Helper()
	response, err := h.open(ctx, request{method: http.MethodGet, path: "/system/logs?follow=true&tail=-1&name=" + name})
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, messages: make(chan logs.Message, 1000)}
	go func() {
		defer close(f.messages)
		defer func() { _ = response.Body.Close() }()
		for lines := bufio.NewReader(response.Body); ; {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			var m logs.Message
			if json.Unmarshal(line, &m) == nil {
				f.messages <- m
			}
		}
	}()
	return f
}

// until returns the first message with a text.
func (f *follower) until(text string) logs.Message {
	f.t.Helper()
	limit := time.After(soon)
	for {
		select {
		case m, ok := <-f.messages:
			if !ok {
				f.t.Fatalf("the stream ended before %q", text)
			}
			if strings.Contains(m.Text, text) {
				return m
			}
		case <-limit:
			f.t.Fatalf("%q did not come within %s", text, soon)
		}
	}
}

func TestLogs_FollowPicksUpNewReplicasAndNotes(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "probe")
	h.deploy(t, spec)
	h.says(t, spec.Service, "before\n")
	f := h.follow(t, t.Context(), spec.Service)
	f.until("before")
	h.says(t, spec.Service, "while following\n")
	first := f.until("while following").Instance
	if err := h.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, 2); err != nil {
		t.Fatal(err)
	}
	f.until("is ready")
	h.awaitReplicas(t, spec.Service, 2)
	second := first
	for i := 0; second == first && i < 10; i++ {
		h.says(t, spec.Service, fmt.Sprintf("turn %d\n", i))
		second = f.until(fmt.Sprintf("turn %d", i)).Instance
	}
	if second == first {
		t.Error("nothing came from the new replica")
	}
}

func TestLogs_FollowThroughTheSDK(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "probe")
	h.deploy(t, spec)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := h.sdk.GetLogs(ctx, spec.Service, defaultNS, true, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, messages: make(chan logs.Message, 1000)}
	go func() {
		defer close(f.messages)
		for m := range stream {
			f.messages <- m
		}
	}()
	h.says(t, spec.Service, "for the SDK\n")
	f.until("for the SDK")
	cancel()
	for range f.messages { // ends when the stream does
	}
}

// Both timeouts are for calls that end soon.
func TestLogs_FollowOutlivesTheTimeoutsOfSystemCalls(t *testing.T) {
	t.Parallel()
	h := hasty(t)
	spec := h.spec(t, "probe")
	h.deploy(t, spec)
	f := h.follow(t, t.Context(), spec.Service)
	began := time.Now()
	eventually(t, "three times the timeouts have passed", func() (bool, string) { return time.Since(began) > 3*time.Second, "" })
	h.says(t, spec.Service, "late\n")
	f.until("late")
}

func TestLogs_FollowGoesOnAcrossAnUpdate(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "probe")
	h.deploy(t, spec)
	f := h.follow(t, t.Context(), spec.Service)
	spec.EnvVars = map[string]string{"second": "1"}
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatal(code, err)
	}
	eventually(t, "the new revision alone is left", func() (bool, string) {
		ids := h.containers(t, spec.Service)
		body := h.get(t, "/function/"+spec.Service+"/env").body
		return len(ids) == 1 && strings.Contains(body, "second=1"), fmt.Sprint(ids, body)
	})
	h.says(t, spec.Service, "from the new one\n")
	f.until("from the new one")
}
