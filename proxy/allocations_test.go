//go:build !race

package proxy

import "testing"

// TestHandler_AllocatesOnlyWhatMayOutliveACall: the texts of both heads, which others may hold
// on to, the call's number and time, and the header of the answer. The race detector has
// pools lose what they are given.
func TestHandler_AllocatesOnlyWhatMayOutliveACall(t *testing.T) {
	h := newHandler(t)
	deploy(t, h, "figlet", rawFunction(t, benchFunction))
	const most = 3
	if allocated := testing.AllocsPerRun(2000, benchClient(t, serveFront(t, h))); allocated > most {
		t.Errorf("%v allocations for an invocation, want %d at most", allocated, most)
	}
}
