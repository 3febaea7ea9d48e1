// Package upstream carries requests to replicas and their answers back, over connections that
// it keeps: in HTTP/1 one call after the other, in HTTP/2 many at a time.
//
// Pools has a Pool for each replica. A Pool opens a Request, which returns when the head of the
// Answer has come; that is passed on to the request's Client, or dropped.
package upstream
