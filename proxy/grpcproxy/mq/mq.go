// Package mq is what a message queue has to offer to get a copy of the gRPC calls that
// package grpcproxy passes on.
package mq

import "context"

// MQ takes copies of messages. It must be safe for concurrent use: one goroutine of each
// call publishes the messages of that call, in their order.
type MQ interface {
	// Publish takes one message. The context has the metadata of the call, and does not
	// end with it. After an error no more of the call is published. While Publish
	// blocks, the call goes on: what finds no room in its buffer by then is left out, which
	// shows as a gap in the sequence.
	Publish(ctx context.Context, message Message) error
}

// Side is one end of a call.
type Side int

// The sides. The zero value is the caller's.
const (
	Client Side = iota
	Backend
)

// String returns the side in lower case.
func (s Side) String() string { return [...]string{"client", "backend"}[s] }

// Message is a copy of one message of a call.
type Message struct {
	// Call is a number that all messages of one call share, and no other call of the same handler has.
	Call uint64
	// Method is the full method, "/pkg.Service/Method".
	Method string
	// From is the side that sent the message.
	From Side
	// Sequence numbers the messages of one side of a call from 1.
	Sequence uint64
	// Payload is the message as it was on the wire, without its frame and decompressed. It
	// belongs to the queue.
	Payload []byte
}
