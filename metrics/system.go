package metrics

import (
	"cmp"
	"net/http"
	"strconv"
	"time"
)

// System counts the requests that next answers under route, such as "/system/function/{name}", as their
// path: by the paths that callers send they could make series without end.
func (m *Metrics) System(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		// No answer by the end is the handler's failure: a panic leaves by here too.
		answer := &recorder{ResponseWriter: w}
		defer func() {
			code, method := strconv.Itoa(cmp.Or(answer.code, http.StatusInternalServerError)), knownMethod(r.Method)
			m.systemRequests.WithLabelValues(code, method, route).Inc()
			m.systemSeconds.WithLabelValues(code, method, route).Observe(time.Since(began).Seconds())
		}()
		next.ServeHTTP(answer, r)
		answer.begin()
	})
}

// knownMethod keeps invented methods from becoming series.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "other"
}

type recorder struct {
	http.ResponseWriter
	// code is zero until there is one.
	code int
}

// begin notes the status of an answer that is sent without one.
func (r *recorder) begin() { r.code = cmp.Or(r.code, http.StatusOK) }

// WriteHeader implements http.ResponseWriter. Interim answers are not the answer.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 && (code >= 200 || code == http.StatusSwitchingProtocols) {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(body []byte) (int, error) {
	r.begin()
	return r.ResponseWriter.Write(body)
}

// Flush implements http.Flusher, for handlers that ask for it by type.
func (r *recorder) Flush() { _ = r.FlushError() }

// FlushError serves http.ResponseController. Like a Write, it sends the headers.
func (r *recorder) FlushError() error {
	r.begin()
	return http.NewResponseController(r.ResponseWriter).Flush()
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
