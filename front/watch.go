package front

import (
	"sync"
	"sync/atomic"
	"time"
)

// watchDelay is how long a client is not watched yet: most answers are over sooner, and cost less.
const watchDelay = 20 * time.Millisecond

// clientWatch learns that a client goes away while its call is carried. It takes nothing of
// what the client sends.
type clientWatch struct{ gone atomic.Bool }

func (w *clientWatch) begin(c *conn, abort func()) (stop func() bool) {
	ended := make(chan struct{})
	later := time.AfterFunc(watchDelay, func() {
		defer close(ended)
		if c.Conn.AwaitEnd() {
			w.gone.Store(true)
			abort()
		}
	})
	return sync.OnceValue(func() bool {
		if later.Stop() {
			return true
		}
		c.setReadDeadline(time.Unix(1, 0))
		<-ended
		c.liftDeadlines()
		return !w.gone.Load()
	})
}
