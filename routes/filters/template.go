package filters

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// template is a text with ${…}: a wildcard, or something of the request, empty where it has none.
type template []templatePart

// templatePart is a piece of text, or the name of what stands in its place.
type templatePart struct {
	text        string
	placeholder bool
}

// ofRequest begins the names of the request's own values.
const ofRequest = "request."

const mostPlaceholders = 32

// parseTemplate reads a template, and refuses names of the request that do not exist.
func parseTemplate(arg any) (template, error) {
	var t template
	for text := argument.Text(arg); ; {
		if len(t) > 2*mostPlaceholders {
			return t, fmt.Errorf("more than %d times ${…} in one text", mostPlaceholders)
		}
		before, after, found := strings.Cut(text, "${")
		name, rest, closed := strings.Cut(after, "}")
		if !found || !closed {
			return append(t, templatePart{text: text}), nil
		}
		if err := checkPlaceholder(name); err != nil {
			return t, err
		}
		t = append(t, templatePart{text: before}, templatePart{text: name, placeholder: true})
		text = rest
	}
}

func checkPlaceholder(name string) error {
	field, found := strings.CutPrefix(name, ofRequest)
	if !found {
		return nil
	}
	kind, key, _ := strings.Cut(field, ".")
	kinds := []string{"header", "query", "cookie"}
	if key == "" {
		kinds = []string{"method", "host", "path", "rawQuery"}
	}
	if slices.Contains(kinds, kind) {
		return nil
	}
	return fmt.Errorf("${%s} is unknown: want the name of a wildcard, or request.method, .host, .path, .rawQuery, .header.<name>, .query.<name> or .cookie.<name>", eskip.Excerpt(name))
}

// longestValue bounds what a filter makes of a request, in bytes: by repetition it could be any.
const longestValue = 64 << 10

// fill makes a value; false without a wildcard of it, and where it is too long, which is refused.
func (t template) fill(c *routes.Context) (string, bool) {
	return t.with(c, func(p routes.Param) string { return p.Value })
}

// line makes the value of a field of the template, as fill does.
func (t template) line(c *routes.Context) (string, bool) {
	value, ok := t.fill(c)
	return value, ok && isLine(c, value)
}

// fillPath makes a path of the template, as fill does.
func (t template) fillPath(c *routes.Context) (string, bool) {
	return t.with(c, func(p routes.Param) string { return p.Path })
}

// fillURL makes a URL: what stands for a path is escaped, and a missing wildcard is empty.
func (t template) fillURL(c *routes.Context) string {
	var b strings.Builder
	for _, part := range t {
		switch param, _ := c.Params.Find(part.text); {
		case !part.placeholder:
			b.WriteString(part.text)
		case part.text == "request.path":
			b.WriteString(c.Request.URL.EscapedPath())
		case strings.HasPrefix(part.text, ofRequest):
			b.WriteString(requestField(c, part.text))
		default:
			b.WriteString((&url.URL{Path: param.Path}).EscapedPath())
		}
	}
	return b.String()
}

func (t template) with(c *routes.Context, value func(routes.Param) string) (string, bool) {
	var b strings.Builder
	for _, part := range t {
		switch param, known := c.Params.Find(part.text); {
		case !part.placeholder:
			b.WriteString(part.text)
		case strings.HasPrefix(part.text, ofRequest):
			b.WriteString(requestField(c, part.text))
		case !known:
			return "", false
		default:
			b.WriteString(value(param))
		}
	}
	return b.String(), isShort(c, b.Len())
}

// isShort refuses the request when a filter would make too much of it.
func isShort(c *routes.Context, length int) bool {
	if length > longestValue {
		c.Refuse(http.StatusBadRequest, "the filters of this route make too long a value of the request")
	}
	return length <= longestValue
}

func requestField(c *routes.Context, name string) string {
	kind, key, _ := strings.Cut(strings.TrimPrefix(name, ofRequest), ".")
	r := c.Request
	switch kind {
	case "method":
		return r.Method
	case "host":
		return r.Host
	case "path":
		return r.URL.Path
	case "rawQuery":
		return r.URL.RawQuery
	case "header":
		return r.Header.Get(key)
	case "query":
		return r.URL.Query().Get(key)
	}
	for _, cookie := range r.CookiesNamed(key) {
		return cookie.Value
	}
	return ""
}
