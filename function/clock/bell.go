package clock

// Bell remembers one ring until it is received. Make it with NewBell.
type Bell chan struct{}

// NewBell returns a bell that has not rung.
func NewBell() Bell { return make(Bell, 1) }

// Ring rings the bell, and returns at once. Many rings that were not received are one.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
