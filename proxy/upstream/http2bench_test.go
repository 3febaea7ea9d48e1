package upstream

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkHTTP2 compares the client of this package with http.Transport. Each iteration is
// a round, in which one has two seconds after the other:
//
//	go test -run '^$' -bench HTTP2 -benchtime 5x ./proxy/upstream
//
// The figures are medians over the rounds, and ratios those of the ratios within each.
func BenchmarkHTTP2(b *testing.B) {
	host := startEcho(b)
	for _, load := range []echoLoad{
		{name: "unary", callers: 64, messages: 1},
		{name: "dialogue", callers: 16, messages: 1000},
	} {
		b.Run(load.name, func(b *testing.B) {
			var pools Pools
			defer pools.Close()
			clients := []echoClient{
				{name: "own", call: callOwn(pools.At(host))},
				{name: "library", call: callLibrary(pools.At(host))},
			}
			for b.Loop() {
				for i := range clients {
					clients[i].measure(b, load)
				}
			}
			b.ReportMetric(0, "ns/op")
			clients[0].report(b, nil)
			clients[1].report(b, &clients[0])
		})
	}
}

// echoLoad is how many call at once, each with so many messages that are echoed one by one.
type echoLoad struct {
	name              string
	callers, messages int
}

// echoClient is one of those compared, with what was measured in each round.
type echoClient struct {
	name   string
	call   func(*Request) error
	rounds []echoRound
}

// echoRound are messages a second, processor time a message, and latencies of messages in
// microseconds.
type echoRound struct{ rate, cpu, p50, p99 float64 }

const echoTime = 2 * time.Second

func (c *echoClient) measure(b *testing.B, load echoLoad) {
	latencies := make([][]time.Duration, load.callers)
	began, used := time.Now(), processorTime()
	var callers sync.WaitGroup
	for i := range latencies {
		callers.Go(func() {
			for time.Since(began) < echoTime && !b.Failed() {
				d := newDialogue(b.Context(), load.messages)
				if err := cmp.Or(c.call(&d.Request), d.check()); err != nil {
					b.Errorf("%s: %v", c.name, err)
				}
				latencies[i] = append(latencies[i], d.latencies...)
			}
		})
	}
	callers.Wait()
	took, all := time.Since(began), slices.Concat(latencies...)
	slices.Sort(all)
	at := func(percent int) float64 { return float64(all[(len(all)-1)*percent/100].Nanoseconds()) / 1e3 }
	c.rounds = append(c.rounds, echoRound{
		rate: float64(len(all)) / took.Seconds(),
		cpu:  float64((processorTime() - used).Microseconds()) / float64(len(all)),
		p50:  at(50), p99: at(99),
	})
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	// It fails only when it is asked for somebody else's.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// report tells the figures, or with another client how they compare with its.
func (c *echoClient) report(b *testing.B, other *echoClient) {
	for unit, of := range map[string]func(echoRound) float64{
		"messages/s":     func(r echoRound) float64 { return r.rate },
		"cpu-µs/message": func(r echoRound) float64 { return r.cpu },
		"p50-µs":         func(r echoRound) float64 { return r.p50 },
		"p99-µs":         func(r echoRound) float64 { return r.p99 },
	} {
		figures, ratios := make([]float64, len(c.rounds)), make([]float64, len(c.rounds))
		for i, r := range c.rounds {
			figures[i] = of(r)
			if other != nil {
				ratios[i] = of(other.rounds[i]) / of(r)
			}
		}
		b.ReportMetric(middle(figures), c.name+"-"+unit)
		if other != nil {
			b.ReportMetric(middle(ratios), other.name+"÷"+c.name+"-"+unit)
		}
	}
}

func middle(figures []float64) float64 {
	slices.Sort(figures)
	return figures[len(figures)/2]
}

// callOwn calls through this package.
func callOwn(pool *Pool) func(*Request) error {
	return func(r *Request) error {
		answer, err := pool.OpenHTTP2(r)
		if err != nil {
			return err
		}
		return answer.Pass()
	}
}

// callLibrary does the same with http.Transport, with the limits that a call has.
func callLibrary(pool *Pool) func(*Request) error {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols: &protocols, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return pool.DialTCP(ctx) },
	}
	buffers := &pool.all.Buffers
	return func(r *Request) error {
		ctx, cancel := context.WithCancelCause(r.Context)
		defer cancel(nil)
		slow := time.AfterFunc(r.HeadTimeout, func() { cancel(ErrTooSlow) })
		defer slow.Stop()
		header, err := r.Header()
		if err != nil {
			return err
		}
		target := &url.URL{Scheme: "http", Host: pool.host, Path: r.Path}
		request := &http.Request{Method: r.HTTP.Method, URL: target, Host: r.HTTP.Host, Header: header, Body: io.NopCloser(r.Body), ContentLength: -1}
		answer, err := transport.RoundTrip(request.WithContext(ctx))
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		slow.Stop()
		buffer := buffers.Get()
		defer buffers.Put(buffer)
		return passOnLibrary(r.Client, answer, *buffer)
	}
}

func passOnLibrary(client Client, answer *http.Response, buffer []byte) error {
	client.Begin(Head{Code: answer.StatusCode, Fields: fieldsOf(answer.Header), Length: -1, Unframed: true}, FramingClose)
	for {
		n, err := answer.Body.Read(buffer)
		if n > 0 {
			if err := cmp.Or(client.Write(buffer[:n]), client.Flush()); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return client.SetTrailers(fieldsOf(answer.Trailer))
		}
		if err != nil {
			return err
		}
	}
}

func fieldsOf(header http.Header) (fields []Field) {
	for key, values := range header {
		for _, value := range values {
			fields = append(fields, Field{Key: key, Value: value})
		}
	}
	return fields
}

// echoed is a message as gRPC frames one of 13 bytes.
const echoed = "\x00\x00\x00\x00\x0dHello, World!"

// dialogue is a call whose messages are each sent when the one before has come back.
type dialogue struct {
	Request
	// left are the messages that are still to be sent, and heard what has come of the one
	// that was sent at asked.
	left, heard int
	asked       time.Time
	latencies   []time.Duration
	// turn lets the next message be sent.
	turn     chan struct{}
	code     int
	trailers []Field
}

func newDialogue(ctx context.Context, messages int) *dialogue {
	d := &dialogue{left: messages, asked: time.Now(), turn: make(chan struct{}, 1)}
	d.latencies = make([]time.Duration, 0, messages)
	d.turn <- struct{}{}
	incoming := (&http.Request{
		Method: "POST", Host: "echo.openfaas-fn:8080", ProtoMajor: 2, Proto: "HTTP/2.0", ContentLength: -1, Body: io.NopCloser(d),
		Header: http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"grpc-go/1.85.0"}},
	}).WithContext(ctx)
	d.Request = Request{
		Context: ctx, HTTP: incoming, Incoming: incoming, Path: "/bench.Echo/Say", CallID: "5f0c9d8e-8d5a-4b4b-9a55-0c9d8e8d5a4b", Start: "1790000000000000000",
		Forwarded: Forwarding{Address: "127.0.0.1", Host: "echo.openfaas-fn:8080", Proto: "http"},
		Body:      d, Client: d, HeadTimeout: time.Minute,
	}
	return d
}

// Read sends the next message.
func (d *dialogue) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	select {
	case <-d.turn:
	case <-d.Context.Done():
		return 0, d.Context.Err()
	}
	d.left--
	return copy(p, echoed), nil
}

func (d *dialogue) Interrupt()                       {}
func (d *dialogue) IsInterrupted() bool              { return false }
func (d *dialogue) Inform(Head)                      {}
func (d *dialogue) Begin(h Head, _ Framing)          { d.code = h.Code }
func (d *dialogue) Flush() error                     { return nil }
func (d *dialogue) SetTrailers(t []Field) error      { d.trailers = t; return nil }
func (d *dialogue) Switch(Head, *Conn, []byte) error { return nil }

// Write takes a piece of the answer.
func (d *dialogue) Write(piece []byte) error {
	if d.heard += len(piece); d.heard < len(echoed) {
		return nil
	}
	d.heard -= len(echoed)
	now := time.Now()
	d.latencies, d.asked = append(d.latencies, now.Sub(d.asked)), now
	d.turn <- struct{}{}
	return nil
}

// check finds out whether all of the answer has come.
func (d *dialogue) check() error {
	if d.code != 200 || d.left > 0 || d.heard > 0 || len(d.latencies) != cap(d.latencies) || !slices.Contains(d.trailers, Field{"Grpc-Status", "0"}) {
		return fmt.Errorf("status %d, %d messages, trailers %v", d.code, len(d.latencies), d.trailers)
	}
	return nil
}

const echoVariable = "HTTP2_BENCHMARK_ECHO"

// TestMain is also the process of the function that is called.
func TestMain(m *testing.M) {
	if os.Getenv(echoVariable) == "" {
		os.Exit(m.Run())
	}
	if err := serveEcho(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startEcho runs the function, in a process of its own that ends with this one, and returns
// its address.
func startEcho(b *testing.B) string {
	function := exec.Command(os.Args[0])
	function.Env, function.Stderr = append(os.Environ(), echoVariable+"=1"), os.Stderr
	life, err := function.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	said, err := function.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := function.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { life.Close(); function.Wait() })
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// serveEcho answers until its input ends.
func serveEcho() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: http.HandlerFunc(echo), Protocols: &protocols}
	go server.Serve(listener)
	fmt.Println(listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// echo answers as gRPC does.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	control := http.NewResponseController(w)
	for buffer := make([]byte, 4<<10); ; {
		n, err := r.Body.Read(buffer)
		_, _ = w.Write(buffer[:n])
		if err != nil {
			break
		}
		_ = control.Flush()
	}
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	w.Header().Set(http.TrailerPrefix+"Grpc-Message", "")
}
