package routes

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"faas-docker/grammar"
)

// answer runs the response side of the filters before the head of the answer goes
// out.
type answer struct {
	http.ResponseWriter
	context *Context
	filters []Filter
	// begun is set when the head is out, or when there will be none.
	begun bool
	// body is where the body goes: the client, or the first of the writers around it.
	body    io.Writer
	closers []io.Closer
}

// WriteHeader lets the filters see a final status, and the client what they made of
// it. Interim ones pass by them.
func (a *answer) WriteHeader(status int) {
	if a.begun {
		return
	}
	if status < http.StatusOK {
		a.interim(status)
		return
	}
	a.begun = true
	response := a.filter(status)
	a.wrap(response, response.Status != status)
	a.context.outcome.Status = response.Status
	a.ResponseWriter.WriteHeader(response.Status)
}

// filter lets the filters see the head of the answer, and returns what they made of it.
func (a *answer) filter(status int) *Response {
	response := &Response{Status: status, Header: a.Header()}
	a.context.Response = response
	for i := len(a.filters) - 1; i >= 0; i-- {
		a.filters[i].Response(a.context)
	}
	grammar.AnnounceTrailers(response.Header)
	return response
}

// interim passes a status on that is not the last one, unless it ends HTTP.
func (a *answer) interim(status int) {
	if status == http.StatusSwitchingProtocols {
		a.begun, a.body = true, counting{a.ResponseWriter, &a.context.outcome.Bytes}
		a.context.outcome.Status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// counting counts the bytes that are written.
type counting struct {
	io.Writer
	total *int64
}

func (w counting) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	*w.total += int64(n)
	return n, err
}

// wrap sets where the body goes: nowhere, if a filter has made the answer one that
// has none.
func (a *answer) wrap(r *Response, changed bool) {
	a.body = counting{a.ResponseWriter, &a.context.outcome.Bytes}
	if changed && (r.Status == http.StatusNoContent || r.Status == http.StatusNotModified) {
		a.body = io.Discard
		r.Header.Del("Content-Length")
		r.Header.Del("Transfer-Encoding")
		return
	}
	for _, around := range r.wrappers {
		w := around(a.body)
		a.body = w
		a.closers = append(a.closers, w)
	}
}

func (a *answer) Write(p []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	if a.body == nil {
		return 0, http.ErrHijacked
	}
	return a.body.Write(p)
}

func (a *answer) FlushError() error {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := flush(a.closers[i]); err != nil {
			return err
		}
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

func (a *answer) Flush() { _ = a.FlushError() }

func flush(w any) error {
	switch f := w.(type) {
	case interface{ Flush() error }:
		return f.Flush()
	case http.Flusher:
		f.Flush()
	}
	return nil
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// finish ends an answer that the backend has ended.
func (a *answer) finish() {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	for i := len(a.closers) - 1; i >= 0; i-- {
		_ = a.closers[i].Close()
	}
}

// Hijack hands the connection over. A caller that takes it to switch protocols has
// set the header of the answer, and sends that header as the filters have changed it. They do
// not see the rest.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !a.begun {
		a.filter(http.StatusSwitchingProtocols)
	}
	conn, buffered, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil {
		a.begun = true
		a.context.outcome.Status = http.StatusSwitchingProtocols
	}
	return conn, buffered, err
}
