package scale

import "time"

// Rest says when something that is not called is at rest. All three are counted
// from the last call. The zero Rest is never at rest.
type Rest struct {
	// After is when it goes to rest; zero means never.
	After time.Duration
	// Wake is when it is awake again, ahead of the next call; zero means not
	// before that call.
	Wake time.Duration
	// Until is when it rests again if the call did not come.
	Until time.Duration
}

// Resting reports whether it is at rest when the last call was idle ago.
func (r Rest) Resting(idle time.Duration) bool {
	return r.After > 0 && idle >= r.After && !r.Ahead(idle)
}

// Ahead reports whether it is awake, or should be, ahead of the next call.
func (r Rest) Ahead(idle time.Duration) bool {
	return r.Wake > 0 && idle >= r.Wake && idle < r.Until
}

// Next returns when, counted from the last call, the answers change next
// without a call; zero means never.
func (r Rest) Next(idle time.Duration) time.Duration {
	if r.After <= 0 {
		return 0
	}
	for _, change := range []time.Duration{r.After, r.Wake, r.Until} {
		if change > idle {
			return change
		}
	}
	return 0
}

// Earlier returns the earlier of two moments; the zero time is none.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// brief writes a duration as a person does: "5m" and not "5m0s".
func brief(d time.Duration) string {
	text := d.String()
	for _, tail := range []string{"m0s", "h0m"} {
		if n := len(text) - len(tail); n >= 0 && text[n:] == tail {
			text = text[:n+1]
		}
	}
	return text
}
