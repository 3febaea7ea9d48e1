// Package callback tells the URL that a caller has named what became of its call.
package callback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"faas-docker/grammar"
	"faas-docker/queue"
)

const (
	// sendTime bounds one callback, its answer included.
	sendTime = time.Minute
	// mostRedirects is how many redirects are followed, and mostRead how much of an answer is read, in bytes.
	mostRedirects = 3
	mostRead      = 64 << 10
	// longestURL is how long a URL may be, in bytes.
	longestURL = 2 << 10
)

// ErrURL says that a URL cannot be called back.
var ErrURL = errors.New("not a URL that can be called back")

// CheckURL says what is wrong with a URL that a caller has named; nil when it can be tried.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > longestURL:
		return fmt.Errorf("%w: it is longer than %d bytes", ErrURL, longestURL)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrURL, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%w: %.80q does not begin with http:// or https://", ErrURL, text)
	case u.Hostname() == "":
		return fmt.Errorf("%w: %.80q has no host", ErrURL, text)
	case u.User != nil:
		return fmt.Errorf("%w: it has credentials in it", ErrURL)
	}
	return nil
}

// Retries are those of callbacks: five more tries within about an hour.
func Retries() queue.Retries {
	return queue.Retries{Attempts: 5, AllCodes: true, MinWait: 2 * time.Minute, MaxWait: 32 * time.Minute, Jitter: queue.EqualJitter}
}

// Sender sends callbacks. Make it with New; it is safe for concurrent use.
type Sender struct{ client http.Client }

// New returns a Sender whose connections the guard allows.
func New(guard Guard) *Sender {
	dialer := net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrForbidden, err)
		}
		return guard.Check(to)
	}}
	return &Sender{client: http.Client{
		Timeout: sendTime,
		// No proxy: it would look names up itself.
		Transport:     &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second, MaxIdleConns: 64, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: redirect,
	}}
}

// redirect follows those redirects only that keep the method and the body, and none to another scheme than HTTP's.
func redirect(next *http.Request, before []*http.Request) error {
	switch code := next.Response.StatusCode; {
	case code != http.StatusTemporaryRedirect && code != http.StatusPermanentRedirect:
		return http.ErrUseLastResponse
	case len(before) > mostRedirects:
		return fmt.Errorf("more than %d redirects", mostRedirects)
	}
	return CheckURL(next.URL.String())
}

// Send sends a callback. Its outcome is final where another try would go the same way.
func (s *Sender) Send(ctx context.Context, call *queue.Call, body func() (io.ReadCloser, error)) (queue.Outcome, error) {
	request, err := newRequest(ctx, call, body)
	if err != nil {
		return queue.Outcome{IsFinal: true}, err
	}
	answer, err := s.client.Do(request)
	if err != nil {
		final := errors.Is(err, ErrForbidden) || errors.Is(err, ErrURL)
		return queue.Outcome{IsFinal: final}, fmt.Errorf("send the callback: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, mostRead) // so that the connection can be used again
	o := queue.Outcome{Status: answer.StatusCode, RetryAfter: answer.Header.Get("Retry-After")}
	if o.Status/100 == 2 {
		return o, nil
	}
	o.IsFinal = o.Status == http.StatusGone || o.Status/100 == 3
	return o, fmt.Errorf("send the callback: %s answered %s", request.URL.Host, answer.Status)
}

func newRequest(ctx context.Context, call *queue.Call, body func() (io.ReadCloser, error)) (*http.Request, error) {
	if err := CheckURL(call.URL); err != nil {
		return nil, err
	}
	first, err := body()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, call.URL, first)
	if err != nil {
		first.Close()
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	request.GetBody, request.ContentLength = body, call.Request.Body.Size
	for key, values := range call.Request.Header {
		// Those of the function's own connection, and the length of its answer, are not for another one.
		if role := grammar.RoleOf(key); role != grammar.OfConnection && role != grammar.OfMessage {
			request.Header[key] = values
		}
	}
	return request, nil
}
