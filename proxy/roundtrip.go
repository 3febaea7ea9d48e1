package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"faas-docker/proxy/upstream"
)

// roundTrip carries the call over a transport of the standard library, to a base without a path.
func (a *attempt) roundTrip(c *call, transport http.RoundTripper, base url.URL) error {
	ctx, cancel := context.WithCancelCause(c.r.Context())
	defer cancel(nil)
	// The function's time begins when it has all of the request.
	slow := time.AfterFunc(c.headTimeout(), func() { cancel(upstream.ErrTooSlow) })
	defer slow.Stop()
	a.prepare(ctx, c, nil)
	target, err := url.ParseRequestURI(a.out.RootedPath())
	if err != nil {
		return fmt.Errorf("%w: %w", errBadTarget, err)
	}
	target.Scheme, target.Host = base.Scheme, base.Host
	header, err := a.out.Header()
	if err != nil {
		return err
	}
	request := (&http.Request{Method: c.r.Method, URL: target, Host: c.r.Host, Header: header, Trailer: c.r.Trailer}).WithContext(ctx)
	if upstream.HasBody(c.r) {
		slow.Stop()
		body := c.sendBody(true)
		defer body.release()
		body.ended = func() { slow.Reset(c.headTimeout()) }
		request.Body, request.ContentLength = body, c.r.ContentLength
	}
	answer, err := transport.RoundTrip(request)
	if c.upload != nil {
		c.upload.forget()
	}
	if err != nil {
		return explainRoundTrip(ctx, err)
	}
	slow.Stop()
	defer answer.Body.Close()
	return a.passOn(answer)
}

func (a *attempt) passOn(answer *http.Response) error {
	c := a.call
	if answer.StatusCode < http.StatusOK {
		return fmt.Errorf("%w: switches protocols, which was not asked for", upstream.ErrBadAnswer)
	}
	h := upstream.Head{Code: answer.StatusCode, Fields: fieldsOf(answer.Header), Length: answer.ContentLength, Unframed: true}
	hasBody := !h.Bodyless(c.r.Method) && answer.ContentLength != 0
	announced := make([]string, 0, len(answer.Trailer))
	for key := range answer.Trailer {
		announced = append(announced, key)
	}
	c.out = c.handler.newDelivery(c.w)
	defer c.out.end()
	c.beginUnframed(a.typed(h), hasBody, announced)
	if hasBody {
		if err := a.copyPromptly(answer); err != nil {
			return err
		}
	}
	return a.SetTrailers(fieldsOf(answer.Trailer))
}

func fieldsOf(header http.Header) []upstream.Field {
	var fields []upstream.Field
	for key, values := range header {
		for _, value := range values {
			fields = append(fields, upstream.Field{Key: key, Value: value})
		}
	}
	return fields
}

// copyPromptly passes on what comes, at once.
func (a *attempt) copyPromptly(answer *http.Response) error {
	c := a.call
	buffers := &c.handler.pools().Buffers
	buffer := buffers.Get()
	defer buffers.Put(buffer)
	if err := a.Flush(); err != nil {
		return err
	}
	silence := watchSilence(c.policy.IdleTimeout, func() { answer.Body.Close() })
	defer silence.stop()
	for {
		n, err := answer.Body.Read(*buffer)
		silence.broken()
		if n > 0 {
			if err := a.Write((*buffer)[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil && silence.lasted.Load() {
			return fmt.Errorf("%w: %w", upstream.ErrTooSlow, err)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", upstream.ErrDied, err)
		}
	}
}

func explainRoundTrip(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), upstream.ErrTooSlow) {
		return upstream.ErrTooSlow
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return fmt.Errorf("%w: %w", upstream.ErrLargeBody, err)
	}
	return fmt.Errorf("%w: %w", upstream.ErrDied, err)
}
