package fleet

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"faas-docker/function"
)

const (
	// defaultHealthPath is what both OpenFaaS watchdogs answer.
	defaultHealthPath = "/_/health"
	// defaultReadyPath is what of-watchdog answers, too.
	defaultReadyPath = "/_/ready"
	// userAgent begins with what Kubernetes' own probes send: watchdogs keep their
	// requests out of the log.
	userAgent = "kube-probe/1.0 (faas-docker)"
)

// askHTTP asks a running replica once whether it still answers.
func askHTTP(ctx context.Context, replica function.Replica, check function.Probe) error {
	return probe{replica.Address, check}.ask(ctx)
}

// probe asks one replica one thing over HTTP.
type probe struct {
	address netip.AddrPort
	function.Probe
}

// refusal says that nothing accepts connections.
type refusal struct {
	port uint16
	err  error
}

func (r *refusal) Error() string { return fmt.Sprintf("nothing listens on port %d", r.port) }

func (r *refusal) Unwrap() error { return r.err }

func (p probe) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	conn, err := dial(ctx, p.address, p.Timeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer interrupt(ctx, conn)()
	status, err := p.get(conn)
	switch {
	case err == nil:
		return p.judge(status)
	case p.Path != "":
		return fmt.Errorf("no answer to %s: %w", p.path(), err)
	}
	// It listens; that it speaks no HTTP/1 or is slow on a path that it does not
	// know says nothing against it.
	return nil
}

func dial(ctx context.Context, address netip.AddrPort, patience time.Duration) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address.String())
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, &refusal{address.Port(), err}
	}
	if err != nil {
		return nil, fmt.Errorf("connect to port %d: %w", address.Port(), err)
	}
	return conn, nil
}

func isOpen(ctx context.Context, address netip.AddrPort, patience time.Duration) bool {
	conn, err := dial(ctx, address, patience)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// interrupt ends what is done with a connection when ctx ends, until the function that
// it returns is called.
func interrupt(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

func (p probe) path() string { return cmp.Or(p.Path, defaultHealthPath) }

func (p probe) get(conn net.Conn) (status int, err error) {
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\nConnection: close\r\n\r\n", p.path(), p.Host, userAgent)
	if err != nil {
		return 0, err
	}
	status, _, err = readAnswer(conn)
	return status, err
}

// maxAnswer bounds what is read of an answer, in bytes: a function may send a head that
// does not end.
const maxAnswer = 64 << 10

func readAnswer(conn net.Conn) (status int, header http.Header, err error) {
	response, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxAnswer)), nil)
	if err != nil {
		return 0, nil, err
	}
	response.Body.Close()
	return response.StatusCode, response.Header, nil
}

func (p probe) judge(status int) error {
	own := p.path() == defaultHealthPath || p.path() == defaultReadyPath
	unavailable := status == http.StatusServiceUnavailable
	switch {
	case own && p.PortSuffices && unavailable:
		return nil
	case p.Path == "" && !unavailable, p.Path != "" && (status/100 == 2 || status/100 == 3):
		return nil
	}
	return fmt.Errorf("answers %d on %s", status, p.path())
}
