package handlers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/front"
	"faas-docker/routes"
)

// panicky is a condition and a filter that panic where their argument says.
type panicky struct{ where string }

func (panicky) Name() string { return "Faulty" }

type (
	panickyCondition struct{ panicky }
	panickyFilter    struct{ panicky }
)

func (panickyCondition) Create(args []any) (routes.Predicate, error) {
	return routes.PredicateFunc(func(*http.Request) bool { panic("faulty condition") }), nil
}

func (panickyFilter) Create(args []any) (routes.Filter, error) {
	return panickyFilter{panicky{args[0].(string)}}, nil
}

func (f panickyFilter) Request(c *routes.Context) { f.panicAt("request", c) }

func (f panickyFilter) Response(c *routes.Context) { f.panicAt("response", c) }

func (f panickyFilter) panicAt(where string, c *routes.Context) {
	switch f.where {
	case where:
		panic("faulty filter")
	case where + " abort":
		panic(http.ErrAbortHandler)
	case where + " late":
		http.NewResponseController(c.Writer).Flush()
		panic("faulty filter")
	}
}

// soon is when what is under way must have happened, on a busy machine too.
const soon = 20 * time.Second

// written is a log that goroutines share.
type written struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// rescuedHost serves routes to a function that answers "ok" as the provider does.
func rescuedHost(t *testing.T, rule string) (address string, log *written) {
	t.Helper()
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	})
	rules, err := routes.Parse(rule)
	if err != nil {
		t.Fatal(err)
	}
	built, problems := routes.Build(rules, routes.Options{
		Predicates: []routes.PredicateSpec{panickyCondition{}}, Filters: []routes.FilterSpec{panickyFilter{}},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	table := &routes.Mount{Functions: ok}
	table.Live.Swap(built)
	asked := ""
	log = &written{}
	handler := Rescued(Router{Invoke: ok, GRPC: ok, Routes: table.Before}.dispatch(answering("others", &asked)), hclog.New(&hclog.LoggerOptions{Output: log}))
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &front.Server{HTTP: &http.Server{Handler: handler, Protocols: protocols}}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-ended })
	return listener.Addr().String(), log
}

// clientOf speaks a version of HTTP and nothing else.
func clientOf(t *testing.T, version int) *http.Client {
	t.Helper()
	var only http.Protocols
	only.SetHTTP1(version == 1)
	only.SetUnencryptedHTTP2(version == 2)
	transport := &http.Transport{Protocols: &only}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: soon}
}

func TestRescue_APanicBeforeTheAnswerIs500AndLoggedOnce(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]string{
		"condition":       `Path("/x") && Faulty() -> "function:f"`,
		"filter":          `Path("/x") -> Faulty("request") -> "function:f"`,
		"filter behind":   `Path("/x") -> Faulty("response") -> "function:f"`,
		"filter of shunt": `Path("/x") -> Faulty("response") -> <shunt>`,
	} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, HTTP/%d", name, version), func(t *testing.T) {
				t.Parallel()
				address, log := rescuedHost(t, rule)
				client := clientOf(t, version)
				for range 2 {
					answer, err := client.Post("http://"+address+"/x", "text/plain", strings.NewReader("body"))
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(answer.Body)
					answer.Body.Close()
					if err != nil || answer.StatusCode != 500 || !strings.Contains(string(body), "the provider failed") || answer.Close != (version == 1) {
						t.Errorf("got %s %q, %v, close %t", answer.Status, body, err, answer.Close)
					}
				}
				if n := strings.Count(log.String(), "handler panicked"); n != 2 || !strings.Contains(log.String(), "rescue_test.go") {
					t.Errorf("logged %d times:\n%s", n, log)
				}
				if answer, err := client.Get("http://" + address + "/function/f"); err != nil || answer.StatusCode != 200 {
					t.Errorf("then: %v, %v", answer, err)
				}
			})
		}
	}
}

func TestRescue_WhatHasBegunIsCutAndSoIsWhatIsAborted(t *testing.T) {
	t.Parallel()
	for where, logged := range map[string]int{"request abort": 0, "response abort": 0, "request late": 1, "response late": 1} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, HTTP/%d", where, version), func(t *testing.T) {
				t.Parallel()
				address, log := rescuedHost(t, `Path("/x") -> Faulty("`+where+`") -> "function:f"`)
				answer, err := clientOf(t, version).Get("http://" + address + "/x")
				if err == nil {
					_, err = io.ReadAll(answer.Body)
					answer.Body.Close()
				}
				if err == nil {
					t.Errorf("got %s to a clean end", answer.Status)
				}
				if n := strings.Count(log.String(), "handler panicked"); n != logged {
					t.Errorf("logged %d times, want %d:\n%s", n, logged, log)
				}
			})
		}
	}
}

func TestRescue_AnHTTP10ClientIsAnsweredToo(t *testing.T) {
	t.Parallel()
	address, _ := rescuedHost(t, `Path("/x") -> Faulty("request") -> "function:f"`)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(soon))
	fmt.Fprint(conn, "GET /x HTTP/1.0\r\nHost: x\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != 500 {
		t.Fatalf("got %v, %v", answer, err)
	}
	if body, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(body), "the provider failed") {
		t.Errorf("body %q, %v", body, err)
	}
}

func TestRescue_AGRPCCallIsToldItsStatus(t *testing.T) {
	t.Parallel()
	address, _ := rescuedHost(t, `PathSubtree("/pkg.Service") -> Faulty("request") -> "function:f"`)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/pkg.Service/Method", strings.NewReader("\x00\x00\x00\x00\x00"))
	r.Header.Set("Content-Type", "application/grpc")
	answer, err := clientOf(t, 2).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 || answer.Header.Get("Grpc-Status") != "13" {
		t.Errorf("got %s, %v", answer.Status, answer.Header)
	}
}
