package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseStat_FindsTheParentAndTheTimesWhateverTheName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, line string
		pid        int
		want       usage
		fails      bool
	}{
		{"plain", "42 (nginx) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 5 4096 300", 42, usage{7, 200, 300}, false},
		{"name with spaces and parentheses", "42 (a) R 1) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 5 4096 300", 42, usage{7, 200, 300}, false},
		{"cut short", "42 (nginx) S 7 42", 0, usage{}, true},
		{"no number", "x (nginx) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 5 4096 300", 0, usage{}, true},
		{"empty", "", 0, usage{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pid, got, err := parseStat(test.line)
			if pid != test.pid || got != test.want || (err != nil) != test.fails {
				t.Errorf("got %d, %+v, %v, want %d, %+v, failure %t", pid, got, err, test.pid, test.want, test.fails)
			}
		})
	}
}

func TestSum_AddsChildrenAndTheirs(t *testing.T) {
	t.Parallel()
	all := map[int]usage{1: {0, 1000, 1000}, 10: {1, 1, 2}, 11: {10, 2, 4}, 12: {11, 4, 8}, 20: {1, 8, 16}}
	if got, want := sum(all, 10), (usage{1, 7, 14}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDecodeSample_ReadsTheLastLine(t *testing.T) {
	t.Parallel()
	got, err := decodeSample([]byte("Running 2s test\n" + `{"requests":3000,"microseconds":2000000,"p50":61,"p99":90,"errors":0}` + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	got.processor = 30 * time.Millisecond
	if got.rate() != 1500 || got.cost() != 10 || got.median() != 61 {
		t.Errorf("got %v requests/s, %v µs each, median %v, want 1500, 10, 61", got.rate(), got.cost(), got.median())
	}
}

func TestDecodeH2load_ReadsWhatItPrints(t *testing.T) {
	t.Parallel()
	got, err := decodeH2load([]byte("starting benchmark...\n\nfinished in 2.00s, 12345.50 req/s, 1.23MB/s\n" +
		"requests: 24691 total, 24755 started, 24691 done, 24690 succeeded, 1 failed, 0 errored, 0 timeout\n"))
	if want := (sample{Requests: 24691, Microseconds: 2e6, Errors: 1}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := decodeH2load([]byte("h2load: unknown option\n")); err == nil {
		t.Errorf("of a complaint: got %+v, want an error", got)
	}
}

func TestDecodeSample_RefusesWhatComparesNothing(t *testing.T) {
	t.Parallel()
	for _, printed := range []string{
		"", "unable to connect\n",
		`{"requests":0,"microseconds":2000000}`,
		`{"requests":500,"microseconds":2000000,"errors":500}`,
	} {
		if got, err := decodeSample([]byte(printed)); err == nil {
			t.Errorf("%q: got %+v, want an error", printed, got)
		}
	}
}

func TestResults_CompareWithinEachRound(t *testing.T) {
	t.Parallel()
	r := results{}
	// The machine is twice as slow in the second round and three times in the third.
	for _, slower := range []float64{1, 2, 3} {
		second := int64(1e6 * slower)
		r.add(cell{"x", 1, direct}, sample{Requests: 1200, Microseconds: second, P50: 60 * slower})
		r.add(cell{"x", 1, nginx}, sample{Requests: 600, Microseconds: second, P50: 100 * slower, processor: time.Duration(6000*slower) * time.Microsecond})
		r.add(cell{"x", 1, ours}, sample{Requests: 300, Microseconds: second, P50: 120 * slower, processor: time.Duration(6000*slower) * time.Microsecond})
	}
	own := cell{"x", 1, ours}
	for _, test := range []struct {
		name      string
		got, want float64
	}{
		{"rate ÷ nginx", r.ratio(own, nginx, sample.rate), 0.5},
		{"rate ÷ direct", r.ratio(own, direct, sample.rate), 0.25},
		{"cost ÷ nginx", r.ratio(own, nginx, sample.cost), 2},
		{"added", r.added(own), 120},
		{"added ÷ nginx", r.addedRatio(own), 1.5},
		{"rate", r.median(own, sample.rate), 150},
		{"of what was not measured", r.ratio(own, stock, sample.rate), 0},
	} {
		if diff := test.got - test.want; diff > 1e-9 || diff < -1e-9 {
			t.Errorf("%s: got %v, want %v", test.name, test.got, test.want)
		}
	}
}

func TestMark_SaysWhetherItIsMet(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mark mark
		want bool
	}{
		{mark{got: 0.6, limit: 0.6, atLeast: true}, true},
		{mark{got: 0.59, limit: 0.6, atLeast: true}, false},
		{mark{got: 2.1, limit: 2.1}, true},
		{mark{got: 2.2, limit: 2.1}, false},
		{mark{got: 0, limit: 2.1}, false},
	} {
		if got := test.mark.isMet(); got != test.want {
			t.Errorf("%v, %s: got %t, want %t", test.mark.got, test.mark.wanted(), got, test.want)
		}
	}
}

func TestFigure_KeepsThreeDigits(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{0: "–", 0.1966: "0.197", 1.6: "1.60", 14.52: "14.5", 3205.4: "3205", -0.5: "-0.500"} {
		if got := figure(value); got != want {
			t.Errorf("%v: got %q, want %q", value, got, want)
		}
	}
}

func TestReport_NamesEveryMarkAndEveryTarget(t *testing.T) {
	t.Parallel()
	text := report{options: options{functions: 1000}, results: results{}, fanOuts: []fanOut{{caddy, 40, 50}}}.String()
	for _, want := range []string{
		"÷ faas-provider", "1000 functions", "gRPC unary", "httputil", "bytes allocated", crowded, free, routed9, streams, chunked,
		"p99.9 ÷ nginx, 13 B, 2000 requests/s", "| caddy | 40.0 | 50.0 |", "No call failed",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
}

func TestParseAllocations_ReadsTheBenchmarksLine(t *testing.T) {
	t.Parallel()
	got, err := parseAllocations("goos: linux\nBenchmarkHandler/sequential-2   \t   20000\t     31234 ns/op\t    2312 B/op\t      24 allocs/op\nPASS\n")
	if err != nil || got != (allocations{24, 2312}) {
		t.Errorf("got %+v, %v, want 24 allocations of 2312 bytes", got, err)
	}
	if _, err := parseAllocations("PASS\n"); err == nil {
		t.Error("no benchmark ran, and yet no error")
	}
}

func TestRotated_BeginsWithAnotherEachRound(t *testing.T) {
	t.Parallel()
	targets := []target{{name: "a"}, {name: "b"}, {name: "c"}}
	var order strings.Builder
	for round := range 4 {
		for _, t := range rotated(targets, round) {
			order.WriteString(t.name)
		}
		order.WriteByte(' ')
	}
	if got, want := order.String(), "abc bca cab abc "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRenderNginx_FillsInEveryAddress(t *testing.T) {
	t.Parallel()
	conf, err := render(nginxConf, map[string]string{"Folder": "/f", "Plain": "127.0.0.1:1", "GRPC": "127.0.0.1:2", "Hello": "10.0.0.1:8080", "RPC": "10.0.0.2:8080"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pid /f/nginx.pid;", "listen 127.0.0.1:1;", "listen 127.0.0.1:2 http2;", "server 10.0.0.1:8080;", "server 10.0.0.2:8080;"} {
		if !strings.Contains(string(conf), want) {
			t.Errorf("nginx.conf has no %q", want)
		}
	}
	if strings.Contains(string(conf), "<no value>") {
		t.Error("nginx.conf has places that nothing was filled into")
	}
}

func TestWithoutProxies_KeepsEverythingElse(t *testing.T) {
	t.Parallel()
	got := strings.Join(withoutProxies([]string{"PATH=/bin", "HTTP_PROXY=a", "https_proxy=b", "no_proxy=c", "HOME=/"}), " ")
	if want := "PATH=/bin HOME=/"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWithSection_ExchangesOneSectionAndKeepsTheOthers(t *testing.T) {
	const marks, method = "# Benchmarks\n\n## Marks\n\n1\n", "## Measured on\n\n2\n"
	added := withSection(marks, wakeHeading, wakeHeading+"\nold\n\n")
	if want := marks + "\n" + wakeHeading + "\nold\n"; added != want {
		t.Errorf("added: %q, want %q", added, want)
	}
	exchanged := withSection(added+"\n"+method, wakeHeading, wakeHeading+"\nnew\n")
	if want := marks + "\n" + wakeHeading + "\nnew\n\n" + method; exchanged != want {
		t.Errorf("exchanged: %q, want %q", exchanged, want)
	}
	if _, section, _ := splitSection(exchanged, wakeHeading); section != wakeHeading+"\nnew\n\n" {
		t.Errorf("split: %q", section)
	}
}
