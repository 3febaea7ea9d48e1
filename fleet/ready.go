package fleet

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"faas-docker/function"
)

// defaultHealthPath is what both OpenFaaS watchdogs answer (CONTRACT.md 4).
const defaultHealthPath = "/_/health"

// awaitHTTP is how a replica is asked whether it answers.
func awaitHTTP(ctx context.Context, replica function.Replica, path string) error {
	return probe{address: replica.Address, path: path}.await(ctx)
}

// askHTTP asks a running replica once whether it still answers.
func askHTTP(ctx context.Context, replica function.Replica, path string) error {
	return probe{address: replica.Address, path: path}.ask(ctx)
}

// probe finds out whether a replica answers.
type probe struct {
	address netip.AddrPort
	// path is the health path that the user named. Without one the watchdogs' own
	// is asked, and any answer but 503 will do, because other images need not have
	// it; with one the answer must be 2xx.
	path string
}

const (
	probePause = 200 * time.Microsecond
	// slowPause is the longest pause between two attempts: a function that boots
	// for seconds costs five dials a second.
	slowPause     = 200 * time.Millisecond
	answerTimeout = time.Second
)

// await returns nil as soon as the replica answers. When ctx ends first it
// returns what the last attempt said. A function usually listens within a
// millisecond of its start, so the first attempts follow one another closely.
func (p probe) await(ctx context.Context) error {
	pause := probePause
	for {
		err := p.attempt(ctx, answerTimeout)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause = min(pause*3/2, slowPause)
	}
}

// attempt is ask, bounded.
func (p probe) attempt(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return p.ask(ctx)
}

// ask asks the replica once.
func (p probe) ask(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.address.String())
	if err != nil {
		return fmt.Errorf("connect to %s: %w", p.address, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	status, err := p.get(conn)
	switch {
	case err == nil:
		return p.judge(status)
	case p.path != "":
		return fmt.Errorf("ask %s for %s: %w", p.address, p.path, err)
	}
	// It listens; that it speaks no HTTP/1 or is slow on a path that it does not
	// know says nothing against it.
	return nil
}

func (p probe) get(conn net.Conn) (status int, err error) {
	path := p.path
	if path == "" {
		path = defaultHealthPath
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: faas-docker/health\r\nConnection: close\r\n\r\n", path, p.address)
	if err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	response.Body.Close()
	return response.StatusCode, nil
}

func (p probe) judge(status int) error {
	if p.path == "" && status != http.StatusServiceUnavailable || p.path != "" && status/100 == 2 {
		return nil
	}
	return fmt.Errorf("health check answered %d", status)
}
