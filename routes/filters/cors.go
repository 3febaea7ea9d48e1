package filters

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"faas-docker/grammar"
	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// cors lets the pages of other sites use a route. It answers preflights.
type cors struct {
	// origins are the sites; empty means all.
	origins     []string
	credentials bool
	// settings are the fields that answer a question of the same name.
	methods, headers, expose, maxAge string
}

func newCORS(args []any) (*cors, error) {
	f := &cors{methods: "GET, HEAD, POST, PUT, PATCH, DELETE"}
	settings := map[string]*string{"methods": &f.methods, "headers": &f.headers, "expose": &f.expose, "maxAge": &f.maxAge}
	for _, text := range argument.Texts(args) {
		name, value, isSetting := strings.Cut(text, "=")
		switch {
		case text == "credentials":
			f.credentials = true
		case isSetting && settings[name] != nil:
			*settings[name] = strings.Join(strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == ' ' }), ", ")
		case !isOrigin(text):
			return nil, fmt.Errorf("%s: want an origin such as https://app.example.org, or credentials, methods=, headers=, expose=, maxAge=", eskip.Quote(text))
		default:
			f.origins = append(f.origins, grammar.Lower(text))
		}
	}
	if f.credentials && len(f.origins) == 0 {
		return nil, fmt.Errorf("with credentials any site could act for the user: name the origins")
	}
	return f, nil
}

// isOrigin reports whether a text is a scheme and a host, as browsers send them.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme != "" && u.Host != "" && u.Path == "" && u.RawQuery == "" && u.User == nil
}

func (f *cors) allows(origin string) bool {
	return origin != "" && (len(f.origins) == 0 || slices.Contains(f.origins, grammar.Lower(origin)))
}

// Request answers a preflight; the Response side completes the answer.
func (f *cors) Request(c *routes.Context) {
	h := c.Request.Header
	if c.Request.Method != http.MethodOptions || h.Get("Origin") == "" || h.Get("Access-Control-Request-Method") == "" {
		return
	}
	answer := http.Header{"Vary": {"Access-Control-Request-Method, Access-Control-Request-Headers"}}
	if f.allows(h.Get("Origin")) {
		answer.Set("Access-Control-Allow-Methods", f.methods)
		setUnlessEmpty(answer, "Access-Control-Max-Age", f.maxAge)
		headers := cmp.Or(f.headers, h.Get("Access-Control-Request-Headers"))
		setUnlessEmpty(answer, "Access-Control-Allow-Headers", headers)
	}
	c.Serve(&routes.Response{Status: http.StatusNoContent, Header: answer})
}

// Response says who may read the answer. The function's fields go: two answers are none to a browser.
func (f *cors) Response(c *routes.Context) {
	h, origin := c.Response.Header, c.Request.Header.Get("Origin")
	h.Add("Vary", "Origin")
	for _, key := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"} {
		h.Del(key)
	}
	if !f.allows(origin) {
		return
	}
	if len(f.origins) == 0 {
		origin = "*"
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if f.credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	setUnlessEmpty(h, "Access-Control-Expose-Headers", f.expose)
}

func setUnlessEmpty(h http.Header, key, value string) {
	if value != "" {
		h.Set(key, value)
	}
}
