package front

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// exchange is one request and its answer. It is made anew for each, so that whoever
// keeps a part of it for too long sees the end of its own request and not the
// middle of another.
type exchange struct {
	conn     *conn
	url      url.URL
	context  requestContext
	watch    watch
	body     body
	response response
}

// newExchange makes the request that the handler sees.
func newExchange(c *conn, h head) (*exchange, *http.Request) {
	x := &exchange{conn: c, url: h.url}
	x.watch.conn = c
	x.context.Context, x.context.watch = c.context, x.watch.want
	x.response = response{x: x, head: h.method == http.MethodHead, expects: h.expects, closes: h.closes, declared: -1}
	request := (&http.Request{
		Method: h.method, URL: &x.url, RequestURI: h.target, Host: h.host, Header: h.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: h.length, Trailer: h.trailer, Close: h.closes, RemoteAddr: c.remote,
	}).WithContext(&x.context)
	if h.length == 0 {
		x.watch.allow()
		return x, request
	}
	x.body.x, x.body.left, x.body.asks, x.body.trailer = x, h.length, h.expects, &request.Trailer
	if h.length < 0 {
		request.TransferEncoding = []string{"chunked"}
		// It ends before the trailer, which is the body's to read.
		x.body.chunks = httputil.NewChunkedReader(c.reader)
	}
	request.Body = &x.body
	return x, request
}

// watch reads ahead while a request is answered, to learn that its client has gone
// away: as soon as somebody wants to know, and the body has been read.
type watch struct {
	conn *conn

	// mu protects the fields below.
	mu sync.Mutex
	// wanted and allowed have to be set before it begins; over keeps it from that.
	wanted, allowed, over bool
	// reading is closed when it has ended; nil before it began.
	reading chan struct{}
}

func (w *watch) want() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = true
	w.begin()
}

func (w *watch) allow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allowed = true
	w.begin()
}

func (w *watch) begin() {
	if w.wanted && w.allowed && !w.over && w.reading == nil {
		w.reading = make(chan struct{})
		go w.run()
	}
}

// run waits for the client's next byte, or for its end. A byte is the next
// request's, which stays in the reader; nothing more can be learned then.
func (w *watch) run() {
	defer close(w.reading)
	_, _ = w.conn.reader.Peek(w.conn.reader.Buffered() + 1)
}

// stop ends the watch.
func (w *watch) stop() {
	w.mu.Lock()
	w.over = true
	reading := w.reading
	w.mu.Unlock()
	if reading == nil {
		return
	}
	w.conn.setReadDeadline(time.Unix(1, 0))
	<-reading
	w.conn.liftDeadlines()
}

func (w *watch) isStopping() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}
