package pipeline

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// ProgressReceiver is told how many bytes of a body were read so far.
type ProgressReceiver func(bytesTransferred int64)

// RequestOptions are what a request may have beside its method and URL.
type RequestOptions struct {
	// Body is the stream to be sent; nil means none. It can be sent again, because it can
	// seek. It is not closed.
	Body io.ReadSeeker
	// Progress, if it is not nil, is told of the body while it is uploaded, once again
	// from the beginning when it is sent again.
	Progress ProgressReceiver
}

// Request is an http.Request whose body can be sent more than once.
type Request struct{ *http.Request }

// NewRequest makes a request. It fails for a method or a URL that cannot be, and for a
// body that cannot seek.
func NewRequest(method string, url url.URL, options RequestOptions) (request Request, err error) {
	request.Request, err = http.NewRequest(method, url.String(), nil)
	if err != nil || options.Body == nil {
		return request, err
	}
	size, err := options.Body.Seek(0, io.SeekEnd)
	if err != nil {
		return Request{}, fmt.Errorf("find the size of the body: %w", err)
	}
	request.ContentLength = size
	request.Body = &body{stream: options.Body, progress: options.Progress}
	if size == 0 {
		request.Body = http.NoBody
	}
	return request, request.RewindBody()
}

// RewindBody makes the body begin anew. The pipeline does so before each time that it
// sends the request.
func (r Request) RewindBody() error {
	stream, seeks := r.Body.(io.Seeker)
	if !seeks {
		return nil
	}
	if _, err := stream.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewind the body: %w", err)
	}
	return nil
}

// body reports what is read of a stream.
type body struct {
	stream   io.ReadSeeker
	progress ProgressReceiver
	read     int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.stream.Read(p)
	b.read += int64(n)
	if n > 0 && b.progress != nil {
		b.progress(b.read)
	}
	return n, err
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	at, err := b.stream.Seek(offset, whence)
	b.read = at
	return at, err
}

// Close leaves the stream open: the request may be sent again.
func (b *body) Close() error { return nil }

// Response is what passes back through the policies. A policy may return one of its own,
// with what it has decoded, to those before it and to the caller of Pipeline.Do.
type Response interface {
	// Response is the HTTP response.
	Response() *http.Response
}

// NewHTTPResponse wraps an HTTP response.
func NewHTTPResponse(response *http.Response) Response { return httpResponse{response} }

type httpResponse struct{ response *http.Response }

func (r httpResponse) Response() *http.Response { return r.response }
