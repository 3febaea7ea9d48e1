package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// roundTrip carries the call over a transport of the standard library.
func (c *call) roundTrip(transport http.RoundTripper, address func(*outgoing) (*url.URL, error)) error {
	ctx, cancel := context.WithCancelCause(c.r.Context())
	defer cancel(nil)
	// The function's time begins when it has all of the request: before that, a
	// stream may rightly be silent.
	slow := time.AfterFunc(c.headTimeout(), func() { cancel(errTooSlow) })
	defer slow.Stop()
	out := newOutgoing(c)
	target, err := address(&out)
	if err != nil {
		return fmt.Errorf("%w: %w", errBadTarget, err)
	}
	request := (&http.Request{Method: c.r.Method, URL: target, Host: c.r.Host, Header: out.header(), Trailer: c.r.Trailer}).WithContext(ctx)
	body := &requestBody{Reader: c.body, interrupt: c.interrupt}
	defer body.release()
	if out.hasBody {
		slow.Stop()
		body.ended = func() { slow.Reset(c.headTimeout()) }
		request.Body, request.ContentLength, c.upload = body, c.r.ContentLength, body
		_ = http.NewResponseController(c.w).EnableFullDuplex()
	}
	answer, err := transport.RoundTrip(request)
	body.forget()
	if err != nil {
		return explainRoundTrip(ctx, err)
	}
	slow.Stop()
	defer answer.Body.Close()
	return c.passOn(answer)
}

// interrupt ends a read of the request's body. With HTTP/1 that looks to the server
// as if the client had gone.
func (c *call) interrupt() {
	c.interrupted.Store(true)
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now())
}

// header is what appendHead writes, as a map.
func (o *outgoing) header() http.Header {
	// Without an agent the transport would name itself.
	header := http.Header{"User-Agent": {""}}
	if given := o.r.Header["User-Agent"]; given != nil {
		delete(header, "User-Agent")
	}
	o.each(func(key, value string) { header[key] = append(header[key], value) })
	return header
}

// passOn passes an answer on.
func (c *call) passOn(answer *http.Response) error {
	h := head{code: answer.StatusCode, fields: fieldsOf(answer.Header), length: answer.ContentLength}
	hasBody := !h.bodyless(c.r.Method) && answer.ContentLength != 0
	announced := make([]string, 0, len(answer.Trailer))
	for key := range answer.Trailer {
		announced = append(announced, key)
	}
	c.beginUnframed(h, hasBody, announced)
	if hasBody {
		if err := c.copyPromptly(answer); err != nil {
			return err
		}
	}
	return c.setTrailers(fieldsOf(answer.Trailer))
}

func fieldsOf(header http.Header) []field {
	var fields []field
	for key, values := range header {
		for _, value := range values {
			fields = append(fields, field{key, value})
		}
	}
	return fields
}

// copyPromptly passes on what comes, at once.
func (c *call) copyPromptly(answer *http.Response) error {
	buffer := c.handler.getCopy()
	defer c.handler.putCopy(buffer)
	out := newPromptWriter(c.w, c.handler.stallTimeout(), c.handler.FlushInterval)
	defer out.stop()
	out.sendSoon()
	silence := watchSilence(c.policy.IdleTimeout, func() { answer.Body.Close() })
	defer silence.stop()
	for {
		n, err := answer.Body.Read(*buffer)
		silence.broken()
		if n > 0 {
			if err := out.write((*buffer)[:n]); err != nil {
				return fmt.Errorf("%w: %w", errClientGone, err)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil && silence.lasted.Load() {
			return fmt.Errorf("%w: %w", errTooSlow, err)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errDied, err)
		}
	}
}

func explainRoundTrip(ctx context.Context, err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(context.Cause(ctx), errTooSlow):
		return errTooSlow
	case errors.Is(err, errUnreachable):
		return err
	case errors.As(err, &tooLarge):
		return fmt.Errorf("%w: %w", errLargeBody, err)
	}
	return fmt.Errorf("%w: %w", errDied, err)
}
