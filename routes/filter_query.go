package routes

import (
	"net/url"
	"strings"
)

// queryFilters change the query of the request.
func queryFilters() []FilterSpec {
	return []FilterSpec{
		filterMaker{"setQuery", "ss", `setQuery("version", "${v}")`, newSetQuery},
		filterMaker{"dropQuery", "s", `dropQuery("debug")`, newDropQuery},
	}
}

// setQuery gives the query a parameter, in place of those that have its name.
type setQuery struct {
	RequestOnly
	name  string
	value template
}

func newSetQuery(args []any) (Filter, error) {
	value, err := parseTemplate(pattern(args[1]))
	return setQuery{name: pattern(args[0]), value: value}, err
}

func (f setQuery) Request(c *Context) {
	rest := withoutParameter(c.Request.URL.RawQuery, f.name)
	if rest != "" {
		rest += "&"
	}
	c.Request.URL.RawQuery = rest + url.QueryEscape(f.name) + "=" + url.QueryEscape(f.value.fill(c))
}

// dropQuery takes a parameter off the query.
type dropQuery struct {
	RequestOnly
	name string
}

func newDropQuery(args []any) (Filter, error) { return dropQuery{name: pattern(args[0])}, nil }

func (f dropQuery) Request(c *Context) {
	c.Request.URL.RawQuery = withoutParameter(c.Request.URL.RawQuery, f.name)
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
