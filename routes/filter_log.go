package routes

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/hashicorp/go-hclog"
)

func (o Options) logFilters() []FilterSpec {
	return []FilterSpec{filterMaker{"accessLog", "", `accessLog()`, func([]any) (Filter, error) {
		return accessLog{logger: o.Logger, address: o.clientIP()}, nil
	}}}
}

// accessLog writes a line about each request when it has ended. The query, which may
// hold secrets, is left out.
type accessLog struct {
	logger  hclog.Logger
	address func(*http.Request) netip.Addr
}

func (f accessLog) Request(c *Context) {
	if f.logger == nil {
		return
	}
	began, r := time.Now(), c.original
	c.Finally(func(o Outcome) {
		f.logger.Info("request", "route", c.Route.Rule.ID, "method", r.Method, "host", r.Host, "path", r.URL.EscapedPath(),
			"status", o.Status, "bytes", o.Bytes, "broken", o.Broken, "took", time.Since(began).Round(time.Microsecond),
			"client", f.address(r), "agent", r.UserAgent(), "call_id", c.Writer.Header().Get("X-Call-Id"))
	})
}

// Response does nothing: the end of the answer is awaited.
func (f accessLog) Response(*Context) {}
