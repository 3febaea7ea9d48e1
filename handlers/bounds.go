package handlers

import (
	"context"
	"io"
	"net/http"
	"time"
)

// Bounds are how long a system call may take. All fields are required.
type Bounds struct {
	// Read bounds the time to read the body, Write the time to answer.
	Read, Write time.Duration
	// Stopping ends when the program stops to serve.
	Stopping context.Context
}

// Around keeps a slow or silent client from holding a system call, and a call that follows logs
// from holding the program when it stops. Deadlines of a connection outlive their request, and
// one that passes later looks like the client's leaving, so they are lifted.
func (b Bounds) Around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, now := http.NewResponseController(w), time.Now()
		if r.ContentLength != 0 {
			_ = control.SetReadDeadline(now.Add(b.Read))
			r.Body = &timedBody{ReadCloser: r.Body, lift: func() { _ = control.SetReadDeadline(time.Time{}) }}
		}
		_ = control.SetWriteDeadline(now.Add(b.Write))
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(b.Stopping, cancel)()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// timedBody lifts the read deadline when the body has been read, or cannot be.
type timedBody struct {
	io.ReadCloser
	lift func()
}

func (b *timedBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	if err != nil {
		b.lift()
	}
	return n, err
}
