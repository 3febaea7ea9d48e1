// Package grpcproxy is a transparent reverse proxy for servers of grpc-go: it passes the
// calls that a director chooses on to other servers, without knowing what is in them.
//
// A provider's own calls do not take this way: package proxy passes HTTP/2 frames through.
// This package is for programs that have a grpc.Server already.
package grpcproxy

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"faas-docker/proxy/grpcproxy/mq"
)

// StreamDirector returns the connection that a call is forwarded on. It sees the full
// method, "/pkg.Service/Method", and in the context the metadata of the call, after all
// stream interceptors of the server.
//
// An error refuses the call; the caller gets its code, message and details when it is, or
// wraps, one of package status, and codes.Unknown else. codes.Unimplemented is for what is
// not to be handled.
//
// The context that it returns is that of the outgoing call. It must derive from ctx, and
// even where it does not, what ends the caller's call ends the outgoing one. Metadata of the
// caller is forwarded only if the director puts it there (metadata.NewOutgoingContext).
type StreamDirector func(ctx context.Context, fullMethodName string) (context.Context, *grpc.ClientConn, error)

// TransparentHandler returns a handler that proxies the calls of all services that are not
// registered in the server. It is meant for grpc.UnknownServiceHandler.
//
// The queue, if it is not nil, gets a copy of every message of every call, in both
// directions. It neither delays the calls nor fails them.
//
// The server needs the option CodecForServer.
func TransparentHandler(queue mq.MQ, director StreamDirector) grpc.StreamHandler {
	return (&handler{director: director, queue: queue}).handle
}

// RegisterService makes a server proxy the named methods of one service, as if their
// handlers were registered. Methods of any kind are streams here.
//
// The server needs the option CodecForServer.
func RegisterService(server *grpc.Server, director StreamDirector, serviceName string, methodNames ...string) {
	h := &handler{director: director}
	description := &grpc.ServiceDesc{ServiceName: serviceName, HandlerType: (*any)(nil)}
	for _, name := range methodNames {
		description.Streams = append(description.Streams, grpc.StreamDesc{
			StreamName: name, Handler: h.handle, ServerStreams: true, ClientStreams: true,
		})
	}
	server.RegisterService(description, h)
}

type handler struct {
	director StreamDirector
	queue    mq.MQ
	// calls counts the calls, to number them.
	calls atomic.Uint64
}

func (h *handler) handle(_ any, incoming grpc.ServerStream) error {
	method, ok := grpc.MethodFromServerStream(incoming)
	if !ok {
		return status.Error(codes.Internal, "the call has no method")
	}
	ctx, backend, err := h.director(incoming.Context(), method)
	if err != nil {
		return err
	}
	if backend == nil {
		return status.Errorf(codes.Unimplemented, "%s is not served here", method)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(incoming.Context(), cancel)()
	streams := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	outgoing, err := backend.NewStream(ctx, streams, method, grpc.ForceCodec(Codec()), grpc.CallContentSubtype(subtypeOf(incoming.Context())))
	if err != nil {
		return err
	}
	copies := newCopies(incoming.Context(), method, h.queue, h.calls.Add(1))
	defer copies.end()
	return forward(incoming, outgoing, copies)
}

// subtypeOf is what follows "application/grpc+" in the content type of a call.
func subtypeOf(ctx context.Context) string {
	incoming, _ := metadata.FromIncomingContext(ctx)
	for _, value := range incoming.Get("content-type") {
		value, _, _ = strings.Cut(value, ";")
		if _, subtype, found := strings.Cut(value, "+"); found {
			return subtype
		}
	}
	return ""
}

// forward passes messages on in both directions until the backend ends the call.
func forward(incoming grpc.ServerStream, outgoing grpc.ClientStream, copies *copies) error {
	sent, answered := make(chan error, 1), make(chan error, 1)
	go func() { sent <- forwardRequests(incoming, outgoing, copies) }()
	go func() { answered <- forwardAnswers(incoming, outgoing, copies) }()
	select {
	case err := <-answered:
		return err
	case err := <-sent:
		if err != nil {
			return err
		}
	}
	return <-answered
}

// forwardRequests passes on what the caller sends. That the backend takes no more is no
// error of its own: its answer says why.
func forwardRequests(incoming grpc.ServerStream, outgoing grpc.ClientStream, copies *copies) error {
	for {
		message := &frame{}
		err := incoming.RecvMsg(message)
		if errors.Is(err, io.EOF) {
			return outgoing.CloseSend()
		}
		if err != nil {
			return err
		}
		copies.add(mq.Client, message.payload)
		if err := outgoing.SendMsg(message); err != nil {
			return nil
		}
	}
}

// forwardAnswers passes on the header, the messages and the trailer of the backend, and
// returns its status.
func forwardAnswers(incoming grpc.ServerStream, outgoing grpc.ClientStream, copies *copies) error {
	defer func() { incoming.SetTrailer(outgoing.Trailer()) }()
	header, err := outgoing.Header()
	if err != nil {
		return err
	}
	if header != nil {
		if err := incoming.SendHeader(header); err != nil {
			return err
		}
	}
	for {
		message := &frame{}
		err := outgoing.RecvMsg(message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		copies.add(mq.Backend, message.payload)
		if err := incoming.SendMsg(message); err != nil {
			return err
		}
	}
}
