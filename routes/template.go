package routes

import (
	"fmt"
	"net/url"
	"strings"
)

// template is a text with ${…} in it: the name of a wildcard, or something of the
// request. What a request does not have is empty.
type template struct {
	parts []templatePart
}

// templatePart is a piece of text, or the name of what stands in its place.
type templatePart struct {
	text string
	hole bool
}

// parseTemplate reads a template, and refuses names of the request that do not exist.
func parseTemplate(text string) (template, error) {
	var t template
	for {
		before, after, found := strings.Cut(text, "${")
		name, rest, closed := strings.Cut(after, "}")
		if !found || !closed {
			t.parts = append(t.parts, templatePart{text: text})
			return t, nil
		}
		if err := checkHole(name); err != nil {
			return t, err
		}
		t.parts = append(t.parts, templatePart{text: before}, templatePart{text: name, hole: true})
		text = rest
	}
}

func checkHole(name string) error {
	field, ofRequest := strings.CutPrefix(name, "request.")
	if !ofRequest {
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
	return fmt.Errorf("${%s} is unknown: want the name of a wildcard, or request.method, .host, .path, .rawQuery, .header.<name>, .query.<name> or .cookie.<name>", name)
}

// fill makes a value of the template.
func (t template) fill(c *Context) string {
	return t.with(func(name string) string {
		if field, ofRequest := strings.CutPrefix(name, "request."); ofRequest {
			return requestField(c, field)
		}
		return c.Params.Get(name)
	})
}

// fillPath makes a path of the template.
func (t template) fillPath(c *Context) string {
	return t.with(func(name string) string {
		if field, ofRequest := strings.CutPrefix(name, "request."); ofRequest {
			return requestField(c, field)
		}
		return c.Params.path(name)
	})
}

// fillURL makes a URL of the template: what stands for a path is escaped.
func (t template) fillURL(c *Context) string {
	return t.with(func(name string) string {
		if name == "request.path" {
			return c.Request.URL.EscapedPath()
		}
		if field, ofRequest := strings.CutPrefix(name, "request."); ofRequest {
			return requestField(c, field)
		}
		return (&url.URL{Path: c.Params.path(name)}).EscapedPath()
	})
}

func (t template) with(value func(name string) string) string {
	var b strings.Builder
	for _, part := range t.parts {
		if part.hole {
			b.WriteString(value(part.text))
			continue
		}
		b.WriteString(part.text)
	}
	return b.String()
}

func requestField(c *Context, field string) string {
	kind, key, _ := strings.Cut(field, ".")
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
