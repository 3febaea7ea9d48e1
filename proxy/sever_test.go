package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

// severLimit is how soon a call must have been broken off when its replica has died.
const severLimit = 2 * time.Second

// mute is a function that says something to each call, if anything, and then no more:
// nor does it end the connection, as if its network had gone. The calls it gets are
// told to called.
func mute(t *testing.T, protocol, first string) (address string, called chan struct{}) {
	t.Helper()
	called = make(chan struct{}, 10)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	if protocol == function.ProtocolH2C {
		return framedFunction(t, func(f *frames) {
			for id := f.call(); id != 0; id = f.call() {
				if first != "" {
					f.head(id, false, ":status", "200")
					f.WriteData(id, false, []byte(first))
				}
				called <- struct{}{}
			}
		}), called
	}
	return rawFunction(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		io.WriteString(conn, first)
		called <- struct{}{}
		<-release
	}), called
}

// die has the engine show that a function has no replicas any more.
func die(h *Handler, name function.Name) { h.Resolver.Observe(name, h.Resolver.Listing(), nil) }

func TestSever_CallsThatWereNotAnsweredGoToAnotherReplicaOrFail(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		protocol, method, body string
		want                   int
	}{
		{protocol: function.ProtocolHTTP1, method: http.MethodGet, want: 200},
		{protocol: function.ProtocolHTTP1, method: http.MethodPost, want: 502},
		{protocol: function.ProtocolHTTP1, method: http.MethodPost, body: "hello", want: 502},
		{protocol: function.ProtocolH2C, method: http.MethodGet, want: 200},
		{protocol: function.ProtocolH2C, method: http.MethodPost, want: 502},
		{protocol: function.ProtocolH2C, method: http.MethodPost, body: "hello", want: 502},
	} {
		t.Run(fmt.Sprintf("%s %s %d", row.protocol, row.method, len(row.body)), func(t *testing.T) {
			t.Parallel()
			h := newHandler(t)
			h.Policy = speaks(row.protocol)
			h.RetryTimeout = 5 * time.Second
			address, called := mute(t, row.protocol, "")
			name := deploy(t, h, "f", address)
			successor := serveFull(t, okFunction())
			died := make(chan time.Time, 1)
			go func() {
				<-called
				died <- time.Now()
				die(h, name)
				addReplica(t, h, name, successor)
			}()
			answer, text := fetch(t, row.method, "http://"+serve(t, h)+"/function/f", strings.NewReader(row.body))
			if took := time.Since(<-died); answer.StatusCode != row.want || took > severLimit {
				t.Errorf("%d %q after %s, want %d within %s", answer.StatusCode, text, took, row.want, severLimit)
			}
		})
	}
}

// A dead replica is not asked again, as one is that has closed an old connection.
func TestSever_ACallOnAnOldConnectionGoesToAnotherReplica(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.handler.RetryTimeout = 5 * time.Second
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	s.client.head()
	s.client.say("GET /function/f HTTP/1.1\r\nHost: x\r\n\r\n")
	f.head()
	name := function.ParseName("f", function.DefaultNamespace)
	die(s.handler, name)
	addReplica(t, s.handler, name, serve(t, okFunction()))
	s.has(s.client.head(), " 200 ")
	s.untouched()
}

func TestSever_AnAnswerThatHasBegunIsCut(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ protocol, first string }{
		"length":     {function.ProtocolHTTP1, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin"},
		"chunks":     {function.ProtocolHTTP1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n"},
		"connection": {function.ProtocolHTTP1, "HTTP/1.1 200 OK\r\n\r\nbegin"},
		"HTTP/2":     {function.ProtocolH2C, "begin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t)
			h.Policy = speaks(row.protocol)
			address, called := mute(t, row.protocol, row.first)
			id := deploy(t, h, "f", address)
			answer, err := http.Get("http://" + serve(t, h) + "/function/f")
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			<-called
			died := time.Now()
			die(h, id)
			text, err := io.ReadAll(answer.Body)
			if took := time.Since(died); string(text) != "begin" || err == nil || took > severLimit {
				t.Errorf("%q %v after %s, want it cut within %s", text, err, took, severLimit)
			}
		})
	}
}

func TestSever_AnUpgradedConnectionEnds(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.client.say("GET /function/f/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	f := s.function()
	f.head()
	f.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nlast")
	s.client.head()
	died := time.Now()
	die(s.handler, function.ParseName("f", function.DefaultNamespace))
	if got := s.client.rest(); got != "last" {
		t.Errorf("the client got %q", got)
	}
	s.ends(f, 101)
	if took := time.Since(died); took > severLimit {
		t.Errorf("ended after %s, want %s", took, severLimit)
	}
}

// What dies is the clock of the test: when a call to it has been broken off, those that
// must go on would have been, too.
func TestSever_OthersGoOn(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	answer := make(chan struct{})
	waits := func() (address string, called chan struct{}) {
		called = make(chan struct{}, 1)
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			called <- struct{}{}
			<-answer
			io.WriteString(w, "ok")
		})), called
	}
	base := "http://" + serve(t, h) + "/function/"
	got := make(chan string, 2)
	call := func(name string) {
		_, text := fetch(t, http.MethodPost, base+name, nil)
		got <- name + " " + text
	}

	withdrawn, called := waits()
	leaving := deploy(t, h, "leaving", withdrawn)
	go call("leaving")
	<-called
	h.Resolver.Withdraw(leaving, "leaving@"+withdrawn)

	restarted, called := waits()
	again := deploy(t, h, "again", restarted)
	h.Sever(h.Resolver.Members(again)[0].Replica)
	go call("again")
	<-called

	address, called := mute(t, function.ProtocolHTTP1, "")
	dead := deploy(t, h, "dead", address)
	go func() { <-called; die(h, dead) }()
	if answer, _ := fetch(t, http.MethodPost, base+"dead", nil); answer.StatusCode != http.StatusBadGateway {
		t.Errorf("the dead one: %d", answer.StatusCode)
	}
	close(answer)
	for range 2 {
		if text := <-got; !strings.HasSuffix(text, " ok") {
			t.Errorf("got %q", text)
		}
	}
}

func TestSockets_ForgetsConnectionsThatAreClosed(t *testing.T) {
	t.Parallel()
	h, base := figlet(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	for range 3 {
		fetch(t, http.MethodGet, base, nil)
	}
	if counts := h.upstreams.Counts(); counts.Open > 0 {
		t.Errorf("%d sockets are open still", counts.Open)
	}
}
