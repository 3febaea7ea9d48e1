package proxy

import "errors"

// openHTTP2 sends a try to a replica in HTTP/2. Without policies the answer is passed
// on as it arrives, and nothing is left of it; else only its head is awaited, and the
// body of the request is sent beside.
func (u *upstream) openHTTP2(c *call, t try) (reply, error) {
	if t.request == nil {
		if err := u.carryHTTP2(c, t); err != nil {
			return nil, err
		}
		return carried{}, nil
	}
	x := &http2Reply{http2Exchange: http2Exchange{call: c, try: t, out: newOutgoing(c), kept: -1}}
	for refusals := 0; ; refusals++ {
		if err := x.open(u); err != nil {
			return nil, err
		}
		err := x.begin()
		if err == nil {
			return x, nil
		}
		if !errors.Is(err, errStale) || x.out.hasBody || refusals == maxRefusals || t.ctx.Err() != nil {
			return nil, x.blame(err)
		}
	}
}

// carried is a reply that has been passed on already.
type carried struct{}

func (carried) status() int         { return 0 }
func (carried) field(string) string { return "" }
func (carried) pass() error         { return nil }
func (carried) drop()               {}

// http2Reply is an answer in HTTP/2 whose head has arrived.
type http2Reply struct {
	http2Exchange
	head head
	// ended is set when the head was all of it.
	ended bool
}

// begin sends the request and awaits the head of the answer. Without one the stream is
// ended.
func (x *http2Reply) begin() (err error) {
	sound := false
	defer func() {
		if !sound {
			x.end()
		}
	}()
	if x.out.hasBody {
		x.body = &requestBody{Reader: x.try.body}
		x.buffer = x.call.handler.getCopy()
		x.uploaded = make(chan struct{})
		go x.uploadBeside()
	}
	x.head, x.ended, err = x.receiveHead()
	sound = err == nil
	return err
}

// uploadBeside sends the body. It may outlive the answer, by one read.
func (x *http2Reply) uploadBeside() {
	defer close(x.uploaded)
	defer x.call.handler.putCopy(x.buffer)
	if err := x.upload(); err != nil && !errors.Is(err, errStopped) {
		x.stream.abandon(err)
	}
}

// isUploading reports whether the body is on its way beside the answer.
func (x *http2Exchange) isUploading() bool {
	select {
	case <-x.uploaded:
		return false
	default:
		return x.uploaded != nil
	}
}

func (x *http2Reply) status() int { return x.head.code }

func (x *http2Reply) field(key string) string { return x.head.field(key) }

func (x *http2Reply) pass() error {
	defer x.end()
	return x.passOn(x.head, x.ended)
}

func (x *http2Reply) drop() { x.end() }

// end ends the stream. It can be used again for another call unless the upload still
// knows of it.
func (x *http2Reply) end() {
	if x.isUploading() {
		x.stream.abandon(errStopped)
		return
	}
	x.stream.close()
}
