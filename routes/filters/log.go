package filters

import (
	"time"

	"faas-docker/routes"
)

func newIdle([]any) (routes.RequestFunc, error) { return func(*routes.Context) {}, nil }

// newAccessLog writes a line about each request when it has ended. The query, which may
// hold secrets, is left out.
func (o Options) newAccessLog([]any) (routes.RequestFunc, error) {
	return func(c *routes.Context) {
		began, r := time.Now(), c.Original()
		c.Finally(func(end routes.Outcome) {
			o.Logger.Info("request", "route", c.Route.Rule.ID, "method", r.Method, "host", r.Host, "path", r.URL.EscapedPath(),
				"status", end.Status, "bytes", end.Bytes, "broken", end.Broken, "took", time.Since(began).Round(time.Microsecond),
				"client", o.ClientIP(r), "agent", r.UserAgent(), "call_id", c.Writer.Header().Get("X-Call-Id"))
		})
	}, nil
}
