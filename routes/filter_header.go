package routes

import (
	"fmt"
	"net/http"
	"strings"
)

// headerFilters change the header of the request, or of the answer.
func headerFilters() []FilterSpec {
	set, add := http.Header.Set, http.Header.Add
	return []FilterSpec{
		filterMaker{"setRequestHeader", "ss", `setRequestHeader("X-Item", "${item}")`, newRequestHeader(set)},
		filterMaker{"appendRequestHeader", "ss", `appendRequestHeader("X-Item", "${item}")`, newRequestHeader(add)},
		// requestHeader is what eskip called it first.
		filterMaker{"requestHeader", "ss", `requestHeader("X-Item", "${item}")`, newRequestHeader(add)},
		filterMaker{"dropRequestHeader", "s", `dropRequestHeader("X-Item")`, newDropRequestHeader},
		filterMaker{"setResponseHeader", "ss", `setResponseHeader("Cache-Control", "no-store")`, newResponseHeader(set)},
		filterMaker{"appendResponseHeader", "ss", `appendResponseHeader("Vary", "Cookie")`, newResponseHeader(add)},
		filterMaker{"dropResponseHeader", "s", `dropResponseHeader("Server")`, newDropResponseHeader},
	}
}

// headerKey reads the name of a field.
func headerKey(arg any) (string, error) {
	key := pattern(arg)
	if key == "" || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c) }) {
		return "", fmt.Errorf("%s is not the name of a header field", quote(key))
	}
	return http.CanonicalHeaderKey(key), nil
}

// headerField is a field that a filter gives a header.
type headerField struct {
	key    string
	value  template
	change func(header http.Header, key, value string)
}

func newHeaderField(args []any, change func(http.Header, string, string)) (headerField, error) {
	key, err := headerKey(args[0])
	if err != nil {
		return headerField{}, err
	}
	value, err := parseTemplate(pattern(args[1]))
	return headerField{key, value, change}, err
}

// text is the value for a request, on one line.
func (f headerField) text(c *Context) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(f.value.fill(c))
}

// requestHeader gives the request a field. Host is the host that the backend sees.
type requestHeader struct {
	RequestOnly
	headerField
}

func newRequestHeader(change func(http.Header, string, string)) func(args []any) (Filter, error) {
	return func(args []any) (Filter, error) {
		field, err := newHeaderField(args, change)
		return requestHeader{headerField: field}, err
	}
}

func (f requestHeader) Request(c *Context) {
	if f.key == "Host" {
		c.Request.Host = f.text(c)
		return
	}
	f.change(c.Request.Header, f.key, f.text(c))
}

// responseHeader gives the answer a field.
type responseHeader struct {
	ResponseOnly
	headerField
}

func newResponseHeader(change func(http.Header, string, string)) func(args []any) (Filter, error) {
	return func(args []any) (Filter, error) {
		field, err := newHeaderField(args, change)
		return responseHeader{headerField: field}, err
	}
}

func (f responseHeader) Response(c *Context) { f.change(c.Response.Header, f.key, f.text(c)) }

// dropRequestHeader takes a field off the request.
type dropRequestHeader struct {
	RequestOnly
	key string
}

func newDropRequestHeader(args []any) (Filter, error) {
	key, err := headerKey(args[0])
	return dropRequestHeader{key: key}, err
}

func (f dropRequestHeader) Request(c *Context) { c.Request.Header.Del(f.key) }

// dropResponseHeader takes a field off the answer.
type dropResponseHeader struct {
	ResponseOnly
	key string
}

func newDropResponseHeader(args []any) (Filter, error) {
	key, err := headerKey(args[0])
	return dropResponseHeader{key: key}, err
}

func (f dropResponseHeader) Response(c *Context) { c.Response.Header.Del(f.key) }
