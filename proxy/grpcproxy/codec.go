package grpcproxy

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the default codec
	"google.golang.org/grpc/mem"
)

// Parent is a codec for the messages that are not proxied. Every grpc.Codec and every
// encoding.Codec is one.
type Parent interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// RawCodec leaves the messages that are proxied as they are on the wire, and has its parent
// encode and decode all others. It is a grpc.Codec and an encoding.Codec, and safe for
// concurrent use if its parent is.
type RawCodec struct{ parent Parent }

// Codec returns a proxying codec with the default protobuf codec as parent.
//
// See CodecWithParent.
func Codec() *RawCodec { return CodecWithParent(protobuf{}) }

// CodecWithParent returns a proxying codec with a user provided codec as parent.
//
// It lets the server be oblivious to the schema of the messages that are forwarded, which
// it treats as raw bytes. Handlers of a server beside the proxy, and clients that share
// its connections, get the parent.
func CodecWithParent(parent Parent) *RawCodec { return &RawCodec{parent: parent} }

// CodecForServer is the option that a server needs for TransparentHandler and for
// RegisterService. Its other services get the default protobuf codec.
func CodecForServer() grpc.ServerOption { return grpc.ForceServerCodec(Codec()) }

// frame is a message that is passed on as it is.
type frame struct{ payload []byte }

// Marshal returns the message on the wire.
func (c *RawCodec) Marshal(v any) ([]byte, error) {
	if raw, ok := v.(*frame); ok {
		return raw.payload, nil
	}
	return c.parent.Marshal(v)
}

// Unmarshal takes a message off the wire. The data is not kept.
func (c *RawCodec) Unmarshal(data []byte, v any) error {
	if raw, ok := v.(*frame); ok {
		raw.payload = append([]byte(nil), data...)
		return nil
	}
	return c.parent.Unmarshal(data, v)
}

// Name is the content-subtype of messages whose call names none.
func (c *RawCodec) Name() string { return "proto" }

// String describes the codec.
func (c *RawCodec) String() string {
	switch parent := c.parent.(type) {
	case fmt.Stringer:
		return "proxy>" + parent.String()
	case encoding.Codec:
		return "proxy>" + parent.Name()
	}
	return "proxy>unknown"
}

// protobuf is grpc-go's own codec for protobuf.
type protobuf struct{}

func (protobuf) Marshal(v any) ([]byte, error) {
	encoded, err := encoding.GetCodecV2("proto").Marshal(v)
	if err != nil {
		return nil, err
	}
	defer encoded.Free()
	return encoded.Materialize(), nil
}

func (protobuf) Unmarshal(data []byte, v any) error {
	return encoding.GetCodecV2("proto").Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, v)
}

func (protobuf) String() string { return "proto" }
