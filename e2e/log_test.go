package e2e

import (
	"strings"
	"testing"
)

// A failure shows whose lines are whose in the log of a provider that tests share.
func TestLogBuffer_ExplainsWhoseLinesAreWhose(t *testing.T) {
	t.Parallel()
	var b logBuffer
	b.belongs("abc", "TestOurs")
	b.belongs("xyz", "TestTheirs")
	_, _ = b.Write([]byte("replica started function=echo-abc-1\n"))
	before := b.len()
	_, _ = b.Write([]byte("replica started function=echo-abc-2\nengine does not answer\nreplica started function=echo-xyz-3\nreplica ended function=echo-xyz-3\n"))
	want := "replica started function=echo-abc-2\nengine does not answer\nleft out: 2 lines about functions of TestTheirs, which ran beside\n"
	if got := b.explain(before, "TestOurs"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	t.Run("part", func(t *testing.T) {
		if rootOf(t) != "TestLogBuffer_ExplainsWhoseLinesAreWhose" || strings.Contains(tokenOf(t), "/") {
			t.Errorf("part of %s, with the token %s", rootOf(t), tokenOf(t))
		}
	})
}
