package function

import (
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What an option that is left out means.
const (
	standardBudget     = 0.2
	standardReplayBody = 256 << 20
	standardBackoff    = 25 * time.Millisecond
	standardMaxBackoff = time.Second
	standardOutcomes   = "connect,timeout,502,503,504"
	standardFailures   = "connect,timeout,5xx"
)

// policyOff is the text that asks for no policy.
const policyOff = "off"

// policyText is how one policy is written.
type policyText struct {
	name, example string
	// read reads the text into the policies, over the zero value.
	read func(*Policies, string) error
	// copy takes this one policy over.
	copy func(to, from *Policies)
}

// policyTexts are all policies. Their places are the bits of a policySet.
func policyTexts() []policyText {
	return []policyText{
		{PolicyRetry, "attempts=3 on=connect,503 backoff=50ms",
			func(p *Policies, text string) error { return p.Retry.read(text) },
			func(to, from *Policies) { to.Retry = from.Retry }},
		{PolicyTryTimeout, "2s",
			func(p *Policies, text string) error { return setDuration(&p.TryTimeout, text) },
			func(to, from *Policies) { to.TryTimeout = from.TryTimeout }},
		{PolicyHedge, "after=200ms",
			func(p *Policies, text string) error { return p.Hedge.read(text) },
			func(to, from *Policies) { to.Hedge = from.Hedge }},
		{PolicyBreaker, "failures=5 open=10s",
			func(p *Policies, text string) error { return p.Breaker.read(text) },
			func(to, from *Policies) { to.Breaker = from.Breaker }},
		{PolicyFault, "delay=200ms delay_share=10% abort=503 abort_share=5%",
			func(p *Policies, text string) error { return p.Fault.read(text) },
			func(to, from *Policies) { to.Fault = from.Fault }},
		{PolicyLog, "level=info headers=User-Agent",
			func(p *Policies, text string) error { return p.Log.read(text) },
			func(to, from *Policies) { to.Log = from.Log }},
		{PolicyProgress, "every=5s from=1Mi",
			func(p *Policies, text string) error { return p.Progress.read(text) },
			func(to, from *Policies) { to.Progress = from.Progress }},
	}
}

// PolicyNames are the names that Set knows.
func PolicyNames() []string {
	var names []string
	for _, known := range policyTexts() {
		names = append(names, known.name)
	}
	return names
}

// PolicyExample is a text that Set reads for a policy; empty for an unknown one.
func PolicyExample(name string) string {
	for _, known := range policyTexts() {
		if known.name == name {
			return known.example
		}
	}
	return ""
}

// Set reads one policy: the text is "key=value key=value", a duration for
// tryTimeout, or "off". The error says what is wrong with it, for its writer.
func (p *Policies) Set(name, text string) error {
	known := policyTexts()
	i := slices.IndexFunc(known, func(t policyText) bool { return t.name == name })
	if i < 0 {
		return fmt.Errorf("no policy is called %s: want one of %s", name, strings.Join(PolicyNames(), ", "))
	}
	read := Policies{}
	if text = strings.TrimSpace(text); text != policyOff {
		if err := known[i].read(&read, text); err != nil {
			return fmt.Errorf("%w: want something like %s, or off", err, known[i].example)
		}
	}
	known[i].copy(p, &read)
	p.said |= 1 << i
	return nil
}

// readOptions hands each key=value of a text to set.
func readOptions(text string, set func(key, value string) error) error {
	seen := map[string]bool{}
	for option := range strings.FieldsSeq(text) {
		key, value, found := strings.Cut(option, "=")
		if !found || value == "" {
			return fmt.Errorf("%s is no key=value", option)
		}
		if seen[key] {
			return fmt.Errorf("%s is said twice", key)
		}
		seen[key] = true
		if err := set(key, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func (r *RetryPolicy) read(text string) error {
	*r = RetryPolicy{Attempts: 2, Backoff: standardBackoff, MaxBackoff: standardMaxBackoff, Replay: standardReplay()}
	_ = r.On.set(standardOutcomes)
	return readOptions(text, func(key, value string) error {
		switch key {
		case "attempts":
			return setCount(&r.Attempts, value, 2, 10)
		case "on":
			return r.On.set(value)
		case "backoff":
			return setDuration(&r.Backoff, value)
		case "max_backoff":
			return setDuration(&r.MaxBackoff, value)
		}
		return r.Replay.set(key, value)
	})
}

func (h *HedgePolicy) read(text string) error {
	*h = HedgePolicy{Replay: standardReplay()}
	err := readOptions(text, func(key, value string) error {
		if key == "after" {
			return setDuration(&h.After, value)
		}
		return h.Replay.set(key, value)
	})
	if err == nil && h.After == 0 {
		err = errors.New("after is missing")
	}
	return err
}

func standardReplay() Replay { return Replay{Budget: standardBudget, MaxBody: standardReplayBody} }

// set reads an option that retry and hedge share.
func (r *Replay) set(key, value string) error {
	switch key {
	case "methods":
		return r.setMethods(value)
	case "budget":
		return setShare(&r.Budget, value)
	case "body":
		return setBytes(&r.MaxBody, value)
	}
	return errUnknownOption
}

var errUnknownOption = errors.New("there is no such option")

func (r *Replay) setMethods(value string) error {
	methods := strings.Split(strings.ToUpper(value), ",")
	if value == MethodsAny {
		r.Methods = MethodsAny
		return nil
	}
	for _, method := range methods {
		if strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || method == "" {
			return fmt.Errorf("%q is no method: want GET,PUT or any", method)
		}
	}
	r.Methods = strings.Join(methods, ",")
	return nil
}

func (b *BreakerPolicy) read(text string) error {
	*b = BreakerPolicy{Calls: 20, Window: 10 * time.Second, Open: 10 * time.Second, Trials: 1}
	_ = b.On.set(standardFailures)
	err := readOptions(text, b.set)
	if err == nil && b.Failures == 0 && b.Rate == 0 {
		err = errors.New("neither failures nor rate is given")
	}
	return err
}

func (b *BreakerPolicy) set(key, value string) error {
	switch key {
	case "failures":
		return setCount(&b.Failures, value, 1, 1000000)
	case "rate":
		return setShare(&b.Rate, value)
	case "calls":
		return setCount(&b.Calls, value, 1, 1000000)
	case "window":
		return setDuration(&b.Window, value)
	case "open":
		return setDuration(&b.Open, value)
	case "trials":
		return setCount(&b.Trials, value, 1, 1000)
	case "on":
		return b.On.set(value)
	}
	return errUnknownOption
}

func (f *FaultPolicy) read(text string) error {
	*f = FaultPolicy{DelayShare: 1, AbortShare: 1}
	err := readOptions(text, func(key, value string) error {
		switch key {
		case "delay":
			return setDuration(&f.Delay, value)
		case "delay_share":
			return setShare(&f.DelayShare, value)
		case "abort":
			return setCount(&f.Abort, value, 400, 599)
		case "abort_share":
			return setShare(&f.AbortShare, value)
		}
		return errUnknownOption
	})
	if err == nil && f.Delay == 0 && f.Abort == 0 {
		err = errors.New("neither delay nor abort is given")
	}
	return err
}

func (l *LogPolicy) read(text string) error {
	*l = LogPolicy{Level: "info"}
	return readOptions(text, func(key, value string) error {
		switch key {
		case "level":
			if !slices.Contains([]string{"debug", "info", "warn"}, value) {
				return fmt.Errorf("%q: want debug, info or warn", value)
			}
			l.Level = value
		case "headers":
			return setHeaders(&l.Headers, value)
		case "redact":
			l.Redact = value
		default:
			return errUnknownOption
		}
		return nil
	})
}

func setHeaders(headers *string, value string) error {
	names := strings.Split(value, ",")
	for i, name := range names {
		names[i] = textproto.CanonicalMIMEHeaderKey(name)
	}
	*headers = strings.Join(names, ",")
	return nil
}

func (p *ProgressPolicy) read(text string) error {
	*p = ProgressPolicy{Every: 5 * time.Second, From: 1 << 20}
	return readOptions(text, func(key, value string) error {
		switch key {
		case "every":
			return setDuration(&p.Every, value)
		case "from":
			return setBytes(&p.From, value)
		}
		return errUnknownOption
	})
}

// set reads "connect,timeout,503,5xx".
func (o *Outcomes) set(text string) error {
	*o = Outcomes{}
	for word := range strings.SplitSeq(text, ",") {
		if err := o.setWord(word); err != nil {
			return err
		}
	}
	return nil
}

func (o *Outcomes) setWord(word string) error {
	code, err := strconv.Atoi(word)
	switch {
	case word == "connect":
		o.Connect = true
	case word == "refused":
		o.Refused = true
	case word == "timeout":
		o.Timeout = true
	case word == "4xx":
		o.add(400, 499)
	case word == "5xx":
		o.add(500, 599)
	case err == nil && code >= 400 && code <= 599:
		o.add(code, code)
	default:
		return fmt.Errorf("%q is no outcome: want connect, refused, timeout, a status from 400 to 599, 4xx or 5xx", word)
	}
	return nil
}

func setDuration(d *time.Duration, text string) error {
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed <= 0 || parsed > 24*time.Hour {
		return fmt.Errorf("%q: want a duration such as 200ms or 5s", text)
	}
	*d = parsed
	return nil
}

func setCount(n *int, text string, from, to int) error {
	parsed, err := strconv.Atoi(text)
	if err != nil || parsed < from || parsed > to {
		return fmt.Errorf("%q: want a whole number from %d to %d", text, from, to)
	}
	*n = parsed
	return nil
}

// setShare reads "20%", or "0.2" as predicates of routes write it.
func setShare(share *float64, text string) error {
	digits, percent := strings.CutSuffix(text, "%")
	parsed, err := strconv.ParseFloat(digits, 64)
	if percent {
		parsed /= 100
	}
	if err != nil || !(parsed > 0 && parsed <= 1) {
		return fmt.Errorf("%q: want a share such as 20%% or 0.2", text)
	}
	*share = parsed
	return nil
}

func setBytes(n *int64, text string) error {
	parsed, err := ParseMemory(text)
	if err != nil || parsed <= 0 {
		return fmt.Errorf("%q: want an amount such as 512Ki or 10Mi", text)
	}
	*n = parsed
	return nil
}
