package policy

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

// progress tells of long bodies, in each try from nothing, but not of upgraded connections.
type progress struct {
	policy function.ProgressPolicy
	log    hclog.Logger
}

func (p progress) Do(ctx context.Context, request *Request, next Sender) (Answer, error) {
	request.noted.Do(func() {
		request.OnPassed(p.meter(request, "download", -1).moved)
	})
	if request.Body == nil {
		return next(ctx, request)
	}
	try := *request
	try.Body = &metered{Reader: request.Body, meter: p.meter(request, "upload", request.HTTP.ContentLength)}
	return next(ctx, &try)
}

func (p progress) meter(request *Request, direction string, of int64) *meter {
	line := []any{"function", request.Function.String(), "call_id", request.ID, "direction", direction}
	if of >= 0 {
		line = append(line, "of", of)
	}
	return &meter{policy: p.policy, log: p.log.With(line...), last: time.Now()}
}

// meter tells the progress of one body. One goroutine at a time may use it.
type meter struct {
	policy function.ProgressPolicy
	log    hclog.Logger
	last   time.Time
}

// moved notes how many bytes have passed. Only a long body gets lines, and none soon after another.
func (m *meter) moved(total int64) {
	if total < m.policy.From {
		return
	}
	if now := time.Now(); now.Sub(m.last) >= m.policy.Every {
		m.last = now
		m.log.Info("body in progress", "bytes", total)
	}
}

type metered struct {
	io.Reader
	meter *meter

	mu    sync.Mutex // tries that were given up may still read
	total int64
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total += int64(n)
	m.meter.moved(m.total)
	return n, err
}
