package filters

import (
	"fmt"
	"net/url"
	"strings"

	"faas-docker/grammar"
	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// newSetQuery gives the query a parameter, in place of those that have its name. With one
// argument that replaces the query.
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
		dropParameter(c, name)
	}, err
}

func newStripQuery([]any) (routes.RequestFunc, error) {
	return func(c *routes.Context) { c.Request.URL.RawQuery, c.Request.URL.ForceQuery = "", false }, nil
}

func newDropQuery(args []any) (routes.RequestFunc, error) {
	template, err := parseTemplate(args[0])
	return func(c *routes.Context) {
		if name, ok := template.fill(c); ok {
			dropParameter(c, name)
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

func dropParameter(c *routes.Context, name string) {
	c.Request.URL.RawQuery = withoutParameter(c.Request.URL.RawQuery, name)
}

// withoutParameter leaves the other parameters in their order and as they were
// written.
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
