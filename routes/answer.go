package routes

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"

	"faas-docker/grammar"
)

// answer runs the response side of the filters before the head of the answer goes out.
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

// WriteHeader sends the first final status as the filters make it. Interim ones pass by them.
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
	if status == http.StatusNotModified && response.Status != status {
		describeNoBody(response.Header)
	}
	a.wrap(response, response.Status != status)
	a.context.outcome.Status = response.Status
	a.ResponseWriter.WriteHeader(response.Status)
}

// filter lets the filters see the head of the answer, and returns what they made of it.
func (a *answer) filter(status int) *Response {
	response := &Response{Status: status, Header: a.Header()}
	a.context.Response = response
	for _, f := range slices.Backward(a.filters) {
		f.Response(a.context)
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

type counting struct {
	io.Writer
	total *int64
}

func (w counting) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	*w.total += int64(n)
	return n, err
}

// describeNoBody is for a 304 that became another answer, without a body. The fields that described
// the body that the client has may be spelled in small letters, which keeps them past net/http.
func describeNoBody(header http.Header) {
	for _, key := range []string{"Content-Length", "Content-Type"} {
		small := grammar.Lower(key)
		if values, spelled := header[small]; spelled {
			delete(header, small)
			header[key] = values
		}
	}
	header.Del("Content-Length")
}

// wrap sets where the body goes: nowhere, if a filter has made the answer one without.
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
	a.WriteHeader(http.StatusOK)
	if a.body == nil {
		return 0, http.ErrHijacked
	}
	return a.body.Write(p)
}

func (a *answer) FlushError() error {
	a.WriteHeader(http.StatusOK)
	for _, w := range slices.Backward(a.closers) {
		if err := flush(w); err != nil {
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

func (a *answer) finish() {
	a.WriteHeader(http.StatusOK)
	for _, w := range slices.Backward(a.closers) {
		_ = w.Close()
	}
}

// Hijack hands the connection over. A caller that switches protocols has set the answer's header, and sends
// it as the filters have changed it. They do not see the rest.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if !a.begun {
		a.filter(http.StatusSwitchingProtocols)
	}
	a.begun = true
	a.context.outcome.Status = http.StatusSwitchingProtocols
	return conn, buffered, nil
}
