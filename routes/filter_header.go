package routes

import (
	"fmt"
	"net/http"
	"strings"
)

// headerFilters change the header of the request.
func headerFilters() []FilterSpec {
	return []FilterSpec{
		filterMaker{"setRequestHeader", "ss", `setRequestHeader("X-Item", "${item}")`, newRequestHeader(http.Header.Set)},
		// requestHeader is what eskip called it first.
		filterMaker{"requestHeader", "ss", `requestHeader("X-Item", "${item}")`, newRequestHeader(http.Header.Add)},
	}
}

// requestHeader gives the request a field. Host is the host that the backend sees.
type requestHeader struct {
	RequestOnly
	key    string
	value  template
	change func(header http.Header, key, value string)
}

func newRequestHeader(change func(http.Header, string, string)) func(args []any) (Filter, error) {
	return func(args []any) (Filter, error) {
		key := pattern(args[0])
		if key == "" || strings.ContainsAny(key, " :\r\n\t") {
			return nil, fmt.Errorf("%s is not the name of a header field", quote(key))
		}
		value, err := parseTemplate(pattern(args[1]))
		return requestHeader{key: http.CanonicalHeaderKey(key), value: value, change: change}, err
	}
}

func (f requestHeader) Request(c *Context) {
	value := f.value.fill(c)
	if f.key == "Host" {
		c.Request.Host = value
		return
	}
	f.change(c.Request.Header, f.key, strings.NewReplacer("\r", " ", "\n", " ").Replace(value))
}
