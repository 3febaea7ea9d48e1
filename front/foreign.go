package front

import (
	"bufio"
	"cmp"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/grammar"
)

// watchOver serves requests that net/http has read: the same rules hold for them, and
// their clients have as much time to accept a piece of an answer, as for plain ones.
func (s *Server) watchOver(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := &foreign{ResponseWriter: w, limit: s.stallTimeout(), call: CallOf(r.Context())}
		defer f.end()
		own, why := s.admitForeign(r)
		if why != "" {
			refuse(f, r, why)
			return
		}
		next.ServeHTTP(f, own)
		f.returned()
	})
}

// boundedWrites is a configuration of HTTP/2 that gives up connections on which nothing can be written.
func boundedWrites(given *http.HTTP2Config, limit time.Duration) *http.HTTP2Config {
	var config http.HTTP2Config
	if given != nil {
		config = *given
	}
	config.WriteByteTimeout = cmp.Or(config.WriteByteTimeout, limit)
	return &config
}

// foreign is net/http's writer, but bounds what waits for the client, as is done for plain requests: a
// deadline would end a stream of HTTP/2 also while the handler is silent.
type foreign struct {
	http.ResponseWriter
	// limit is how long the client may take to accept a piece.
	limit time.Duration
	// call is that of the client's connection, and duplex set when the request's body may be read
	// while it is answered.
	call   *Call
	duplex bool
	// stalled cuts the answer off while a piece waits for too long; nil before the first.
	stalled *time.Timer
	// begun is set with the status, unsent while something may wait in a buffer, and
	// taken when the connection was taken over.
	begun, unsent, taken atomic.Bool

	// mu protects over, which is set when the answer is no longer the handler's. A timer that was
	// stopped too late would in HTTP/2 reach what is gone, and end the program.
	mu   sync.Mutex
	over bool
}

var errOver = errors.New("the answer is over")

// HasBegun reports whether the answer has a status, or the connection another owner.
func (f *foreign) HasBegun() bool { return f.begun.Load() }

func (f *foreign) WriteHeader(code int) {
	f.clean()
	if code >= http.StatusOK {
		f.boundBody()
	}
	f.begun.Store(f.begun.Load() || code >= 200 || code == http.StatusSwitchingProtocols)
	f.ResponseWriter.WriteHeader(code)
}

func (f *foreign) Write(piece []byte) (int, error) {
	f.begin()
	f.unsent.Store(true)
	f.wait()
	defer f.stalled.Stop()
	return f.ResponseWriter.Write(piece)
}

// begin is for answers without a status of their own.
func (f *foreign) begin() {
	if !f.begun.Swap(true) {
		f.clean()
		f.boundBody()
	}
}

// boundBody bounds the wait for a body that the handler has left unread: net/http reads it before
// it sends an answer.
func (f *foreign) boundBody() {
	if !f.duplex && f.call != nil && f.call.conn.is(within) && f.call.conn.unread.Load() {
		_ = f.SetReadDeadline(time.Now().Add(lingerTime))
	}
}

func (f *foreign) EnableFullDuplex() error {
	f.duplex = true
	return f.control().EnableFullDuplex()
}

// clean takes out of the header what the answers of plain requests leave out: values that
// would be more than one line, and trailers that belong into a head.
func (f *foreign) clean() {
	header := f.Header()
	for key, values := range header {
		name, trails := strings.CutPrefix(key, http.TrailerPrefix)
		if trails && !grammar.MayTrail(name) {
			delete(header, key)
			continue
		}
		if slices.ContainsFunc(values, isUnsendable) {
			header[key] = slices.DeleteFunc(slices.Clone(values), isUnsendable)
		}
	}
}

func isUnsendable(value string) bool { return !grammar.IsValue(value) }

func (f *foreign) FlushError() error {
	f.begin()
	f.unsent.Store(false)
	f.wait()
	defer f.stalled.Stop()
	return f.control().Flush()
}

func (f *foreign) Flush() { _ = f.FlushError() }

func (f *foreign) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	conn, buffered, err := f.control().Hijack()
	if err == nil {
		f.begun.Store(true)
		f.taken.Store(true)
		f.over = true
	}
	return conn, buffered, err
}

// SetWriteDeadline serves http.ResponseController. It may be called from any goroutine,
// and at any time: when the answer is over it does nothing, and says so.
func (f *foreign) SetWriteDeadline(at time.Time) error {
	return f.setDeadline((*http.ResponseController).SetWriteDeadline, at)
}

// SetReadDeadline serves http.ResponseController, with the same care.
func (f *foreign) SetReadDeadline(at time.Time) error {
	return f.setDeadline((*http.ResponseController).SetReadDeadline, at)
}

func (f *foreign) setDeadline(set func(*http.ResponseController, time.Time) error, at time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return errOver
	}
	return set(f.control(), at)
}

// Unwrap gives http.ResponseController what net/http's writer can do besides.
func (f *foreign) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f *foreign) control() *http.ResponseController {
	return http.NewResponseController(f.ResponseWriter)
}

// wait begins to wait for the client.
func (f *foreign) wait() {
	if f.stalled == nil {
		f.stalled = time.AfterFunc(f.limit, func() { _ = f.SetWriteDeadline(time.Now()) })
		return
	}
	f.stalled.Reset(f.limit)
}

// returned bounds what net/http sends behind the handler. It takes the deadline back then.
func (f *foreign) returned() {
	if f.taken.Load() {
		return
	}
	f.clean()
	f.boundBody()
	if f.unsent.Load() {
		_ = f.SetWriteDeadline(time.Now().Add(f.limit))
	}
}

// end leaves the answer to net/http.
func (f *foreign) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
}
