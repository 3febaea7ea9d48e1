package policy

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/grammar"
)

// logging writes one line about each call, when it has ended.
type logging struct {
	log   hclog.Logger
	level hclog.Level
	// headers are the request's that are written.
	headers []string
	secrets secrets
}

func newLogging(p function.LogPolicy, log hclog.Logger) *logging {
	return &logging{log: log, level: hclog.LevelFromString(p.Level), headers: words(p.Headers), secrets: words(grammar.Lower(p.Redact))}
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' })
}

func (p *logging) Do(ctx context.Context, request *Request, next Sender) (Answer, error) {
	request.OnEnd(func(end End) { p.write(request, end) })
	return next(ctx, request)
}

func (p *logging) write(request *Request, end End) {
	r := request.HTTP
	line := []any{"function", request.Function.String(), "call_id", request.ID, "method", r.Method, "path", r.URL.EscapedPath(),
		"status", end.Status, "took", end.Took, "tries", end.Tries, "sent", end.Sent, "received", end.Received}
	if r.URL.RawQuery != "" {
		line = append(line, "query", p.secrets.query(r.URL.RawQuery))
	}
	for _, name := range p.headers {
		if values := r.Header[name]; len(values) > 0 {
			line = append(line, "header_"+grammar.Lower(name), p.secrets.header(name, values))
		}
	}
	if end.Err != nil {
		line = append(line, "err", end.Err)
	}
	p.log.Log(p.level, "call", line...)
}

const redacted = "REDACTED"

// secrets are fields and parameters not to be logged, in lower case, beside those that hides knows.
type secrets []string

// hides reports whether values of this name are secret. It hides too much rather than too little.
func (s secrets) hides(name string) bool {
	name = grammar.Lower(name)
	signs := []string{"auth", "cookie", "token", "secret", "passw", "pwd", "key", "credential", "session", "sig",
		"jwt", "code"}
	hasSign := func(sign string) bool { return strings.Contains(name, sign) }
	return slices.Contains(s, name) || slices.ContainsFunc(signs, hasSign)
}

func (s secrets) header(name string, values []string) string {
	if s.hides(name) {
		return redacted
	}
	return strings.Join(values, ", ")
}

func (s secrets) query(raw string) string {
	pairs := strings.Split(raw, "&")
	for i, pair := range pairs {
		key, _, found := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		if found && (err != nil || s.hides(name)) {
			pairs[i] = key + "=" + redacted
		}
	}
	return strings.Join(pairs, "&")
}
