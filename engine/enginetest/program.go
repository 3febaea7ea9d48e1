package enginetest

import (
	"os"
	"syscall"
	"testing"
)

// WriteProgram writes a program that the test is going to run. While it is open for writing no
// other goroutine may start a process: that would inherit the open file for a moment, in which the
// kernel runs the program for nobody ("text file busy").
func WriteProgram(t testing.TB, path string, content []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, content, 0o700); err != nil {
		t.Fatal(err)
	}
}
