package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"faas-docker/function"
)

const (
	// heldBodyPatience is how long a watchdog has to say that it cannot reach its process.
	heldBodyPatience = 150 * time.Millisecond
	// heldBodyTime is how long the watchdog is to keep trying. It must be shorter than the
	// 200 ms after which it passes the head of a request on whose body does not come.
	heldBodyTime = "100ms"
	// heldBody is how long the body is said to be that never comes: so long that the
	// watchdog does not wait for it before it answers.
	heldBody = 1 << 20
	// wholePatience bounds a request that the process gets to see.
	wholePatience = time.Second
	dialPatience  = time.Second
	// upstreamPath shows in the watchdog's log, and says there why.
	upstreamPath = "/_/faas-docker-asks-whether-this-process-listens"
)

// upstream is the process behind a watchdog in HTTP mode. The watchdog answers its
// health path, and calls with 500, before that process listens.
type upstream struct {
	watchdog netip.AddrPort
	function.Upstream
}

// connects reports whether the process can be connected to, or there is none. Of one that
// listens on its loopback only, or of which nothing is known, only the watchdog knows.
func (u upstream) connects(ctx context.Context) bool {
	if u.Unknown {
		return false
	}
	return u.Port == 0 || u.Port == int(u.watchdog.Port()) ||
		isOpen(ctx, netip.AddrPortFrom(u.watchdog.Addr(), uint16(u.Port)), dialPatience)
}

// askWatchdog sends a request whose body does not come. A watchdog connects to its
// process first, and answers at once if it cannot; else it waits for the body until
// X-Timeout is over, and the process has seen nothing but a connection. A watchdog that
// reads the body first is sent a whole request, by the method that changes least.
func (u upstream) askWatchdog(ctx context.Context) error {
	conn, err := dial(ctx, u.watchdog, dialPatience)
	if err != nil {
		return err
	}
	defer conn.Close()
	patience, about := heldBodyPatience, fmt.Sprintf("Content-Length: %d\r\nX-Timeout: %s\r\n", heldBody, heldBodyTime)
	if u.Buffers {
		patience, about = wholePatience, ""
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("ask the watchdog: %w", err)
	}
	defer interrupt(ctx, conn)()
	_, err = fmt.Fprintf(conn, "OPTIONS %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: %s\r\n%sConnection: close\r\n\r\n", upstreamPath, userAgent, about)
	if err != nil {
		return fmt.Errorf("ask the watchdog: %w", err)
	}
	status, header, err := readAnswer(conn)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		endQuestion(conn)
		return nil
	case err != nil:
		return fmt.Errorf("its watchdog closed the connection: %w", err)
	}
	if status == http.StatusInternalServerError && header.Get("X-Openfaas-Internal") == "of-watchdog" {
		return u.silent()
	}
	return nil
}

// endQuestion ends the body of a question that was not answered, and waits until the watchdog
// is done with it: until then it counts towards the watchdog's max_inflight, and a call would
// get a 429.
func endQuestion(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || conn.SetDeadline(time.Now().Add(wholePatience)) != nil {
		return
	}
	_, _, _ = readAnswer(conn)
}

func (u upstream) silent() error {
	if u.Unknown {
		return errors.New("the process behind its watchdog does not listen")
	}
	return fmt.Errorf("the process behind its watchdog does not listen on port %d", u.Port)
}
