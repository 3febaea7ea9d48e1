package disk

import "time"

// clock tells the time by which calls are due. It never goes back: not when the time of day does, and not from
// one process to the next, because it begins with the youngest call. The first process to meet a time of day that
// was put back goes on as if it had not been.
type clock struct{ began, at time.Time }

func (c clock) now() time.Time { return c.at.Add(time.Since(c.began)) }

// read is a time of day as this clock shows it; one that has passed is now.
func (c clock) read(t time.Time) time.Time { return c.now().Add(max(0, time.Until(t))) }

// show is the time of day at which this clock shows a time.
func (c clock) show(t time.Time) time.Time { return time.Now().Add(t.Sub(c.now())) }
