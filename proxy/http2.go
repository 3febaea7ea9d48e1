package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// http2 returns the transport for a replica that speaks HTTP/2 without TLS.
func (u *upstream) http2() *http.Transport {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.multiplexed == nil {
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		u.multiplexed = &http.Transport{
			Protocols:          &protocols,
			DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return u.dialTCP(ctx) },
			DisableCompression: true,
			IdleConnTimeout:    idleTimeout,
		}
	}
	return u.multiplexed
}

// carryHTTP2 sends a call to a replica in HTTP/2. Connections are shared there,
// and the standard library's transport keeps them.
func (u *upstream) carryHTTP2(c *call) error {
	// Only an opaque URL goes over the wire as it is.
	return c.roundTrip(u.http2(), func(o *outgoing) (*url.URL, error) {
		return &url.URL{Scheme: "http", Host: u.host, Opaque: "//" + o.r.Host + o.rootedPath()}, nil
	})
}

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
	header := http.Header{
		"X-Forwarded-For":   {o.called.address},
		"X-Forwarded-Host":  {o.called.host},
		"X-Forwarded-Proto": {o.called.proto},
		"X-Call-Id":         {o.id},
		"X-Start-Time":      {o.start},
		// Else the transport would name itself.
		"User-Agent": {""},
	}
	listing := o.r.Header["Connection"]
	for key, values := range o.r.Header {
		if !isOurs(key) && !anyHasToken(listing, key) {
			header[key] = values
		}
	}
	for _, f := range o.called.more {
		header[f.key] = []string{f.value}
	}
	if anyHasToken(o.r.Header["Te"], "trailers") {
		header["Te"] = []string{"trailers"}
	}
	return header
}

// passOn passes an answer on. One without a body is not flushed: the status
// of a gRPC call that has no other answer must come with the end of the stream.
func (c *call) passOn(answer *http.Response) error {
	x := exchange{call: c}
	h := head{code: answer.StatusCode, length: answer.ContentLength}
	for key, values := range answer.Header {
		for _, value := range values {
			h.fields = append(h.fields, field{key, value})
		}
	}
	header := c.w.Header()
	x.copyFields(header, h)
	hasBody := !h.bodyless(c.r.Method) && answer.ContentLength != 0
	suppressType(header)
	if hasBody && (answer.ContentLength < 0 || len(answer.Trailer) > 0) && c.r.ProtoMajor == 1 && c.r.ProtoMinor > 0 {
		// In HTTP/1 only chunked bodies have trailers.
		delete(header, "Content-Length")
		header["Transfer-Encoding"] = []string{"chunked"}
	}
	if c.isUnread() {
		c.dismiss()
	}
	for key := range answer.Trailer {
		header["Trailer"] = append(header["Trailer"], key)
	}
	c.begin(h.code)
	if hasBody {
		if err := c.copyPromptly(answer); err != nil {
			return err
		}
	}
	return x.setTrailers(fieldsOf(answer.Trailer))
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
