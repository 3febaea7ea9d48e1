package filters

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// redirectTo sends the client elsewhere. The location takes from the request what it does not say.
type redirectTo struct {
	code     int
	location template
	arrival  func(*http.Request) Arrival
}

func (o Options) newRedirectTo(args []any) (routes.RequestFunc, error) {
	code, err := argument.Int(args[0])
	if err == nil && (code < 300 || code > 399 || code == http.StatusNotModified) {
		err = fmt.Errorf("%d: want a status of a redirection, such as 302 or 308", code)
	}
	if err != nil {
		return nil, err
	}
	t, err := parseTemplate(args[1])
	if err == nil && len(t) == 1 {
		_, err = parseLocation(t[0].text)
	}
	return redirectTo{code: code, location: t, arrival: o.Arrival}.apply, err
}

func parseLocation(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || text == "" || u.User != nil:
		return nil, fmt.Errorf("%s is no location: want a URL, or a part of one such as https:, //example.org, /path or ?a=b", eskip.Quote(eskip.Excerpt(text)))
	case u.Host != "" && !argument.IsHost(u.Hostname()) && u.Hostname() != "":
		return nil, fmt.Errorf("%s is not a host", eskip.Quote(eskip.Excerpt(u.Host)))
	}
	return u, nil
}

func (f redirectTo) apply(c *routes.Context) {
	location, err := f.resolve(c)
	if err != nil || len(location) > longestValue {
		c.Refuse(http.StatusBadRequest, "this request makes no location to redirect it to")
		return
	}
	c.Serve(&routes.Response{Status: f.code, Header: http.Header{"Location": {location}, "Content-Length": {"0"}}})
}

func (f redirectTo) resolve(c *routes.Context) (string, error) {
	text := f.location.fillURL(c)
	// What a client sent must not become a host: //example.org is one.
	if own, local := f.localPrefix(); local {
		text = own + "/" + strings.TrimLeft(text[len(own):], `/\`)
	}
	u, err := parseLocation(text)
	if err != nil {
		return "", err
	}
	if u.Scheme != "" || u.Host != "" {
		f.completeHost(u, c.Original())
	}
	if asked := c.Request.URL; u.Path == "" {
		u.Path = "/" + strings.TrimLeft(asked.Path, `/\`)
		if u.RawPath = ""; u.Path == asked.Path {
			u.RawPath = asked.RawPath
		}
	}
	if u.RawQuery == "" && !u.ForceQuery {
		u.RawQuery = c.Request.URL.RawQuery
	}
	u.ForceQuery, u.RawQuery = false, escapedQuery(u.RawQuery)
	return u.String(), nil
}

// completeHost gives a location that begins with a scheme, or with a port, the rest that it
// needs. The usual port of one scheme is not carried over to another.
func (f redirectTo) completeHost(u *url.URL, r *http.Request) {
	from := f.arrival(r)
	name, port := u.Hostname(), u.Port()
	if u.Scheme == "" && name != "" {
		return
	}
	here := &url.URL{Host: from.Host}
	if name == "" {
		name = here.Hostname()
		usual := map[string]string{"http": "80", "https": "443"}[from.Scheme]
		if u.Host == "" && here.Port() != usual {
			port = here.Port()
		}
		u.Scheme = cmp.Or(u.Scheme, from.Scheme)
	}
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if u.Host = name; port != "" {
		u.Host += ":" + port
	}
}

// escapedQuery leaves a query as it was sent, but for what a header cannot carry.
func escapedQuery(query string) string {
	var b strings.Builder
	for _, c := range []byte(query) {
		if c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// localPrefix reports whether the host stays that of the request: the location is a path, a scheme without
// a host, or begins with the client's words. It returns the scheme with its colon, if there is one.
func (f redirectTo) localPrefix() (scheme string, local bool) {
	first := f.location[0].text
	path := first
	if name, rest, found := strings.Cut(first, ":"); found && !strings.ContainsAny(name, "/?#") {
		scheme, path = name+":", rest
	}
	startsFilled := path == "" && len(f.location) > 1
	return scheme, startsFilled || strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//")
}
