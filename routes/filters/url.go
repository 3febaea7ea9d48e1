package filters

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"faas-docker/grammar"
	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

func newSetPath(args []any) (routes.RequestFunc, error) {
	t, err := parseTemplate(args[0])
	return func(c *routes.Context) {
		if path, ok := t.fillPath(c); ok {
			c.Request.URL.Path, c.Request.URL.RawPath = rooted(path), ""
		}
	}, err
}

// newModPath replaces what an expression matches in the path, as it was sent; $1 is its first group.
func newModPath(args []any) (routes.RequestFunc, error) {
	r, err := newReplacement(args)
	return func(c *routes.Context) {
		u := c.Request.URL
		path, raw := r.replaced(u.Path), r.replaced(u.RawPath)
		if !isShort(c, max(len(path), len(raw))) {
			return
		}
		if u.Path = rooted(path); u.RawPath != "" {
			// Where the two no longer say the same, the escapes are given up by EscapedPath.
			u.RawPath = rooted(raw)
		}
	}, err
}

type replacement struct {
	expression *regexp.Regexp
	text       string
}

const longestReplacement = 2048

func newReplacement(args []any) (replacement, error) {
	re, err := argument.Regexp(args[0])
	r := replacement{expression: re, text: argument.Text(args[1])}
	if err == nil && len(r.text) > longestReplacement {
		err = fmt.Errorf("a replacement of %d bytes is too long: at most %d", len(r.text), longestReplacement)
	}
	return r, err
}

// replaced is a text with the replacements, or the beginning of one that is too long.
func (r replacement) replaced(text string) string {
	var b []byte
	end := 0
	for _, match := range r.expression.FindAllStringSubmatchIndex(text, -1) {
		b = append(b, text[end:match[0]]...)
		if b = r.expression.ExpandString(b, r.text, text, match); len(b) > longestValue {
			return string(b)
		}
		end = match[1]
	}
	return string(append(b, text[end:]...))
}

func rooted(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/" + path
}

// newSetQuery sets a parameter in place of those of its name, or with one argument the whole query.
func newSetQuery(args []any) (routes.RequestFunc, error) {
	first, err := parseTemplate(args[0])
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return func(c *routes.Context) {
			if query, ok := first.fill(c); ok {
				c.Request.URL.RawQuery = escapedQuery(query)
			}
		}, nil
	}
	second, err := parseTemplate(args[1])
	return func(c *routes.Context) {
		name, ok := first.fill(c)
		if !ok {
			return
		}
		if value, ok := second.fill(c); ok {
			setParameter(c, name, value)
			return
		}
		c.Request.URL.RawQuery = withoutParameter(c.Request.URL.RawQuery, name)
	}, err
}

func newStripQuery([]any) (routes.RequestFunc, error) {
	return func(c *routes.Context) { c.Request.URL.RawQuery, c.Request.URL.ForceQuery = "", false }, nil
}

func newDropQuery(args []any) (routes.RequestFunc, error) {
	template, err := parseTemplate(args[0])
	return func(c *routes.Context) {
		if name, ok := template.fill(c); ok {
			c.Request.URL.RawQuery = withoutParameter(c.Request.URL.RawQuery, name)
		}
	}, err
}

// newQueryToHeader makes a field of a parameter of the query, unless the client sent the field.
func newQueryToHeader(args []any) (routes.RequestFunc, error) {
	key, err := argument.Header(args[1])
	parameter, format := argument.Text(args[0]), "%s"
	if len(args) > 2 {
		format = argument.Text(args[2])
	}
	if err == nil && !grammar.IsValue(format) {
		err = fmt.Errorf("%s has control characters in it", eskip.Quote(eskip.Excerpt(format)))
	}
	return func(c *routes.Context) {
		dropTwins(c.Request.Header, key)
		value := c.Request.URL.Query().Get(parameter)
		if value != "" && c.Request.Header.Get(key) == "" && isLine(c, value) {
			setField(c.Request.Header, key, strings.Replace(format, "%s", value, 1))
		}
	}, err
}

func newHeaderToQuery(args []any) (routes.RequestFunc, error) {
	key, err := argument.Header(args[0])
	parameter := argument.Text(args[1])
	return func(c *routes.Context) {
		if value := c.Request.Header.Get(key); value != "" {
			setParameter(c, parameter, value)
		}
	}, err
}

// setParameter puts a parameter at the end of the query, in place of those of its name.
func setParameter(c *routes.Context, name, value string) {
	query := withoutParameter(c.Request.URL.RawQuery, name)
	if query != "" {
		query += "&"
	}
	query += url.QueryEscape(name) + "=" + url.QueryEscape(value)
	if isShort(c, len(query)) {
		c.Request.URL.RawQuery = query
	}
}

// withoutParameter leaves the others in their order and as they were written.
func withoutParameter(query, name string) string {
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(key); pair != "" && (err != nil || plain != name) {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
