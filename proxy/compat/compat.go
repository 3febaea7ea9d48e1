// Package compat has the types of old reverse proxies of Go under their names, for
// programs that were written against them: a ReverseProxy with a hook before it, and the
// connections on which a program speaks HTTP/1 itself.
//
// Functions are invoked by package proxy, which offers the same in its own way:
// Handler.Intercept, Handler.BufferPool, Handler.FlushInterval and Handler.Connect.
package compat

import (
	"bufio"
	"net"
	"net/http/httputil"

	"faas-docker/proxy"
)

// BufferPool gets and returns temporary byte slices for use by io.CopyBuffer.
type BufferPool = httputil.BufferPool

// ClientConn sends requests and receives answers over one connection, while respecting
// HTTP's keep-alive: Do, or Write and Read for pipelining. Hijack gives the connection
// back, with what was read ahead of it. Read may run beside Write, but not beside another
// Read. It is low-level; http.Client and http.Transport are for most programs.
//
//lint:ignore SA1019 to have it is what this package is for
type ClientConn = httputil.ClientConn

// ServerConn reads requests and sends answers over one connection, until HTTP's
// keep-alive ends it. Requests may be read ahead of their answers, which Write sends in
// the order of the requests. It is low-level; http.Server is for most programs.
//
//lint:ignore SA1019 to have it is what this package is for
type ServerConn = httputil.ServerConn

// What ClientConn and ServerConn return when HTTP's keep-alive has ended the connection,
// when it was hijacked or closed, and when answers come in another order than requests.
var (
	//lint:ignore SA1019 to have it is what this package is for
	ErrPersistEOF = httputil.ErrPersistEOF
	//lint:ignore SA1019 to have it is what this package is for
	ErrClosed = httputil.ErrClosed
	//lint:ignore SA1019 to have it is what this package is for
	ErrPipeline = httputil.ErrPipeline
)

// ErrHandled is what ReverseProxy.Proxy returns when it has answered the request itself.
// It is proxy.ErrHandled.
var ErrHandled = proxy.ErrHandled

// NewClientConn returns a new ClientConn reading and writing c. If r is not nil, it is
// the buffer to use when reading c.
func NewClientConn(c net.Conn, r *bufio.Reader) *ClientConn {
	//lint:ignore SA1019 to have it is what this package is for
	return httputil.NewClientConn(c, r)
}

// NewProxyClientConn works like NewClientConn but writes requests as to a proxy, with
// Request.WriteProxy.
func NewProxyClientConn(c net.Conn, r *bufio.Reader) *ClientConn {
	//lint:ignore SA1019 to have it is what this package is for
	return httputil.NewProxyClientConn(c, r)
}

// NewServerConn returns a new ServerConn reading and writing c. If r is not nil, it is
// the buffer to use when reading c.
func NewServerConn(c net.Conn, r *bufio.Reader) *ServerConn {
	//lint:ignore SA1019 to have it is what this package is for
	return httputil.NewServerConn(c, r)
}
