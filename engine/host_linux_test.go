package engine

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"testing"
	"time"
)

func TestHostSwap_IsWhatLinuxSays(t *testing.T) {
	t.Parallel()
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	swap, err := hostSwap()
	if err != nil || !swap.Known || swap.Free < 0 || swap.Free > swap.Total {
		t.Errorf("got %+v, %v", swap, err)
	}
	if want := regexp.MustCompile(fmt.Sprintf(`(?m)^SwapTotal: +%d kB$`, swap.Total>>10)); !want.Match(meminfo) {
		t.Errorf("got %+v, want what is in\n%s", swap, meminfo)
	}
}

// A processor that does nothing but this test is busy, and no host is busier than all of it.
func TestHostProcessors_AreWhatLinuxSays(t *testing.T) {
	t.Parallel()
	before := hostProcessors()
	if before.Idle == 0 || before.Total <= before.Idle {
		t.Fatalf("got %+v", before)
	}
	for began := time.Now(); time.Since(began) < time.Second; {
	}
	now := hostProcessors()
	alone := 1 / float64(runtime.NumCPU())
	if busy := now.Busy(before); busy < alone/2 || busy > 1 {
		t.Errorf("busy %g while one of %d processors was used: %+v, %+v", busy, runtime.NumCPU(), before, now)
	}
}
