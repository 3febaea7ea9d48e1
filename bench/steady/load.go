package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// warmUp is for how long requests are sent that do not count: they connect.
	warmUp = 500 * time.Millisecond
	// patience is how long the last answers may take.
	patience = 5 * time.Second
)

// load is what to send, where to, and how often.
type load struct {
	address string
	request []byte
	every   time.Duration
	length  time.Duration

	mu        sync.Mutex
	conns     []*conn
	idle      []*conn
	start     time.Time
	latencies []time.Duration
	calls     sync.WaitGroup
}

// conn is a connection that carries one request at a time.
type conn struct {
	net.Conn
	// number is that of the request, or none.
	number int
}

const none = -1

// outcome is the result of a load, in the form that the benchmark reads.
type outcome struct {
	Requests     int   `json:"requests"`
	Microseconds int64 `json:"microseconds"`
	// P50, P99 and P999 are latencies in microseconds, the last that of one request in a thousand.
	P50    float64 `json:"p50"`
	P99    float64 `json:"p99"`
	P999   float64 `json:"p999"`
	Errors int     `json:"errors"`
}

func newLoad(target *url.URL, rate int, length time.Duration) *load {
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target.RequestURI(), target.Host)
	return &load{address: target.Host, request: []byte(request), every: time.Second / time.Duration(rate), length: length}
}

func (l *load) run() outcome {
	l.send(int(warmUp / l.every))
	l.send(int(l.length / l.every))
	l.close()
	answered := slices.DeleteFunc(slices.Clone(l.latencies), func(took time.Duration) bool { return took == 0 })
	slices.Sort(answered)
	return outcome{
		Requests: len(l.latencies), Microseconds: l.length.Microseconds(), Errors: len(l.latencies) - len(answered),
		P50: percentile(answered, 0.5), P99: percentile(answered, 0.99), P999: percentile(answered, 0.999),
	}
}

// send sends so many requests and waits for their answers. It notes how long each took from
// the time at which it was due: 0 when it failed.
func (l *load) send(count int) {
	l.start, l.latencies = time.Now(), make([]time.Duration, count)
	for i := range count {
		sleepUntil(l.due(i))
		l.calls.Add(1)
		l.ask(i)
	}
	impatience := time.AfterFunc(patience, l.close)
	defer impatience.Stop()
	l.calls.Wait()
}

func (l *load) due(number int) time.Time { return l.start.Add(time.Duration(number) * l.every) }

// sleepUntil asks the kernel to wake us: the timers of Go are late by up to a millisecond.
func sleepUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		pause := syscall.NsecToTimespec(left.Nanoseconds())
		_ = syscall.Nanosleep(&pause, nil) // when a signal ends it, the next turn sleeps on
	}
}

// ask sends a request on a connection that no other uses. Its reader sees what becomes of it,
// also when it could not be sent.
func (l *load) ask(number int) {
	c, err := l.take(number)
	if err != nil {
		l.calls.Done()
		return
	}
	if _, err := c.Write(l.request); err != nil {
		_ = c.Close()
	}
}

// take returns the connection that was used last, or a new one when all are in use.
func (l *load) take(number int) (*conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := len(l.idle) - 1; last >= 0 {
		c := l.idle[last]
		l.idle, c.number = l.idle[:last], number
		return c, nil
	}
	dialled, err := net.DialTimeout("tcp", l.address, patience)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", l.address, err)
	}
	c := &conn{dialled, number}
	l.conns = append(l.conns, c)
	go l.read(c)
	return c, nil
}

// read reads the answers that come on a connection, until one fails.
func (l *load) read(c *conn) {
	answers := bufio.NewReader(c)
	for {
		err := readAnswer(answers)
		l.settle(c, time.Now(), err)
		if err != nil {
			_ = c.Close()
			return
		}
	}
}

func readAnswer(from *bufio.Reader) error {
	answer, err := http.ReadResponse(from, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is a %d", answer.StatusCode)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// settle notes what became of a connection's request, and keeps the connection for others.
func (l *load) settle(c *conn, now time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.number != none {
		if err == nil {
			l.latencies[c.number] = now.Sub(l.due(c.number))
		}
		c.number = none
		l.calls.Done()
	}
	if err == nil {
		l.idle = append(l.idle, c)
	} else {
		l.idle = slices.DeleteFunc(l.idle, func(other *conn) bool { return other == c })
	}
}

// close ends all connections, and with them the requests that have no answer yet.
func (l *load) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
}

// percentile of sorted latencies, in microseconds; 0 when there are none.
func percentile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(share*float64(len(sorted)))].Nanoseconds()) / 1e3
}
