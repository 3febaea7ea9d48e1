package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"faas-docker/function"
	"faas-docker/grammar"
)

// Director decides which function a gRPC call goes to. It sees the call's full method,
// "/pkg.Service/Method", and its metadata as the header of a request, which it may
// change: the function gets what it leaves. The context it returns is that of the call
// to the function, with a deadline if it wants one. It must derive from ctx, and even
// where it does not, what ends the caller's call ends the function's.
//
// With ErrUnimplemented it refuses the call as if the method did not exist. A *GRPCStatus
// is the status that the caller gets, and a *function.Failure is told to the caller; any
// other error is Unavailable to the caller, and its text for the log only.
type Director func(ctx context.Context, fullMethod string, metadata http.Header) (context.Context, function.Name, error)

// ErrUnimplemented is what a Director returns for a method that it will not have served.
var ErrUnimplemented = errors.New("method not implemented")

// GRPCStatus is an error that the caller of a gRPC call gets as the status of the call.
// Of an error of grpc-go's package status, package grpcproxy makes one.
type GRPCStatus struct {
	// Code is one of gRPC's codes, but OK; unknown ones are passed on, too.
	Code uint32
	// Message is for people.
	Message string
	// Details is an encoded google.rpc.Status, with Code and Message in it, too; empty means
	// that there are no details.
	Details []byte
}

// Error describes the status.
func (s *GRPCStatus) Error() string { return fmt.Sprintf("gRPC status %d: %s", s.Code, s.Message) }

// Direct returns a handler that asks the director where each gRPC call goes. All other
// requests are served as ServeHTTP does, as are gRPC calls that the director answers
// with neither a function nor an error.
func (h *Handler) Direct(director Director) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !grammar.IsGRPC(r) {
			h.ServeHTTP(w, r)
			return
		}
		metadata := r.Header.Clone()
		directed, name, err := director(r.Context(), r.URL.Path, metadata)
		if err != nil {
			h.Refuse(w, r, err)
			return
		}
		ctx, cancel := context.WithCancelCause(directed)
		defer cancel(nil)
		defer context.AfterFunc(r.Context(), func() { cancel(context.Cause(r.Context())) })()
		call := r.WithContext(ctx)
		call.Header = metadata
		if !name.IsZero() {
			call.RequestURI = prefix + name.String() + requestTarget(r)
		}
		h.ServeHTTP(w, call)
	})
}

// Refuse answers an invocation that somebody in front has refused, as ServeHTTP would:
// a *function.Failure is told to the caller, ErrUnimplemented is a 404, and of any other
// error the text is for the log only.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	c := call{handler: h, client: client{w: w, r: r, incoming: r}}
	c.began = time.Now()
	c.identify(c.began)
	_, failed := errors.AsType[*function.Failure](err)
	_, answered := errors.AsType[*GRPCStatus](err)
	if !errors.Is(err, ErrUnimplemented) && !failed && !answered {
		err = errors.Join(errIntercepted, err)
	}
	c.finish(err)
}

// GRPCFunction returns the function that a gRPC call names beside its path: by the
// metadata x-function or by its authority. It is zero when it names none.
func GRPCFunction(r *http.Request, defaultNamespace string) function.Name {
	if named := r.Header.Get("X-Function"); isFunctionName(named) {
		return function.ParseName(named, defaultNamespace)
	}
	return nameInAuthority(r.Host)
}
