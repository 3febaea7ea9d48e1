package filters

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/grammar"
	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

const (
	// mostShadows is how many copies of a route are under way; further requests are not copied.
	mostShadows = 64
	// longestShadow is the body of the largest request that is copied, in bytes.
	longestShadow = 1 << 20
	shadowTime    = time.Minute
)

// tee sends a copy of the requests to a second function. The caller never waits for it: it begins when the
// request's body has been read, if not too many are under way. Of gRPC only unary calls are copied.
type tee struct {
	routes.RequestOnly
	name   string
	next   http.Handler
	logger hclog.Logger
	slots  chan struct{}
	// running ends when the route is dropped.
	running context.Context
	stop    context.CancelFunc
}

func (o Options) newTee(args []any) (*tee, error) {
	backend, err := eskip.ParseBackend(argument.Text(args[0]))
	if err == nil && (backend.Kind != eskip.BackendFunction || backend.IsPrevious()) {
		err = fmt.Errorf("%s: want a function, such as function:shop-next", eskip.PrintArg(args[0]))
	}
	if err != nil {
		return nil, err
	}
	name, err := backend.Function(o.DefaultNamespace)
	if err != nil {
		return nil, err
	}
	f := &tee{name: name.String(), logger: o.Logger, slots: make(chan struct{}, mostShadows)}
	if o.Invoke != nil {
		f.next = o.Invoke(name)
	}
	f.running, f.stop = context.WithCancel(context.Background())
	return f, nil
}

func (f *tee) Close() error {
	f.stop()
	return nil
}

func (f *tee) Request(c *routes.Context) {
	if f.next == nil || c.Request.Header.Get("Upgrade") != "" {
		return
	}
	select {
	case f.slots <- struct{}{}:
	default:
		f.logger.Debug("request not copied: too many copies are under way", "function", f.name)
		return
	}
	copied := c.Request.Clone(f.running)
	copied.RequestURI, copied.Body = c.Target(), http.NoBody
	setField(copied.Header, "X-Shadow-Of", c.Route.Rule.ID)
	s := &shadow{tee: f, request: copied}
	c.Finally(func(routes.Outcome) { s.giveUp() })
	if c.Request.Body == nil || c.Request.Body == http.NoBody || c.Request.ContentLength == 0 {
		s.read(nil, io.EOF)
		return
	}
	c.Request.Body = copiedBody{c.Request.Body, s}
}

// shadow is a copy in the making, for the readers of the body and the goroutine that sends it.
type shadow struct {
	tee     *tee
	request *http.Request
	// mu protects the fields below.
	mu   sync.Mutex
	body bytes.Buffer
	over bool
}

// read notes a piece of the body, and sends the copy when it was the last.
func (s *shadow) read(p []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.body.Write(p)
	whole := errors.Is(err, io.EOF) || s.request.ContentLength == int64(s.body.Len())
	switch {
	case s.body.Len() > longestShadow:
		s.end()
		s.tee.logger.Debug("request not copied: its body is too long", "function", s.tee.name)
	case whole && (!grammar.IsGRPC(s.request) || isOneMessage(s.body.Bytes())):
		s.over = true
		go s.send()
	case whole || err != nil:
		s.end()
	}
}

func (s *shadow) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.end()
	}
}

// end gives the slot back; nothing will be sent.
func (s *shadow) end() {
	s.over = true
	<-s.tee.slots
}

func (s *shadow) send() {
	defer func() { <-s.tee.slots }()
	ctx, cancel := context.WithTimeout(s.tee.running, shadowTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.tee.logger.Debug("copy broke off", "function", s.tee.name, "err", p)
		}
	}()
	r := s.request.WithContext(ctx)
	if s.body.Len() > 0 {
		r.Body = io.NopCloser(bytes.NewReader(s.body.Bytes()))
	}
	r.ContentLength = int64(s.body.Len())
	w := &discarded{header: http.Header{}}
	s.tee.next.ServeHTTP(w, r)
	s.tee.logger.Debug("request copied", "function", s.tee.name, "status", w.status)
}

type copiedBody struct {
	io.ReadCloser
	shadow *shadow
}

func (b copiedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.shadow.read(p[:n], err)
	return n, err
}

// discarded is a client that listens to nothing.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header              { return d.header }
func (d *discarded) WriteHeader(status int)           { d.status = status }
func (d *discarded) Write(p []byte) (int, error)      { return len(p), nil }
func (d *discarded) FlushError() error                { return nil }
func (d *discarded) Flush()                           {}
func (d *discarded) EnableFullDuplex() error          { return nil }
func (d *discarded) SetReadDeadline(time.Time) error  { return nil }
func (d *discarded) SetWriteDeadline(time.Time) error { return nil }

// isOneMessage reports whether a body is a unary gRPC call's: a flag, a length and so many bytes.
func isOneMessage(body []byte) bool {
	return len(body) >= 5 && uint64(binary.BigEndian.Uint32(body[1:5])) == uint64(len(body)-5)
}
