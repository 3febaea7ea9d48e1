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

const (
	// longestPolicy is the longest text of one policy, in bytes.
	longestPolicy = 4096
	// policyOff is the text that asks for no policy.
	policyOff = "off"
)

// policyText is how one policy is written.
type policyText struct {
	name, example string
	// read reads the text into the policies, over the zero value.
	read func(*Policies, string) error
	// copy takes this one policy over.
	copy func(to, from *Policies)
}

// policyTexts are all policies. Their places are the bits of Policies.said.
func policyTexts() []policyText {
	return []policyText{
		textOf(PolicyRetry, "attempts=3 on=connect,503 backoff=50ms", func(p *Policies) *RetryPolicy { return &p.Retry }, readRetry),
		textOf(PolicyTryTimeout, "2s", func(p *Policies) *time.Duration { return &p.TryTimeout }, parseSpan),
		textOf(PolicyHedge, "after=200ms", func(p *Policies) *HedgePolicy { return &p.Hedge }, readHedge),
		textOf(PolicyBreaker, "failures=5 open=10s", func(p *Policies) *BreakerPolicy { return &p.Breaker }, readBreaker),
		textOf(PolicyFault, "delay=200ms delay_share=10% abort=503 abort_share=5%", func(p *Policies) *FaultPolicy { return &p.Fault }, readFault),
		textOf(PolicyLog, "level=info headers=User-Agent", func(p *Policies) *LogPolicy { return &p.Log }, readLog),
		textOf(PolicyProgress, "every=5s from=1Mi", func(p *Policies) *ProgressPolicy { return &p.Progress }, readProgress),
	}
}

func textOf[T any](name, example string, at func(*Policies) *T, read func(string) (T, error)) policyText {
	return policyText{
		name: name, example: example,
		read: func(p *Policies, text string) error { return into(at(p), read)(text) },
		copy: func(to, from *Policies) { *at(to) = *at(from) },
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
	if len(text) > longestPolicy {
		return fmt.Errorf("a text of %d bytes is too long: at most %d", len(text), longestPolicy)
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

// options are what reads the value of each key.
type options map[string]func(value string) error

// readOptions reads a text of key=value key=value.
func readOptions(text string, known options) error {
	seen := map[string]bool{}
	for option := range strings.FieldsSeq(text) {
		key, value, found := strings.Cut(option, "=")
		if !found || value == "" {
			return fmt.Errorf("%s: want key=value", option)
		}
		if seen[key] {
			return fmt.Errorf("%s is given twice: give it once", key)
		}
		seen[key] = true
		read := known[key]
		if read == nil {
			return fmt.Errorf("%s: there is no such option", key)
		}
		if err := read(value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func into[T any](target *T, parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		parsed, err := parse(text)
		if err == nil {
			*target = parsed
		}
		return err
	}
}

func readRetry(text string) (RetryPolicy, error) {
	r := RetryPolicy{Attempts: 2, Backoff: standardBackoff, MaxBackoff: standardMaxBackoff, Replay: standardReplay()}
	r.On, _ = parseOutcomes(standardOutcomes)
	known := r.Replay.options()
	known["attempts"] = into(&r.Attempts, countFrom(2, 10))
	known["on"] = into(&r.On, parseOutcomes)
	known["backoff"] = into(&r.Backoff, parseSpan)
	known["max_backoff"] = into(&r.MaxBackoff, parseSpan)
	err := readOptions(text, known)
	return r, err
}

func readHedge(text string) (HedgePolicy, error) {
	h := HedgePolicy{Replay: standardReplay()}
	known := h.Replay.options()
	known["after"] = into(&h.After, parseSpan)
	err := readOptions(text, known)
	if err == nil && h.After == 0 {
		err = errors.New("after is missing")
	}
	return h, err
}

func standardReplay() Replay { return Replay{Budget: standardBudget, MaxBody: standardReplayBody} }

// options are those that retry and hedge share.
func (r *Replay) options() options {
	return options{
		"methods": into(&r.Methods, parseMethods),
		"budget":  into(&r.Budget, parseShare),
		"body":    into(&r.MaxBody, parseBytes),
	}
}

func parseMethods(text string) (string, error) {
	if text == MethodsAny {
		return text, nil
	}
	text = strings.ToUpper(text)
	for method := range strings.SplitSeq(text, ",") {
		if method == "" || !hasOnly(method, upperLetters) {
			return "", fmt.Errorf("%q is no method: want GET,PUT or any", method)
		}
	}
	return text, nil
}

func readBreaker(text string) (BreakerPolicy, error) {
	b := BreakerPolicy{Calls: 20, Window: 10 * time.Second, Open: 10 * time.Second, Trials: 1}
	b.On, _ = parseOutcomes(standardFailures)
	err := readOptions(text, options{
		"failures": into(&b.Failures, countFrom(1, 1000000)),
		"rate":     into(&b.Rate, parseShare),
		"calls":    into(&b.Calls, countFrom(1, 1000000)),
		"window":   into(&b.Window, parseSpan),
		"open":     into(&b.Open, parseSpan),
		"trials":   into(&b.Trials, countFrom(1, 1000)),
		"on":       into(&b.On, parseOutcomes),
	})
	if err == nil && b.Failures == 0 && b.Rate == 0 {
		err = errors.New("neither failures nor rate is given")
	}
	return b, err
}

func readFault(text string) (FaultPolicy, error) {
	f := FaultPolicy{DelayShare: 1, AbortShare: 1}
	err := readOptions(text, options{
		"delay":       into(&f.Delay, parseSpan),
		"delay_share": into(&f.DelayShare, parseShare),
		"abort":       into(&f.Abort, countFrom(400, 599)),
		"abort_share": into(&f.AbortShare, parseShare),
	})
	if err == nil && f.Delay == 0 && f.Abort == 0 {
		err = errors.New("neither delay nor abort is given")
	}
	return f, err
}

func readLog(text string) (LogPolicy, error) {
	l := LogPolicy{Level: "info"}
	err := readOptions(text, options{
		"level":   into(&l.Level, parseLevel),
		"headers": into(&l.Headers, parseHeaders),
		"redact":  func(value string) error { l.Redact = value; return nil },
	})
	return l, err
}

func parseLevel(text string) (string, error) {
	if !slices.Contains([]string{"debug", "info", "warn"}, text) {
		return "", fmt.Errorf("%q: want debug, info or warn", text)
	}
	return text, nil
}

func parseHeaders(text string) (string, error) {
	names := strings.Split(text, ",")
	for i, name := range names {
		names[i] = textproto.CanonicalMIMEHeaderKey(name)
	}
	return strings.Join(names, ","), nil
}

func readProgress(text string) (ProgressPolicy, error) {
	p := ProgressPolicy{Every: 5 * time.Second, From: 1 << 20}
	err := readOptions(text, options{
		"every": into(&p.Every, parseSpan),
		"from":  into(&p.From, parseBytes),
	})
	return p, err
}

// parseOutcomes reads "connect,timeout,503,5xx".
func parseOutcomes(text string) (Outcomes, error) {
	var o Outcomes
	for word := range strings.SplitSeq(text, ",") {
		if err := o.addWord(word); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (o *Outcomes) addWord(word string) error {
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

func parseSpan(text string) (time.Duration, error) {
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed <= 0 || parsed > 24*time.Hour {
		return 0, fmt.Errorf("%q: want a duration such as 200ms or 5s", text)
	}
	return parsed, nil
}

func countFrom(least, most int) func(string) (int, error) {
	return func(text string) (int, error) {
		parsed, err := strconv.Atoi(text)
		if err != nil || parsed < least || parsed > most {
			return 0, fmt.Errorf("%q: want a whole number from %d to %d", text, least, most)
		}
		return parsed, nil
	}
}

// parseShare reads "20%", or "0.2" as predicates of routes write it.
func parseShare(text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	parsed, err := strconv.ParseFloat(digits, 64)
	if percent {
		parsed /= 100
	}
	if err != nil || !(parsed > 0 && parsed <= 1) {
		return 0, fmt.Errorf("%q: want a share such as 20%% or 0.2", text)
	}
	return parsed, nil
}

func parseBytes(text string) (int64, error) {
	parsed, err := ParseMemory(text)
	if err != nil {
		return 0, fmt.Errorf("%q: want an amount such as 512Ki or 10Mi", text)
	}
	return parsed, nil
}
