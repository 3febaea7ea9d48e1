package handlers

import (
	"net/http"
	"runtime/debug"

	"github.com/hashicorp/go-hclog"

	"faas-docker/grammar"
)

// answerWriter is what the server that Rescued stands in gives to handlers.
type answerWriter interface {
	http.ResponseWriter
	// HasBegun reports whether the answer has a status already.
	HasBegun() bool
}

// Rescued answers in the place of a handler that panics. An answer that has begun is cut, and so is
// what panics with http.ErrAbortHandler.
func Rescued(next http.Handler, logger hclog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer rescue(w.(answerWriter), r, logger)
		next.ServeHTTP(w, r)
	})
}

func rescue(w answerWriter, r *http.Request, logger hclog.Logger) {
	failure := recover()
	if failure == nil {
		return
	}
	if failure == http.ErrAbortHandler {
		panic(failure)
	}
	logger.Error("handler panicked", "method", r.Method, "path", r.URL.Path, "err", failure, "stack", string(debug.Stack()))
	if w.HasBegun() {
		panic(http.ErrAbortHandler)
	}
	clear(w.Header())
	if grammar.IsGRPC(r) {
		answerInternal(w)
		return
	}
	if r.ProtoMajor == 1 {
		// The request may still be being read.
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("X-OpenFaaS-Internal", "provider")
	refuse(w, http.StatusInternalServerError, "the provider failed while it handled this request: its log says more")
}

// answerInternal answers a gRPC call with status 13, INTERNAL.
func answerInternal(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Grpc-Status", "13")
	w.Header().Set("Grpc-Message", "the provider failed while it handled this call: its log says more")
	w.WriteHeader(http.StatusOK)
}
