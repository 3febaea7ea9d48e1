package engine

import (
	"fmt"
	"os"
	"regexp"
	"testing"
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
