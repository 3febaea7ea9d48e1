package front

import (
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// exchange is one request and its answer. It is made anew for each, so that whoever
// keeps a part of it for too long sees the end of its own request and not the middle of
// another: unless the handler has said that nobody does.
type exchange struct {
	conn     *conn
	head     head
	request  http.Request
	context  requestContext
	watch    watch
	body     body
	response response
	// reusable is what the handler has said of it.
	reusable bool

	// mu protects answered, which is set when the connection is another request's: a timer
	// of the handler's that was stopped too late must not reach that.
	mu       sync.Mutex
	answered bool
}

// begin makes the request that the handler sees of the head that was read.
func (x *exchange) begin(c *conn) *http.Request {
	h := &x.head
	x.conn, x.watch.conn = c, c
	if x.context.watch == nil {
		x.context.watch = x.watch.want
	}
	x.context.Context = c.context
	x.response.x, x.response.head, x.response.expects = x, h.method == http.MethodHead, h.expects
	x.response.closes, x.response.declared = h.closes, -1
	// Only WithContext gives a request a context. It makes a copy, which is needed nowhere else.
	x.request = *(&http.Request{
		Method: h.method, URL: &h.url, RequestURI: h.target, Host: h.host, Header: h.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: h.length, Trailer: h.trailer, Close: h.closes, RemoteAddr: c.remote,
	}).WithContext(&x.context)
	if h.length == 0 {
		x.watch.allow()
		return &x.request
	}
	x.body.x, x.body.left, x.body.asks, x.body.trailer = x, h.length, h.expects, &x.request.Trailer
	if h.length < 0 {
		x.request.TransferEncoding = []string{"chunked"}
		// It ends before the trailer, which is the body's to read.
		x.body.chunks = httputil.NewChunkedReader(c.reader)
	}
	x.request.Body = &x.body
	return &x.request
}

// setDeadline sets a deadline of the connection, as long as that serves this request.
func (x *exchange) setDeadline(set func(time.Time) error, at time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.answered {
		return errAnswered
	}
	// Noted only when it is there: deadlines that are lifted meanwhile are not this one.
	defer x.conn.timed.Store(true)
	return set(at)
}

// leave takes the connection from the handler.
func (x *exchange) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answered = true
}

// isOver reports whether nobody can have kept a part of it: the handler has said so, and
// nobody has tied anything to the request's context.
func (x *exchange) isOver() bool { return x.reusable && !x.context.isTied() }

// exchanges lends what requests and their answers are made of. The zero value is ready
// for use.
type exchanges struct{ pool sync.Pool }

func (e *exchanges) get() *exchange {
	if lent, ok := e.pool.Get().(*exchange); ok {
		return lent
	}
	return &exchange{}
}

// put takes back an exchange that is over.
func (e *exchanges) put(x *exchange) {
	x.reset()
	e.pool.Put(x)
}

// reset makes it as good as new. Of what it was only memory is left.
func (x *exchange) reset() {
	*x = exchange{
		head:     x.head.emptied(),
		context:  requestContext{watch: x.context.watch},
		response: response{header: emptied(x.response.header)},
	}
}

func emptied(header http.Header) http.Header {
	if len(header) > mostKept {
		return nil
	}
	clear(header)
	return header
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
