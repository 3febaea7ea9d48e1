package front

import (
	"bufio"
	"context"
	"io"
	"log"
	"math"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"faas-docker/wire"
)

const (
	// readerSize is the longest head that is served here; longer ones are net/http's.
	readerSize = 8 << 10
	// drainLimit is how much of a body that nobody wanted is read, for the sake of
	// the next request, and drainTime how long that, and the end of a connection, may
	// take. Both are net/http's.
	drainLimit = 256 << 10
	drainTime  = 500 * time.Millisecond
)

// What conn.idle holds beside the time when an idle connection is closed.
const (
	// busy: a request is being read or answered.
	busy time.Duration = 0
	// claimed: somebody is closing the connection.
	claimed time.Duration = -1
	// never is the time that does not come.
	never time.Duration = math.MaxInt64
)

// conn is the connection of one client. It carries one request at a time.
type conn struct {
	server *Server
	tcp    *wire.Conn
	reader *bufio.Reader
	// context is what the requests' contexts have in common.
	context context.Context
	remote  string
	// streams and single take over what is not plain.
	streams, single *handover
	// idle is when an idle connection is to be closed, by the server's clock; or busy
	// or claimed.
	idle atomic.Int64
	// current is the request that is being answered; nil for none.
	current atomic.Pointer[exchange]
	// timed is set when somebody has set a deadline.
	timed atomic.Bool
	stall stall
}

func newConn(s *Server, tcp *wire.Conn, streams, single *handover) *conn {
	c := &conn{server: s, tcp: tcp, streams: streams, single: single, remote: tcp.RemoteAddr().String()}
	c.reader = bufio.NewReaderSize(readerFunc(c.read), readerSize)
	c.context = context.WithValue(context.Background(), http.ServerContextKey, s.HTTP)
	c.context = context.WithValue(c.context, http.LocalAddrContextKey, tcp.LocalAddr())
	c.rest(s.HTTP.ReadHeaderTimeout)
	return c
}

// forever is a limit as it is meant: zero means none.
func forever(limit time.Duration) time.Duration {
	if limit <= 0 {
		return math.MaxInt64 / 2
	}
	return limit
}

// serve answers one request after the other, until there are no more or one is not
// plain.
func (c *conn) serve() {
	defer c.server.remove(c)
	for {
		ahead, err := c.awaitHead()
		if err != nil {
			c.tcp.Close()
			return
		}
		x := c.server.exchanges.get()
		length, what := x.head.parse(ahead)
		switch what {
		case unusual:
			c.single.hand(c.release())
			return
		case http2:
			c.streams.hand(stream{c.release(), &c.server.turns})
			return
		case contradictory:
			c.refuse()
			return
		}
		_, _ = c.reader.Discard(length)
		if !c.answer(x) {
			return
		}
		if x.isOver() {
			c.server.exchanges.put(x)
		}
	}
}

// read reads from the client and notices when that is gone.
func (c *conn) read(into []byte) (int, error) {
	n, err := c.tcp.Read(into)
	if err != nil {
		if x := c.current.Load(); x != nil && !x.watch.isStopping() {
			x.context.end()
		}
	}
	return n, err
}

// awaitHead waits for the next request, until its head is there or it is clear that
// it is not a plain one. It returns what has come, which stays in the reader.
func (c *conn) awaitHead() ([]byte, error) {
	if err := c.awaitFirstByte(); err != nil {
		return nil, err
	}
	ahead := c.ahead()
	if isDecided(ahead) {
		return ahead, nil
	}
	c.setReadDeadline(time.Now().Add(forever(c.server.HTTP.ReadHeaderTimeout)))
	defer c.liftDeadlines()
	for !isDecided(ahead) {
		_, err := c.reader.Peek(len(ahead) + 1)
		if err == io.EOF {
			// Half a request: net/http has an answer to that.
			return c.ahead(), nil
		}
		if err != nil {
			return nil, err
		}
		ahead = c.ahead()
	}
	return ahead, nil
}

// isDecided reports whether enough of a request has come to judge it.
func isDecided(ahead []byte) bool {
	return headEnd(ahead) > 0 || isBeyond(ahead) || len(ahead) >= readerSize
}

// ahead is what was read and is not used yet.
func (c *conn) ahead() []byte {
	ahead, _ := c.reader.Peek(c.reader.Buffered())
	return ahead
}

// awaitFirstByte waits for the next request for as long as the connection may be
// idle.
func (c *conn) awaitFirstByte() error {
	if c.reader.Buffered() > 0 {
		c.idle.Store(int64(busy))
		return nil
	}
	if c.server.stopping.Load() {
		return http.ErrServerClosed
	}
	c.server.turns.GiveWay()
	_, err := c.reader.Peek(1)
	if time.Duration(c.idle.Swap(int64(busy))) == claimed {
		return http.ErrServerClosed
	}
	return err
}

// rest makes the connection idle, until the next request or for a time. The clock may
// tick any moment.
func (c *conn) rest(limit time.Duration) {
	c.idle.Store(int64(c.server.clock.now() + tickTime + forever(limit)))
}

// closeIfIdle closes the connection if it has been idle until a time for too long.
func (c *conn) closeIfIdle(now time.Duration) {
	until := c.idle.Load()
	if until > int64(busy) && until <= int64(now) && c.idle.CompareAndSwap(until, int64(claimed)) {
		c.tcp.Close()
	}
}

// release gives the connection up, with what was read of it.
func (c *conn) release() *handed {
	c.liftDeadlines()
	return &handed{Conn: c.tcp, ahead: c.ahead()}
}

// refuse answers a request that can be read in two ways, and ends the connection.
func (c *conn) refuse() {
	_, _ = io.WriteString(c.tcp, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+
		"400 Bad Request: both Content-Length and Transfer-Encoding: it is not clear where the request ends\n")
	c.closeGently()
}

// answer lets the handler answer a request, and reports whether another may follow.
func (c *conn) answer(x *exchange) bool {
	request := x.begin(c)
	c.current.Store(x)
	sound := c.call(x, request)
	x.watch.stop()
	x.context.end()
	if !sound {
		x.response.release()
		return false
	}
	closes := x.response.finish()
	read := x.body.x == nil || c.drain(&x.body)
	c.current.Store(nil)
	x.leave()
	c.liftDeadlines()
	switch {
	case !read:
		c.closeGently()
		return false
	case closes:
		c.tcp.Close()
		return false
	}
	c.rest(c.server.HTTP.IdleTimeout)
	return true
}

// call runs the handler, and reports whether it came to its end.
func (c *conn) call(x *exchange, request *http.Request) (sound bool) {
	defer func() {
		if sound {
			return
		}
		// What was written goes out: the client shall see where it broke off.
		x.response.send()
		c.tcp.Close()
		if failure := recover(); failure != nil && failure != http.ErrAbortHandler {
			c.logf("http: panic serving %s: %v\n%s", c.remote, failure, debug.Stack())
		}
	}()
	c.server.handler.ServeHTTP(&x.response, request)
	return true
}

// drain reads what the handler left of a body.
func (c *conn) drain(b *body) bool {
	if b.isRead() {
		return true
	}
	c.setReadDeadline(time.Now().Add(drainTime))
	return b.finish(drainLimit)
}

// closeGently ends a connection on which the client may still be sending: closing
// it at once would take from the client what it has not read yet.
func (c *conn) closeGently() {
	if c.tcp.CloseWrite() == nil && c.tcp.SetReadDeadline(time.Now().Add(drainTime)) == nil {
		_, _ = io.Copy(io.Discard, c.tcp)
	}
	c.tcp.Close()
}

func (c *conn) setReadDeadline(at time.Time) {
	c.timed.Store(true)
	// It fails only on a closed connection, which the next read notices.
	_ = c.tcp.SetReadDeadline(at)
}

// liftDeadlines takes back those that were set.
func (c *conn) liftDeadlines() {
	if c.timed.Swap(false) {
		_ = c.tcp.SetDeadline(time.Time{})
	}
}

func (c *conn) logf(format string, args ...any) {
	if logger := c.server.HTTP.ErrorLog; logger != nil {
		logger.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}
