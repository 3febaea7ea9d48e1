//go:build !race

package front

import (
	"io"
	"net/http"
	"testing"
)

// The race detector has pools lose what they are given.

// TestServer_AnswersPlainRequestsWithoutAllocating counts what requests cost whose memory is
// used again: the text of their heads, which others may hold on to.
func TestServer_AnswersPlainRequestsWithoutAllocating(t *testing.T) {
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		reuse(w, r)
	})
	c, answer := dial(t, address), make([]byte, 256)
	allocated := testing.AllocsPerRun(2000, func() {
		_, _ = io.WriteString(c.TCPConn, get)
		if _, err := c.TCPConn.Read(answer); err != nil {
			t.Error(err)
		}
	})
	// One for the head, and one for the client of this test.
	if allocated > 2 {
		t.Errorf("%v allocations for a request", allocated)
	}
}
