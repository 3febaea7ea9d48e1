package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"faas-docker/function"
)

// statusClientGone is nginx's for a caller who left: only logs and metrics read it.
const statusClientGone = 499

// refusal is a failure of HTTP itself, which has no kind among function's.
type refusal struct {
	status int
	text   string
	header http.Header
}

func (f *refusal) Error() string { return f.text }

// unprocessable refuses one query parameter, as OpenFaaS's own log handler does.
func unprocessable(parameter, got, want string) error {
	return &refusal{status: http.StatusUnprocessableEntity, text: fmt.Sprintf("%s: %q: want %s", parameter, got, want)}
}

func methodNotAllowed(method string, allowed []string) error {
	list := strings.Join(allowed, ", ")
	return &refusal{
		status: http.StatusMethodNotAllowed,
		text:   "method " + method + " is not allowed here: use " + list,
		header: http.Header{"Allow": {list}},
	}
}

// adapt is the only way from an error to an HTTP answer.
func (a *API) adapt(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := handle(w, r)
		if err == nil {
			return
		}
		if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			a.logger().Debug("caller left", "method", r.Method, "path", function.Clip(r.URL.Path), "err", err)
			w.WriteHeader(statusClientGone)
			return
		}
		answer := explain(err)
		a.logFailure(r, answer.status, err)
		for key, values := range answer.header {
			w.Header()[key] = values
		}
		refuse(w, answer.status, answer.text)
	}
}

// refuse writes a failure: one line of text, of a length that a person reads.
func refuse(w http.ResponseWriter, status int, text string) {
	http.Error(w, function.Clip(strings.Join(strings.Fields(text), " ")), status)
}

// unauthorized answers byte for byte as every other OpenFaaS provider does.
func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="Restricted"`)
	writeText(w, http.StatusUnauthorized, "invalid credentials")
}

// writeText answers with a text, which is lost when the caller has left.
func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// done answers with a status alone, unless what led here has failed.
func done(w http.ResponseWriter, status int, err error) error {
	if err == nil {
		w.WriteHeader(status)
	}
	return err
}

// explain decides what the caller may know of err.
func explain(err error) refusal {
	if own, ok := errors.AsType[*refusal](err); ok {
		return *own
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refusal{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("body: larger than %d MiB", tooBig.Limit>>20)}
	}
	if failure, ok := errors.AsType[*function.Failure](err); ok {
		// The outermost failure's own kind counts: its cause may be of another.
		return refusal{status: statusOf(failure.Kind), text: failure.Text, header: retryAfter(failure)}
	}
	// The error's own text was not written for the caller.
	status := statusOf(err)
	if status == http.StatusInternalServerError {
		return refusal{status: status, text: "internal error: the provider's log says more"}
	}
	return refusal{status: status, text: strings.ToLower(http.StatusText(status))}
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, function.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, function.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, function.ErrConflict):
		return http.StatusConflict
	case errors.Is(err, function.ErrNoReplica), errors.Is(err, function.ErrUnavailable):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func retryAfter(failure *function.Failure) http.Header {
	if failure.RetryAfter <= 0 {
		return nil
	}
	seconds := int(math.Ceil(failure.RetryAfter.Seconds()))
	return http.Header{"Retry-After": {strconv.Itoa(seconds)}}
}

// logFailure keeps what the caller was not told. A request that was refused for its own fault is
// only shown when debugging.
func (a *API) logFailure(r *http.Request, status int, err error) {
	fields := []any{"method", function.Clip(r.Method), "path", function.Clip(r.URL.Path), "status", status, "err", function.Clip(err.Error())}
	if failure, ok := errors.AsType[*function.Failure](err); ok && failure.Cause != nil {
		fields = append(fields, "cause", function.Clip(failure.Cause.Error()))
	}
	switch {
	case status == http.StatusServiceUnavailable:
		a.logger().Warn("request failed", fields...)
	case status >= http.StatusInternalServerError:
		a.logger().Error("request failed", fields...)
	default:
		a.logger().Debug("request refused", fields...)
	}
}
