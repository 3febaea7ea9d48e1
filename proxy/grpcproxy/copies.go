package grpcproxy

import (
	"context"
	"sync"

	"faas-docker/proxy/grpcproxy/mq"
)

const (
	// maxCopies and maxCopied bound the messages of one call that wait for the queue: in
	// number, and in bytes.
	maxCopies = 1024
	maxCopied = 16 << 20
)

// copies are the messages of one call that its queue has yet to take. A nil *copies takes
// none. It is safe for concurrent use.
type copies struct {
	method string
	queue  mq.MQ
	call   uint64

	mu      sync.Mutex // protects the fields below
	changed *sync.Cond
	waiting []mq.Message
	bytes   int
	counts  [2]uint64 // by side
	over    bool
}

// newCopies begins to publish the messages of a call; end must be called.
func newCopies(ctx context.Context, method string, queue mq.MQ, call uint64) *copies {
	if queue == nil {
		return nil
	}
	c := &copies{method: method, queue: queue, call: call}
	c.changed = sync.NewCond(&c.mu)
	go c.publish(context.WithoutCancel(ctx))
	return c
}

// add copies a message, unless too many wait already.
func (c *copies) add(from mq.Side, payload []byte) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[from]++
	if c.over || len(c.waiting) == maxCopies || c.bytes+len(payload) > maxCopied {
		return
	}
	c.bytes += len(payload)
	c.waiting = append(c.waiting, mq.Message{
		Call: c.call, Method: c.method, From: from, Sequence: c.counts[from], Payload: append([]byte(nil), payload...),
	})
	c.changed.Signal()
}

// end says that no message follows; those that wait are published still.
func (c *copies) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.changed.Signal()
}

func (c *copies) publish(ctx context.Context) {
	for {
		message, more := c.next()
		if !more {
			return
		}
		if err := c.queue.Publish(ctx, message); err != nil {
			c.end()
			return
		}
	}
}

// next waits for a message; there is none after the last.
func (c *copies) next() (message mq.Message, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiting) == 0 && !c.over {
		c.changed.Wait()
	}
	if len(c.waiting) == 0 {
		return mq.Message{}, false
	}
	message = c.waiting[0]
	c.waiting = c.waiting[1:]
	c.bytes -= len(message.Payload)
	return message, true
}
