package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"faas-docker/grammar"
)

// Request is one try of a call, on its way to a function. Whoever makes it leaves it alone
// until the answer has been passed on or dropped.
type Request struct {
	// Context ends the try, and what remains of its answer.
	Context context.Context
	// HTTP is the request as it is to be sent, but for what the fields below say. Incoming is
	// the same as the server gave it: it has the trailers when the body has been read.
	HTTP, Incoming *http.Request
	// Path is the target with the query. The slash before it may be missing.
	Path string
	// Forwarded are the fields that say who called, CallID and Start which call it is.
	Forwarded     Forwarding
	CallID, Start string
	// Announced are the trailers that follow the body.
	Announced []string
	// Body is what follows the head of a request that has a body.
	Body Body
	// Plain is the request as it is written, and takes the place of the fields above; nil means that
	// they tell. With it Context bounds the connecting only: Plain.Client knows of the client's end.
	Plain *Plain
	// HeadTimeout bounds the wait for the head of the answer; it must be positive. IdleTimeout bounds
	// the pauses in its body; zero means that they may be of any length.
	HeadTimeout, IdleTimeout time.Duration
	// Client is who gets the answer.
	Client Client
	// Beside is set when the try may end before its client's call does, as policies want it.
	Beside bool
	// Sent is how often the request may have been sent before, without an answer. If it was, it is not sent
	// over a kept connection: what has ended the one may end the other. Open adds those that end under it.
	Sent int32
}

// Plain is a request whose bytes are known.
type Plain struct {
	// Head and Body are written one behind the other.
	Head, Body []byte
	// Method is the one in the head.
	Method string
	// IsReplayable is set when the request may be sent again when it is not known whether the
	// function has seen it.
	IsReplayable bool
	// Client knows whether the client is still there.
	Client Watched
}

// Watched is a client whose going away nobody learns of unasked.
type Watched interface {
	// Watch calls abort when the client goes away, until stop is called, which reports whether
	// it was still there.
	Watch(abort func()) (stop func() bool)
	// Gone reports whether the client was seen to go away.
	Gone() bool
}

func (r *Request) method() string {
	if r.Plain != nil {
		return r.Plain.Method
	}
	return r.HTTP.Method
}

// hasEnded reports whether nobody waits for the answer any more, as far as that was looked at.
func (r *Request) hasEnded() bool {
	if r.Plain != nil {
		return r.Plain.Client.Gone()
	}
	return r.Context.Err() != nil
}

// watch calls abort when nobody waits for the answer any more, until stop is called, which
// reports whether somebody still did.
func (r *Request) watch(abort func()) (stop func() bool) {
	if r.Plain != nil {
		return r.Plain.Client.Watch(abort)
	}
	return context.AfterFunc(r.Context, abort)
}

// Forwarding is what the function is told about who called.
type Forwarding struct {
	Address, Host, Proto string
	// Prefix is what the function's path has lost of the client's; empty for nothing.
	Prefix string
	// More are further fields of that kind, which are only sent when the client sent them.
	More []Field
}

// Body is the body of a request.
type Body interface {
	io.Reader
	// Interrupt ends a read that is under way. It does nothing to a body that was not read
	// yet, which may be needed for another try, or that has been read to its end.
	Interrupt()
	// IsInterrupted reports whether that has happened.
	IsInterrupted() bool
}

// Client is where an answer goes. Only Inform may be called before the answer has been
// chosen, and by other goroutines than the call's.
type Client interface {
	// Inform passes an interim answer on. With 100 it asks for the body.
	Inform(Head)
	// Begin passes the head of the answer on, whose body ends as framing says.
	Begin(head Head, framing Framing)
	// Write passes a piece of the body on.
	Write(piece []byte) error
	// Flush is called when more of the body has to be waited for: what was written is sent.
	Flush() error
	// SetTrailers passes on what followed the body.
	SetTrailers([]Field) error
	// Switch joins the client with the function, which have agreed on another protocol, until
	// both have ended; ahead is what the function has said already.
	Switch(head Head, function *Conn, ahead []byte) error
}

// Answer is one whose head has arrived. Either Pass or Drop is called, once.
type Answer interface {
	Status() int
	// Field is the first value of a header field, by its canonical name.
	Field(key string) string
	// Pass passes the answer on to the client, to its end.
	Pass() error
	// Drop gives the answer up.
	Drop()
}

// HasBody reports whether a body comes with a request, perhaps an empty one.
func HasBody(r *http.Request) bool {
	return r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
}

// outgoing is a request as it is written to the function.
type outgoing struct {
	*Request
	// upgrade is the protocol the client wants to switch to; empty for none.
	upgrade string
	// unsendable is the name of a field that cannot be sent, and was left out; empty for none.
	unsendable string
	// hasBody is set when a body follows: as many bytes as its length says, or chunks
	// when chunked is set.
	hasBody, chunked bool
	// expect is set when the function decides whether the body is to be sent.
	expect bool
}

func newOutgoing(request *Request) outgoing {
	if request.Plain != nil {
		return outgoing{Request: request}
	}
	r := request.HTTP
	o := outgoing{Request: request, hasBody: HasBody(r)}
	o.chunked = o.hasBody && (r.ContentLength < 0 || len(request.Announced) > 0)
	o.expect = o.hasBody && r.ProtoAtLeast(1, 1) && grammar.HasToken(r.Header["Expect"], "100-continue")
	if r.ProtoMajor == 1 && r.ProtoMinor > 0 {
		o.upgrade = grammar.Upgrade(r.Header)
	}
	return o
}

// IsReplayable reports whether the request may be sent again when it is not known whether the
// function has seen it. The rule is net/http's.
func (r *Request) IsReplayable() bool {
	if r.Plain != nil {
		return r.Plain.IsReplayable
	}
	header := r.HTTP.Header
	isMarked := len(header["Idempotency-Key"]) > 0 || len(header["X-Idempotency-Key"]) > 0
	return !HasBody(r.HTTP) && (isMarked || IsSafe(r.HTTP.Method))
}

// IsSafe reports whether requests with a method may be sent more than once (RFC 9110, 9.2.1).
func IsSafe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// RootedPath is the target with the slash that the client may have left out.
func (r *Request) RootedPath() string {
	if strings.HasPrefix(r.Path, "/") {
		return r.Path
	}
	return "/" + r.Path
}

func (o *outgoing) appendHead(b []byte) []byte {
	b = append(append(b, o.HTTP.Method...), ' ')
	if !strings.HasPrefix(o.Path, "/") {
		b = append(b, '/')
	}
	b = append(append(b, o.Path...), " HTTP/1.1\r\n"...)
	b = AppendField(b, "Host", o.HTTP.Host)
	o.each(func(key, value string) { b = appendSendable(b, key, value) })
	b = o.appendFraming(b)
	return append(b, "\r\n"...)
}

// Header is the head of the request as a map.
func (r *Request) Header() (http.Header, error) {
	header := http.Header{}
	if r.HTTP.Header["User-Agent"] == nil {
		header["User-Agent"] = []string{""} // the transport would else name itself
	}
	o := newOutgoing(r)
	o.each(func(key, value string) { header[key] = append(header[key], value) })
	return header, o.check()
}

// AppendHead appends the head of the request in HTTP/1.
func (r *Request) AppendHead(b []byte) ([]byte, error) {
	o := newOutgoing(r)
	b = o.appendHead(b)
	return b, o.check()
}

// each calls say with every field that the function gets, except those of framing. Fields that cannot
// be sent are left out and noted in unsendable.
func (o *outgoing) each(say func(key, value string)) {
	for key, values := range o.HTTP.Header {
		if isOurs(key) {
			continue
		}
		for _, value := range values {
			o.sayIfSendable(say, key, value)
		}
	}
	o.sayIfSendable(say, "X-Forwarded-For", o.Forwarded.Address)
	o.sayIfSendable(say, "X-Forwarded-Host", o.Forwarded.Host)
	o.sayIfSendable(say, "X-Forwarded-Proto", o.Forwarded.Proto)
	if o.Forwarded.Prefix != "" {
		o.sayIfSendable(say, "X-Forwarded-Prefix", o.Forwarded.Prefix)
	}
	for _, f := range o.Forwarded.More {
		o.sayIfSendable(say, f.Key, f.Value)
	}
	o.sayIfSendable(say, "X-Call-Id", o.CallID)
	o.sayIfSendable(say, "X-Start-Time", o.Start)
	if grammar.HasToken(o.HTTP.Header["Te"], "trailers") {
		say("Te", "trailers")
	}
}

// sayIfSendable leaves out, and notes, a field that cannot be sent. Servers let no such field in, but
// filters make values of what a client has encoded.
func (o *outgoing) sayIfSendable(say func(key, value string), key, value string) {
	if !IsSendable(key, value) {
		o.unsendable = key
		return
	}
	say(key, value)
}

// check refuses a request with a field that cannot be sent.
func (o *outgoing) check() error {
	if o.unsendable != "" {
		return fmt.Errorf("%w: %.80q", ErrBadField, o.unsendable)
	}
	return nil
}

// isOurs reports whether a request's field is not copied: it is of one connection, or written anew.
func isOurs(key string) bool { return grammar.RoleOf(key) != grammar.ForAll }

func (o *outgoing) appendFraming(b []byte) []byte {
	if o.upgrade != "" {
		b = AppendField(b, "Connection", "Upgrade")
		b = AppendField(b, "Upgrade", o.upgrade)
	}
	if o.expect {
		b = AppendField(b, "Expect", "100-continue")
	}
	switch {
	case o.chunked:
		for _, key := range o.Announced {
			b = AppendField(b, "Trailer", key)
		}
		b = AppendField(b, "Transfer-Encoding", "chunked")
	case o.hasBody:
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, o.HTTP.ContentLength, 10), "\r\n"...)
	case o.saysEmpty():
		b = AppendField(b, "Content-Length", "0")
	}
	return b
}

// saysEmpty reports whether a request says that it has no body: its method lets one expect it.
func (o *outgoing) saysEmpty() bool {
	switch o.HTTP.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return true
	}
	return len(o.HTTP.Header["Content-Length"]) > 0
}

// AppendField adds a line to a head, unless it would be more than one.
func AppendField(b []byte, key, value string) []byte {
	if !IsSendable(key, value) {
		return b
	}
	return appendSendable(b, key, value)
}

func appendSendable(b []byte, key, value string) []byte {
	b = append(append(b, key...), ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// IsSendable reports whether a field is one line in HTTP/1, also after a proxy has translated it from
// HTTP/2.
func IsSendable(key, value string) bool { return grammar.IsToken(key) && grammar.IsValue(value) }
