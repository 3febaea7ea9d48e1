package queue

import (
	"net/http"
	"testing"
	"time"
)

func TestRetries_SayWhatBecomesOfACall(t *testing.T) {
	now := time.Date(2026, 11, 29, 16, 0, 0, 0, time.UTC)
	plain := DefaultRetries()
	plain.Jitter = NoJitter
	half, full := plain, plain
	half.Jitter, full.Jitter = EqualJitter, FullJitter
	for _, tc := range []struct {
		name    string
		retries Retries
		tries   int
		outcome Outcome
		chance  float64
		want    State
		after   time.Duration
	}{
		{"answered", plain, 1, Outcome{Status: 200}, 0, Done, 0},
		{"answered without a body", plain, 1, Outcome{Status: 204}, 0, Done, 0},
		{"sent elsewhere", plain, 1, Outcome{Status: 302}, 0, Done, 0},
		{"refused for good", plain, 1, Outcome{Status: 400}, 0, Dead, 0},
		{"not found by the function", plain, 1, Outcome{Status: 404}, 0, Dead, 0},
		{"failed", plain, 1, Outcome{Status: 500}, 0, Ready, 10 * time.Second},
		{"failed twice", plain, 2, Outcome{Status: 500}, 0, Ready, 20 * time.Second},
		{"failed four times", plain, 4, Outcome{Status: 502}, 0, Ready, 80 * time.Second},
		{"failed five times", plain, 5, Outcome{Status: 502}, 0, Ready, 2 * time.Minute},
		{"failed ten times", plain, 10, Outcome{Status: 504}, 0, Ready, 2 * time.Minute},
		{"failed once too often", plain, 11, Outcome{Status: 504}, 0, Dead, 0},
		{"not answered", plain, 1, Outcome{}, 0, Ready, 10 * time.Second},
		{"ours, no replica", plain, 1, Outcome{Status: 503, IsOurs: true}, 0, Ready, 10 * time.Second},
		{"ours, with a status of its own", plain, 1, Outcome{Status: 508, IsOurs: true}, 0, Ready, 10 * time.Second},
		{"ours, busy", plain, 1, Outcome{Status: 429, IsOurs: true}, 0, Ready, 10 * time.Second},
		{"ours, too large", plain, 1, Outcome{Status: 413, IsOurs: true}, 0, Dead, 0},
		{"ours, not allowed", plain, 1, Outcome{Status: 400, IsOurs: true}, 0, Dead, 0},
		{"any status", Retries{AllCodes: true, Attempts: 1, MinWait: time.Second}, 1, Outcome{Status: 404}, 0, Ready, time.Second},
		{"any status, and a success", Retries{AllCodes: true, Attempts: 1}, 1, Outcome{Status: 299}, 0, Done, 0},
		{"ours, and a success", plain, 1, Outcome{Status: 200, IsOurs: true}, 0, Ready, 10 * time.Second},
		{"deleted", plain, 1, Outcome{Status: 404, IsOurs: true, IsFinal: true}, 0, Dead, 0},
		{"without repeats", Retries{}, 1, Outcome{Status: 500}, 0, Dead, 0},
		{"without repeats, not answered", Retries{}, 1, Outcome{}, 0, Dead, 0},
		{"a code of its own", Retries{Attempts: 1, Codes: []int{202}, MinWait: time.Second}, 1, Outcome{Status: 202}, 0, Ready, time.Second},
		{"half a pause at least", half, 1, Outcome{Status: 500}, 0, Ready, 5 * time.Second},
		{"half a pause and half of the other", half, 1, Outcome{Status: 500}, 0.5, Ready, 7500 * time.Millisecond},
		{"no pause by chance", full, 1, Outcome{Status: 500}, 0, Ready, 0},
		{"a quarter of a pause", full, 2, Outcome{Status: 500}, 0.25, Ready, 5 * time.Second},
		{"asked for more", plain, 1, Outcome{Status: 429, RetryAfter: "60"}, 0, Ready, time.Minute},
		{"asked for less", plain, 1, Outcome{Status: 503, RetryAfter: "1"}, 0, Ready, 10 * time.Second},
		{"asked for nothing", plain, 1, Outcome{Status: 503, RetryAfter: "0"}, 0, Ready, 10 * time.Second},
		{"asked for years", plain, 1, Outcome{Status: 503, RetryAfter: "99999999"}, 0, Ready, 24 * time.Hour},
		{"asked for a date", plain, 1, Outcome{Status: 429, RetryAfter: now.Add(time.Hour).Format(http.TimeFormat)}, 0, Ready, time.Hour},
		{"asked for a date that is past", plain, 1, Outcome{Status: 429, RetryAfter: now.Add(-time.Hour).Format(http.TimeFormat)}, 0, Ready, 10 * time.Second},
		{"asked for nonsense", plain, 3, Outcome{Status: 429, RetryAfter: "soon"}, 0, Ready, 40 * time.Second},
		{"asked with another status", plain, 1, Outcome{Status: 500, RetryAfter: "60"}, 0, Ready, 10 * time.Second},
		{"no longest pause", Retries{Attempts: 99, MinWait: time.Minute}, 1, Outcome{}, 0, Ready, time.Minute},
		{"more doublings than a number has", Retries{Attempts: 99, MinWait: time.Hour, MaxWait: 48 * time.Hour}, 90, Outcome{}, 0, Ready, 48 * time.Hour},
	} {
		state, at := tc.retries.Next(tc.tries, tc.outcome, now, tc.chance)
		if state != tc.want || at.Sub(now) != tc.after {
			t.Errorf("%s: got %s after %s, want %s after %s", tc.name, state, at.Sub(now), tc.want, tc.after)
		}
	}
}
