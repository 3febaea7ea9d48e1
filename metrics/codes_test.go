package metrics

import (
	"strings"
	"testing"
	"time"
)

func TestCodeLabel_KeepsWhatHTTPKnows(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		100: "100", 101: "101", 103: "103", 200: "200", 206: "206", 226: "226", 301: "301", 404: "404", 418: "418", 429: "429", 451: "451",
		499: "499", 500: "500", 502: "502", 511: "511",
		104: "1xx", 209: "2xx", 299: "2xx", 306: "3xx", 399: "3xx", 420: "4xx", 444: "4xx", 498: "4xx", 509: "5xx", 520: "5xx", 599: "5xx",
		600: "other", 999: "other", 99: "other", 0: "other", -1: "other",
	} {
		if got := codeLabel(code); got != want {
			t.Errorf("%d: got %q, want %q", code, got, want)
		}
	}
}

func TestFinished_InventedCodesMakeFewSeries(t *testing.T) {
	t.Parallel()
	m := New(Sources{})
	calls := 0
	for code := 100; code < 1000; code++ {
		m.Started(figlet())
		m.Finished(figlet(), code, time.Millisecond)
		calls++
	}
	lines, counted := 0, 0
	for line := range strings.Lines(scrape(t, m)) {
		if strings.Contains(line, `"figlet.openfaas-fn"`) {
			lines++
		}
		if strings.HasPrefix(line, "gateway_function_invocation_total") {
			counted++
		}
	}
	// Some sixty statuses that HTTP knows, and six classes.
	if counted > 70 || lines > 70*16 {
		t.Errorf("%d calls with as many codes made %d counters and %d lines", calls, counted, lines)
	}
}
