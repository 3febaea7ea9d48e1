package handlers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"faas-docker/function"
)

func message(text string) string {
	return string([]byte{0, 0, 0, byte(len(text) >> 8), byte(len(text))}) + text
}

// grpc-go holds 16 KiB for each piece that it reads, so a message must not come byte by byte.
func TestWholeMessages_ComeInOnePieceHoweverTheyAreSent(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		sent string
		want []string
		err  error
	}{
		"nothing":                  {err: io.EOF},
		"one":                      {sent: message("abc"), want: []string{message("abc")}, err: io.EOF},
		"an empty one":             {sent: message(""), want: []string{message("")}, err: io.EOF},
		"two":                      {sent: message("abc") + message("de"), want: []string{message("abc"), message("de")}, err: io.EOF},
		"the longest":              {sent: message(strings.Repeat("x", longestAsk)), want: []string{message(strings.Repeat("x", longestAsk))}, err: io.EOF},
		"half a head":              {sent: "\x00\x00", err: io.ErrUnexpectedEOF},
		"half a message":           {sent: message("abc")[:6], err: io.ErrUnexpectedEOF},
		"a head and no more":       {sent: message("abc")[:5], err: io.EOF},
		"one byte too long":        {sent: message(strings.Repeat("x", longestAsk+1)), err: errTooMuchAsked},
		"said to be of gigabytes":  {sent: "\x00\xff\xff\xff\xff", err: errTooMuchAsked},
		"as many as may come":      {sent: strings.Repeat(message("a"), mostMessages), want: slicesOf(message("a"), mostMessages), err: io.EOF},
		"one more than may come":   {sent: strings.Repeat(message("a"), mostMessages+1), want: slicesOf(message("a"), mostMessages), err: errTooMuchAsked},
		"empty ones without bound": {sent: strings.Repeat(message(""), 1000), want: slicesOf(message(""), mostMessages), err: errTooMuchAsked},
	} {
		m := &wholeMessages{body: io.NopCloser(iotest.OneByteReader(strings.NewReader(test.sent)))}
		var got []string
		var err error
		for buffer := make([]byte, 16<<10); err == nil; {
			var n int
			if n, err = m.Read(buffer); err == nil {
				got = append(got, string(buffer[:n]))
			}
		}
		if !errors.Is(err, test.err) || strings.Join(got, "|") != strings.Join(test.want, "|") {
			t.Errorf("%s: got %d pieces and %v, want %d and %v", what, len(got), err, len(test.want), test.err)
		}
	}
}

func slicesOf(text string, n int) []string {
	return strings.Split(strings.Repeat(text+"|", n-1)+text, "|")
}

func TestGRPCHealth_BoundsTheCallsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		bounded := boundAsks(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-end }))
		ask := func() string {
			w := httptest.NewRecorder()
			bounded.ServeHTTP(w, httptest.NewRequest("POST", "/grpc.health.v1.Health/Watch", bytes.NewReader(nil)))
			return w.Header().Get("Grpc-Status")
		}
		var watching sync.WaitGroup
		for range mostAsks {
			watching.Go(func() { ask() })
		}
		synctest.Wait()
		if got := ask(); got != "8" {
			t.Errorf("one more: status %q, want that resources are exhausted", got)
		}
		close(end)
		watching.Wait()
		if got := ask(); got != "" {
			t.Errorf("later: status %q", got)
		}
	})
}

type slowEngine struct {
	pings atomic.Int64
	err   error
}

func (e *slowEngine) Ping(ctx context.Context) error {
	e.pings.Add(1)
	select {
	case <-time.After(100 * time.Millisecond):
		return e.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestHealth_AsksTheEngineOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &slowEngine{}
		health := &Health{Engine: engine}
		checkAll := func(want error) {
			t.Helper()
			var asking sync.WaitGroup
			for range 100 {
				asking.Go(func() {
					if err := health.Check(); !errors.Is(err, want) {
						t.Errorf("got %v, want %v", err, want)
					}
				})
			}
			asking.Wait()
		}
		checkAll(nil)
		checkAll(nil)
		if n := engine.pings.Load(); n != 1 {
			t.Errorf("200 checks asked the engine %d times", n)
		}
		engine.err = errors.New("away")
		time.Sleep(healthFresh)
		checkAll(function.ErrUnavailable)
		if n := engine.pings.Load(); n != 2 {
			t.Errorf("a second later the engine was asked %d times", n)
		}
	})
}
