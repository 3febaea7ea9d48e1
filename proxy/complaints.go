package proxy

import (
	"sync"
	"time"
)

// complaintTime is the time between two lines of the log about the same trouble.
const complaintTime = 10 * time.Second

// complaints keeps trouble that every call has from filling the log. The zero value is ready
// for use.
type complaints struct {
	mu   sync.Mutex
	last time.Time
}

// may reports whether it is time for another line.
func (c *complaints) may() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last.IsZero() && time.Since(c.last) < complaintTime {
		return false
	}
	c.last = time.Now()
	return true
}
