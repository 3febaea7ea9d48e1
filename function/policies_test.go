package function

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func outcomes(t *testing.T, text string) Outcomes {
	t.Helper()
	o, err := parseOutcomes(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPolicies_AreReadFromAnnotationsAndLabels(t *testing.T) {
	replay := Replay{Budget: 0.2, MaxBody: 256 << 20}
	for name, tc := range map[string]struct {
		text string
		want Policies
	}{
		"retry": {"attempts=3 on=connect,502,503 backoff=50ms max_backoff=2s methods=get,POST budget=50% body=10Mi",
			Policies{Retry: RetryPolicy{Attempts: 3, On: outcomes(t, "502,connect,503"), Backoff: 50 * time.Millisecond, MaxBackoff: 2 * time.Second,
				Replay: Replay{Methods: "GET,POST", Budget: 0.5, MaxBody: 10 << 20}}}},
		"tryTimeout": {"250ms", Policies{TryTimeout: 250 * time.Millisecond}},
		"hedge":      {"after=20ms", Policies{Hedge: HedgePolicy{After: 20 * time.Millisecond, Replay: replay}}},
		"breaker": {"failures=5 open=3s",
			Policies{Breaker: BreakerPolicy{Failures: 5, Calls: 20, Window: 10 * time.Second, Open: 3 * time.Second, Trials: 1, On: outcomes(t, "connect,timeout,5xx")}}},
		"fault": {"delay=1s delay_share=10% abort=503 abort_share=0.05",
			Policies{Fault: FaultPolicy{Delay: time.Second, DelayShare: 0.1, Abort: 503, AbortShare: 0.05}}},
		"logCalls": {"headers=user-agent,x-tenant redact=tenant", Policies{Log: LogPolicy{Level: "info", Headers: "User-Agent,X-Tenant", Redact: "tenant"}}},
		"progress": {"", Policies{Progress: ProgressPolicy{Every: 5 * time.Second, From: 1 << 20}}},
	} {
		spec := Spec{Annotations: map[string]string{PolicyPrefix + name: tc.text}, Labels: map[string]string{PolicyPrefix + name: "off"}}
		got, err := spec.With(nil).CallPolicy()
		if err != nil || got.Policies == nil {
			t.Errorf("%s: %q: %v, %v", name, tc.text, got.Policies, err)
			continue
		}
		got.Policies.said = 0
		if *got.Policies != tc.want {
			t.Errorf("%s: %q\n got %+v\nwant %+v", name, tc.text, *got.Policies, tc.want)
		}
		if got, err := (Spec{Labels: map[string]string{PolicyPrefix + name: tc.text}}).With(nil).CallPolicy(); err != nil || got.Policies == nil {
			t.Errorf("%s as a label: %v, %v", name, got.Policies, err)
		}
	}
	if got, err := (Spec{Labels: map[string]string{"other": "x"}}).With(nil).CallPolicy(); err != nil || got.Policies != nil {
		t.Errorf("nothing asked for: got %+v, %v", got.Policies, err)
	}
}

func TestPolicies_RefuseWhatTheyCannotUnderstand(t *testing.T) {
	for _, tc := range []struct{ name, text, says string }{
		{"retri", "", "want one of retry, tryTimeout"},
		{"retry", "3", "3: want key=value"},
		{"retry", "attempts=1", "from 2 to 10"},
		{"retry", "attempts=3 attempts=3", "given twice"},
		{"retry", "tries=3", "tries: there is no such option"},
		{"retry", "on=connect,600", "600"},
		{"retry", "on=200", "200"},
		{"retry", "on=", "want key=value"},
		{"retry", "methods=G@T", "no method"},
		{"retry", "budget=120%", "share"},
		{"retry", "budget=NaN", "share"},
		{"retry", "body=0", "amount"},
		{"retry", "backoff=-1s", "duration"},
		{"tryTimeout", "", "duration"},
		{"tryTimeout", "soon", "something like 2s, or off"},
		{"hedge", "", "after is missing"},
		{"breaker", "open=1s", "neither failures nor rate"},
		{"fault", "delay_share=1", "neither delay nor abort"},
		{"fault", "abort=200", "from 400 to 599"},
		{"logCalls", "level=loud", "debug, info or warn"},
		{"progress", "every=0", "duration"},
	} {
		key := PolicyPrefix + tc.name
		err := Spec{Name: "f", Namespace: "n", Image: "i", Annotations: map[string]string{key: tc.text}}.Validate()
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s %q: got %v, want an ErrInvalid that names it and says %q", tc.name, tc.text, err, tc.says)
		}
	}
}

func TestOutcomes_KnowTheirStatuses(t *testing.T) {
	o := outcomes(t, "404,5xx")
	for code, want := range map[int]bool{0: false, 99: false, 200: false, 403: false, 404: true, 499: false, 500: true, 599: true, 600: false, 611: false, 612: false, 999: false} {
		if o.Status(code) != want {
			t.Errorf("%d: got %t", code, !want)
		}
	}
}

func TestPolicies_OfTheLastHandReplaceThoseBefore(t *testing.T) {
	read := func(pairs ...string) *Policies {
		var p Policies
		for i := 0; i < len(pairs); i += 2 {
			if err := p.Set(pairs[i], pairs[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		return &p
	}
	own := read("retry", "attempts=3", "hedge", "after=1s", "tryTimeout", "1s")
	ctx := WithPolicies(t.Context(), read("retry", "off", "tryTimeout", "3s"))
	ctx = WithPolicies(ctx, read("tryTimeout", "2s"))
	got := own.With(*PoliciesFrom(ctx))
	if got.Retry.Attempts != 0 || got.Hedge.After != time.Second || got.TryTimeout != 2*time.Second {
		t.Errorf("got %+v", got)
	}
	if PoliciesFrom(context.Background()) != nil {
		t.Error("an untouched context has policies")
	}
}
