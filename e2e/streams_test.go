package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
	"faas-docker/replica"
)

// stream is a call that lasts until somebody ends it.
type stream struct {
	// proceed returns an error unless the stream still carries what is sent.
	proceed func() error
	// end ends it as the client may.
	end func() error
}

// streamKinds are the kinds of calls that last, and the sample function of each.
func streamKinds() map[string]func(t *testing.T, h *host, name string) stream {
	return map[string]func(t *testing.T, h *host, name string) stream{"talker": openWebSocket, "sse": openEvents}
}

func openWebSocket(t *testing.T, h *host, name string) stream {
	t.Helper()
	conn, response, err := websocket.Dial(t.Context(), h.url+"/function/"+name+"/ws", &websocket.DialOptions{HTTPClient: h.client})
	if err != nil {
		t.Fatalf("open a WebSocket: %v: %+v", err, response)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	said := 0
	return stream{
		proceed: func() error {
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			said++
			message := fmt.Sprintf("message %d", said)
			if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
				return err
			}
			_, got, err := conn.Read(ctx)
			if err == nil && string(got) != message {
				err = fmt.Errorf("%q came back as %q", message, got)
			}
			return err
		},
		end: func() error { return conn.Close(websocket.StatusNormalClosure, "") },
	}
}

func openEvents(t *testing.T, h *host, name string) stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	response, err := h.open(ctx, request{method: http.MethodGet, path: "/function/" + name + "?n=0&d=20ms"})
	if err != nil {
		t.Fatalf("open a stream of events: %v", err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("status %d of type %q, want events", response.StatusCode, kind)
	}
	lines, seen := bufio.NewReader(response.Body), 0
	return stream{
		proceed: func() error {
			// Late events are bounded by the test's own deadline: a stream that stands
			// still is cut off there.
			stuck := time.AfterFunc(soon, cancel)
			defer stuck.Stop()
			seen++
			for want := fmt.Sprintf("id: %d\n", seen); ; {
				line, err := lines.ReadString('\n')
				if err != nil || line == want {
					return err
				}
				if strings.HasPrefix(line, "id:") {
					return fmt.Errorf("event %q, want %q", line, want)
				}
			}
		},
		end: func() error { cancel(); return nil },
	}
}

func (s stream) wantAlive(t *testing.T, when string) {
	t.Helper()
	for range 3 {
		if err := s.proceed(); err != nil {
			t.Fatalf("the stream was cut %s: %v", when, err)
		}
	}
}

// awaitLeaving waits until exactly one replica is out of rotation for good, with a
// call still on it, and so many others take the calls.
func (h *host) awaitLeaving(t *testing.T, name string, others int) (leaving string) {
	t.Helper()
	eventually(t, "one replica is out of rotation with its call", func() (bool, string) {
		members := h.provider.View().Resolver.Members(function.Name{Name: name, Namespace: defaultNS})
		var staying int
		leaving = ""
		for _, m := range members {
			switch {
			case m.IsLeaving() && m.InFlight == 1:
				leaving = m.ID
			case !m.IsLeaving() && (m.IsOpen() || m.Phase == replica.Frozen):
				staying++
			}
		}
		return leaving != "" && staying == others, fmt.Sprintf("%+v", members)
	})
	return leaving
}

func (h *host) awaitGone(t *testing.T, name, container string) {
	t.Helper()
	eventually(t, "the replica that was drained is gone", func() (bool, string) {
		left := strings.Join(h.containers(t, name), " ")
		return !strings.Contains(left, container), left
	})
}

func (h *host) update(t *testing.T, spec types.FunctionDeployment) {
	t.Helper()
	spec.EnvVars = map[string]string{"round": time.Now().String()}
	h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusOK)
}

func TestStreams_GoOnThroughAnUpdateUntilTheyEnd(t *testing.T) {
	t.Parallel()
	for sample, open := range streamKinds() {
		t.Run(sample, func(t *testing.T) {
			t.Parallel()
			h := patient(t)
			spec := h.spec(t, sample)
			h.deploy(t, spec)
			first := h.container(t, spec.Service)
			s := open(t, h, spec.Service)
			s.wantAlive(t, "before the update")
			h.update(t, spec)
			if leaving := h.awaitLeaving(t, spec.Service, 1); leaving != first {
				t.Errorf("%s is drained, want the old replica, %s", leaving, first)
			}
			other := open(t, h, spec.Service)
			s.wantAlive(t, "though the new revision takes the calls")
			other.wantAlive(t, "on the new revision")
			if err := s.end(); err != nil {
				t.Errorf("end the stream: %v", err)
			}
			h.awaitGone(t, spec.Service, first)
			other.wantAlive(t, "when the old replica went")
		})
	}
}

func TestStreams_GoOnThroughAScaleDownUntilTheyEnd(t *testing.T) {
	t.Parallel()
	for sample, open := range streamKinds() {
		t.Run(sample, func(t *testing.T) {
			t.Parallel()
			h := patient(t)
			spec := h.spec(t, sample)
			h.deploy(t, spec)
			scale := func(count int) {
				h.send(t, http.MethodPost, "/system/scale-function/"+spec.Service, map[string]any{"replicas": count}).wants(t, http.StatusAccepted)
			}
			scale(2)
			h.awaitReplicas(t, spec.Service, 2)
			streams := []stream{open(t, h, spec.Service), open(t, h, spec.Service)}
			scale(1)
			leaving := h.awaitLeaving(t, spec.Service, 1)
			for _, s := range streams {
				s.wantAlive(t, "by the scale-down")
			}
			if now := h.containers(t, spec.Service); len(now) != 2 {
				t.Errorf("%d containers, want both while their streams last", len(now))
			}
			for _, s := range streams {
				if err := s.end(); err != nil {
					t.Errorf("end a stream: %v", err)
				}
			}
			h.awaitGone(t, spec.Service, leaving)
			h.awaitReplicas(t, spec.Service, 1)
		})
	}
}

// A replica beside it that nobody calls is frozen, thawed and frozen again meanwhile.
// The WebSocket is silent for all of that time.
func TestStreams_AreNeverFrozen(t *testing.T) {
	t.Parallel()
	for sample, open := range streamKinds() {
		t.Run(sample, func(t *testing.T) {
			t.Parallel()
			h := patient(t)
			from := h.log.len()
			spec := h.spec(t, sample)
			spec.Labels = &map[string]string{"com.openfaas.scale.freeze-duration": "50ms", "com.openfaas.scale.max": "1"}
			h.deploy(t, spec)
			s := open(t, h, spec.Service)
			s.wantAlive(t, "at its beginning")
			freezes := func() int { return strings.Count(h.log.about(from, spec.Service+"."), "replica frozen") }
			before := freezes() // it may have been until now
			beside := h.spec(t, "echo")
			beside.Labels = spec.Labels
			h.deploy(t, beside)
			for range 3 {
				h.awaitFrozen(t, beside.Service, 1)
				h.get(t, "/function/"+beside.Service).wants(t, http.StatusOK)
			}
			s.wantAlive(t, "while its replica had no other call")
			if now := freezes(); now != before {
				t.Errorf("its replica was frozen %d times since the stream began", now-before)
			}
			if err := s.end(); err != nil {
				t.Errorf("end the stream: %v", err)
			}
			h.awaitFrozen(t, spec.Service, 1)
		})
	}
}

// The provider waits for a second for the calls of a replica that is to be stopped.
func TestStreams_AreClosedAtTheDrainDeadline(t *testing.T) {
	t.Parallel()
	for sample, open := range streamKinds() {
		t.Run(sample, func(t *testing.T) {
			t.Parallel()
			h := hasty(t)
			spec := h.spec(t, sample)
			h.deploy(t, spec)
			first := h.container(t, spec.Service)
			s := open(t, h, spec.Service)
			began := time.Now()
			h.update(t, spec)
			var err error
			for err == nil && time.Since(began) < soon {
				err = s.proceed()
			}
			if took := time.Since(began); err == nil || took < time.Second {
				t.Errorf("after %s: %v; want the stream to be cut, and not before a second is over", took, err)
			}
			if err == io.EOF {
				t.Error("the events that were cut off look as if they had ended")
			}
			h.awaitGone(t, spec.Service, first)
		})
	}
}
