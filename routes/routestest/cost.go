package routestest

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Linear fails when a text that is eight times as long costs act far more than eight times as
// much. It counts the processor time of the test's own thread, so that a busy machine does
// not add to it; four times as much again is what a sort, a map or the collector may add.
//
// One such step up can be a step of the machine's: from memory that is at hand to memory that the
// system has to give, say. So the next one is looked at, too, and a cost that grows with the square
// of the length fails both.
func Linear(t *testing.T, name string, text func(n int) string, act func(string)) {
	t.Helper()
	const short, factor, allowance = 1 << 13, 8, 4
	steep := func(n int) (string, bool) {
		a, b := text(n), text(n*factor)
		few := max(cost(func() { act(a) }), 20*time.Microsecond) // less is noise
		many := cost(func() { act(b) })
		return fmt.Sprintf("%d bytes cost %s, %d bytes %s", len(a), few, len(b), many), many > allowance*factor*few
	}
	first, isSteep := steep(short)
	if !isSteep {
		return
	}
	if second, isSteep := steep(short * factor); isSteep {
		t.Errorf("%s: %s; %s", name, first, second)
	}
}

// Repeated makes texts of a piece.
func Repeated(piece string) func(n int) string {
	return func(n int) string { return strings.Repeat(piece, n/len(piece)+1) }
}

// Pieces are texts that are awkward for parsers when they are repeated.
func Pieces() []string {
	return []string{
		`{"a":`, `{"a":{`, `[`, `[[`, `{`, `{{`, `"`, `"\u0000`, `"a":"b",`, "\"\n", "`", "`\n", `/`, "/[", "/\n", "\xff", "é", "a ", "a.", "a=b ", "a=", "=", ",", "x,",
		`<`, `< `, "<a", `a:`, `a:b:`, "-", "->", "1", "1e", "1.", ".-", `\`, `"\`, `//`, "//\n", "*", `${`, `$${a}`, `"${`, "(((", "\x00", "\"\\\n", `;`, "\n", "a:\n", " ", "a(",
	}
}

// cost is the processor time of an act, the least of three.
func cost(act func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	least := time.Hour
	for range 3 {
		before := ownTime()
		act()
		least = min(least, ownTime()-before)
	}
	return least
}

// ownTime is what the calling thread has used of a processor.
func ownTime() time.Duration {
	const threadClock = 3 // CLOCK_THREAD_CPUTIME_ID; getrusage counts in ticks
	var now syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		panic(errno)
	}
	return time.Duration(now.Nano())
}
