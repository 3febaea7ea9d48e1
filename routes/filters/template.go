package filters

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// template is a text with ${…} in it: the name of a wildcard, or something of the
// request. What a request does not have is empty.
type template []templatePart

// templatePart is a piece of text, or the name of what stands in its place.
type templatePart struct {
	text        string
	placeholder bool
}

// ofRequest begins the names of the request's own values.
const ofRequest = "request."

// mostPlaceholders is how many ${…} a template may have.
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
	switch kind {
	case "method", "host", "path", "rawQuery":
		if key == "" {
			return nil
		}
	case "header", "query", "cookie":
		if key != "" {
			return nil
		}
	}
	return fmt.Errorf("${%s} is unknown: want the name of a wildcard, or request.method, .host, .path, .rawQuery, .header.<name>, .query.<name> or .cookie.<name>", eskip.Excerpt(name))
}

// longestValue bounds what a filter makes of a request, in bytes. Filters that repeat what
// they are given could grow it without end.
const longestValue = 64 << 10

// fill makes a value of the template. It is false where the path lacks a wildcard, and
// where the value is too long: the request has been refused then.
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

// fillURL makes a URL of the template: what stands for a path is escaped, and a wildcard
// that the path lacks is empty.
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
