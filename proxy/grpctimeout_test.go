package proxy

import (
	"testing"
	"time"
)

func TestGRPCTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1S": time.Second, "250m": 250 * time.Millisecond, "99999999u": 99999999 * time.Microsecond,
		"2M": 2 * time.Minute, "1H": time.Hour, "5n": 5,
		"": -1, "S": -1, "1": -1, "1s": -1, "-1S": -1, "1.5S": -1, "999999999S": -1, "99999999H": -1,
	} {
		got, ok := grpcTimeout(text)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("grpcTimeout(%q) = %v, %t; want %v", text, got, ok, want)
		}
	}
}
