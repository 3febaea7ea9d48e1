package routes

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// answerFilters answer by themselves, or change the status of an answer.
func answerFilters() []FilterSpec {
	return []FilterSpec{
		filterMaker{"status", "n", `status(418)`, newStatus},
		filterMaker{"inlineContent", "s?s", `inlineContent("hello") or inlineContent("{}", "application/json")`, newInlineContent},
		filterMaker{"redirectTo", "ns", `redirectTo(308, "https://example.org")`, newRedirectTo},
	}
}

// status replaces the status of the answer.
type status struct {
	ResponseOnly
	code int
}

func newStatus(args []any) (Filter, error) {
	code, err := whole(args[0])
	if err == nil && (code < 200 || code > 599) {
		err = fmt.Errorf("%d: want a status from 200 to 599", code)
	}
	return status{code: code}, err
}

func (f status) Response(c *Context) { c.Response.Status = f.code }

// inlineContent answers with a text.
type inlineContent struct {
	RequestOnly
	text, kind string
}

func newInlineContent(args []any) (Filter, error) {
	f := inlineContent{text: pattern(args[0])}
	f.kind = http.DetectContentType([]byte(f.text))
	if len(args) > 1 {
		f.kind = pattern(args[1])
	}
	return f, nil
}

func (f inlineContent) Request(c *Context) {
	header := http.Header{"Content-Type": {f.kind}, "Content-Length": {strconv.Itoa(len(f.text))}}
	c.Serve(&Response{Status: http.StatusOK, Header: header, Body: strings.NewReader(f.text)})
}

// redirectTo sends the client elsewhere. What the location does not say, path and
// query, is that of the request.
type redirectTo struct {
	RequestOnly
	code     int
	location template
}

func newRedirectTo(args []any) (Filter, error) {
	code, err := whole(args[0])
	if err == nil && (code < 300 || code > 399 || code == http.StatusNotModified) {
		err = fmt.Errorf("%d: want a status of a redirection, such as 302 or 308", code)
	}
	if err != nil {
		return nil, err
	}
	t, err := parseTemplate(pattern(args[1]))
	return redirectTo{code: code, location: t}, err
}

func (f redirectTo) Request(c *Context) {
	location, err := f.resolve(c)
	if err != nil {
		c.Serve(&Response{Status: http.StatusBadRequest})
		return
	}
	c.Serve(&Response{Status: f.code, Header: http.Header{"Location": {location}, "Content-Length": {"0"}}})
}

func (f redirectTo) resolve(c *Context) (string, error) {
	text := f.location.fillURL(c)
	if f.isLocal() {
		// What a client sent must not become a host: //example.org is one.
		text = "/" + strings.TrimLeft(text, `/\`)
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	if u.Path == "" {
		u.Path, u.RawPath = "/"+strings.TrimLeft(c.Request.URL.Path, `/\`), ""
	}
	if u.RawQuery == "" {
		u.RawQuery = c.Request.URL.RawQuery
	}
	return u.String(), nil
}

// isLocal reports whether the location was written as a path or begins with what the
// client says.
func (f redirectTo) isLocal() bool {
	first := f.location.parts[0].text
	if first == "" && len(f.location.parts) > 1 {
		return true
	}
	return strings.HasPrefix(first, "/") && !strings.HasPrefix(first, "//")
}
