package handlers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/logs"

	"faas-docker/function"
)

// at is a moment n seconds into the test's day.
func at(n int) time.Time { return time.Date(2026, 1, 31, 8, 0, n, 0, time.UTC) }

// writes is an engine whose replica wrote these lines, one each second from from.
func writes(from int, texts ...string) func(context.Context, function.LogQuery, func(function.LogLine) error) error {
	return func(_ context.Context, _ function.LogQuery, emit func(function.LogLine) error) error {
		for i, text := range texts {
			if err := emit(function.LogLine{Instance: "figlet.openfaas-fn.1", Time: at(from + i), Text: text}); err != nil {
				return err
			}
		}
		return nil
	}
}

func notes(seconds ...int) []function.Note {
	var all []function.Note
	for _, n := range seconds {
		all = append(all, function.Note{Time: at(n), Text: "note " + string(rune('0'+n))})
	}
	return all
}

func texts(t *testing.T, body string) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(body) {
		var message logs.Message
		if err := json.Unmarshal([]byte(line), &message); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		all = append(all, message.Text)
	}
	return strings.Join(all, ", ")
}

func TestLogs_MergeNotesWithLines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, query string
		want        string
	}{
		{"all", "", "note 1, a, note 3, b, c, note 9"},
		{"tail all", "&tail=-1", "note 1, a, note 3, b, c, note 9"},
		{"tail zero", "&tail=0", "note 1, a, note 3, b, c, note 9"},
		{"tail", "&tail=2", "c, note 9"},
		{"tail beyond", "&tail=99", "note 1, a, note 3, b, c, note 9"},
		{"since", "&since=2026-01-31T08:00:03Z", "a, note 3, b, c, note 9"}, // the lines are the engine's to drop
		{"one replica", "&instance=figlet.openfaas-fn.1", "a, b, c"},
		{"notes alone", "&instance=faas-docker", "note 1, note 3, note 9"},
		{"notes alone, tail", "&instance=faas-docker&tail=1", "note 9"},
		{"last value wins", "&tail=x&tail=1", "note 9"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScene()
			knows(s)
			s.fleet.notes = notes(1, 3, 9)
			s.engine.logs = writes(2, "a", "b", "c")
			w := s.call(t, "GET /system/logs?name=figlet"+test.query, "")
			if got := texts(t, w.Body.String()); w.Code != http.StatusOK || got != test.want {
				t.Errorf("got %d %q, want %q", w.Code, got, test.want)
			}
		})
	}
}

func TestLogs_PassTheQueryOn(t *testing.T) {
	t.Parallel()
	s := newScene()
	knows(s)
	var asked function.LogQuery
	s.engine.logs = func(_ context.Context, q function.LogQuery, _ func(function.LogLine) error) error {
		asked = q
		return nil
	}
	s.call(t, "GET /system/logs?name=figlet.openfaas-fn&namespace=openfaas-fn&instance=i&tail=5&follow=0&since=2026-01-31T09:00:00.5%2B01:00", "")
	if want := at(0).Add(500 * time.Millisecond); !asked.Since.Equal(want) || asked.Tail != 5 || asked.Instance != "i" || asked.Follow {
		t.Errorf("got %+v", asked)
	}
}

func TestLogs_AnswerAsTheContractSays(t *testing.T) {
	t.Parallel()
	logsThat := func(err error) func(*scene) {
		return func(s *scene) {
			knows(s)
			s.engine.logs = func(context.Context, function.LogQuery, func(function.LogLine) error) error { return err }
		}
	}
	ndjson := map[string]string{"Content-Type": "application/x-ndjson"}
	runRows(t, []row{
		{name: "a line", scene: func(s *scene) { knows(s); s.engine.logs = writes(2, "<a> & ü") }, request: "GET /system/logs?name=figlet", status: 200, header: ndjson,
			answer: `{"name":"figlet","namespace":"openfaas-fn","instance":"figlet.openfaas-fn.1","timestamp":"2026-01-31T08:00:02Z","text":"<a> & ü"}` + "\n"},
		{name: "a note", scene: func(s *scene) { logsThat(nil)(s); s.fleet.notes = notes(1) }, request: "GET /system/logs?name=figlet", status: 200, header: ndjson,
			answer: `{"name":"figlet","namespace":"openfaas-fn","instance":"faas-docker","timestamp":"2026-01-31T08:00:01Z","text":"note 1"}` + "\n"},
		{name: "nothing", scene: logsThat(nil), request: "GET /system/logs?name=figlet", status: 200, header: ndjson},
		{name: "no name", request: "GET /system/logs", status: 400, answer: "name: missing: want the name of a function\n", log: "status=400"},
		{name: "unknown", scene: knows, request: "GET /system/logs?name=nobody", status: 404, answer: "function \"nobody\" is not…", log: "status=404"},
		{name: "unknown, following", scene: knows, request: "GET /system/logs?name=nobody&follow=true", status: 404, answer: "function \"nobody\" is not…", log: "status=404"},
		{name: "bad tail", request: "GET /system/logs?name=figlet&tail=ten", status: 422, answer: "tail: \"ten\": want a number of lines, -1 for all\n", log: "status=422"},
		{name: "bad follow", request: "GET /system/logs?name=figlet&follow=yes", status: 422, answer: "follow: \"yes\": want true or false\n", log: "status=422"},
		{name: "bad since", request: "GET /system/logs?name=figlet&since=5m", status: 422, answer: "since: \"5m\": want a time such as 2026-01-31T08:00:00Z\n", log: "status=422"},
		{name: "engine away", scene: logsThat(function.Unavailable(errors.New("dial"), "is dockerd running?")), request: "GET /system/logs?name=figlet", status: 503, answer: "is dockerd running?\n", log: "status=503"},
	})
}

func TestLogs_TellWhenTheyBreakOff(t *testing.T) {
	t.Parallel()
	for _, follow := range []string{"0", "1"} {
		s := newScene()
		knows(s)
		s.engine.logs = func(ctx context.Context, q function.LogQuery, emit func(function.LogLine) error) error {
			return errors.Join(writes(2, "a")(ctx, q, emit), function.Unavailable(nil, "the engine was stopped"))
		}
		w := s.call(t, "GET /system/logs?name=figlet&follow="+follow, "")
		if got, want := texts(t, w.Body.String()), "a, the logs break off here: the engine was stopped"; got != want {
			t.Errorf("follow=%s: got %q, want %q", follow, got, want)
		}
		if got := s.log.String(); !strings.Contains(got, "[WARN]  log stream broke off: function=figlet.openfaas-fn") {
			t.Errorf("follow=%s: got log %q", follow, got)
		}
	}
}

// serverTimeout is long enough for a request's head on a busy machine.
const serverTimeout = time.Second

// serve runs the scene behind a server whose timeouts are shorter than logs may take.
func serve(t *testing.T, s *scene) string {
	t.Helper()
	server := httptest.NewUnstartedServer(s.routes())
	server.Config.ReadTimeout = serverTimeout
	server.Config.WriteTimeout = serverTimeout
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// follower reads the messages of an answer as they arrive.
type follower struct {
	t      *testing.T
	reader *bufio.Reader
	leave  func()
}

func follow(t *testing.T, url string) *follower {
	t.Helper()
	ctx, leave := context.WithTimeout(t.Context(), 10*time.Second)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("the answer did not begin: %v", err)
	}
	t.Cleanup(func() { leave(); response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatalf("got status %s", response.Status)
	}
	return &follower{t: t, reader: bufio.NewReader(response.Body), leave: leave}
}

func (f *follower) want(text string) {
	f.t.Helper()
	line, err := f.reader.ReadString('\n')
	if err != nil {
		f.t.Fatalf("wanted %q: %v", text, err)
	}
	if got := texts(f.t, line); got != text {
		f.t.Fatalf("got %q, want %q", got, text)
	}
}

func TestLogs_FollowBeginsBeforeTheFirstLine(t *testing.T) {
	t.Parallel()
	s, left := newScene(), make(chan struct{})
	knows(s)
	s.engine.logs = func(ctx context.Context, _ function.LogQuery, _ func(function.LogLine) error) error {
		defer close(left)
		<-ctx.Done()
		return ctx.Err()
	}
	f := follow(t, serve(t, s)+"/system/logs?name=figlet&follow=true&tail=-1")
	f.leave()
	<-left
}

func TestLogs_FollowSendsLinesAndNotesAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	s, lines, fresh := newScene(), make(chan string), make(chan function.Note)
	knows(s)
	s.fleet.notes = notes(1, 2)
	s.fleet.watchNotes = func(ctx context.Context, emit func(function.Note)) {
		for {
			select {
			case note := <-fresh:
				emit(note)
			case <-ctx.Done():
				return
			}
		}
	}
	s.engine.logs = func(ctx context.Context, q function.LogQuery, emit func(function.LogLine) error) error {
		for {
			select {
			case text := <-lines:
				if err := writes(5, text)(ctx, q, emit); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	f := follow(t, serve(t, s)+"/system/logs?name=figlet&follow=1")
	f.want("note 1")
	f.want("note 2")
	lines <- "a"
	f.want("a")
	fresh <- function.Note{Time: at(6), Text: "stopped: out of memory"}
	f.want("stopped: out of memory")
	lines <- "b"
	f.want("b")
}

func TestLogs_OutliveTheServersTimeouts(t *testing.T) {
	t.Parallel()
	s := newScene()
	knows(s)
	s.engine.logs = func(ctx context.Context, q function.LogQuery, emit func(function.LogLine) error) error {
		select {
		case <-time.After(2 * serverTimeout):
			return writes(2, "late")(ctx, q, emit)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	url := serve(t, s) + "/system/logs?name=figlet&follow="
	follow(t, url+"0").want("late")
	follow(t, url+"1").want("late")
}

func TestLogs_FollowNotesAlone(t *testing.T) {
	t.Parallel()
	s, fresh := newScene(), make(chan function.Note, 1)
	knows(s)
	s.fleet.notes = notes(1, 2, 3)
	s.fleet.watchNotes = func(_ context.Context, emit func(function.Note)) { emit(<-fresh) }
	f := follow(t, serve(t, s)+"/system/logs?name=figlet&follow=1&instance=faas-docker&tail=2")
	f.want("note 2")
	f.want("note 3")
	fresh <- function.Note{Time: at(4), Text: "image fetched"}
	f.want("image fetched")
}

func TestLogs_FollowStopsTheEngineWhenTheCallerLeaves(t *testing.T) {
	t.Parallel()
	s := newScene()
	knows(s)
	left := make(chan struct{})
	s.engine.logs = func(ctx context.Context, q function.LogQuery, emit func(function.LogLine) error) error {
		defer close(left)
		for { // a function that never stops talking, and an engine that only heeds emit
			if err := writes(2, "again")(ctx, q, emit); err != nil {
				return err
			}
		}
	}
	f := follow(t, serve(t, s)+"/system/logs?name=figlet&follow=1")
	f.want("again")
	f.leave()
	<-left
	if got := s.log.String(); got != "" {
		t.Errorf("got log %q, want none: a caller who leaves is no failure", got)
	}
}
