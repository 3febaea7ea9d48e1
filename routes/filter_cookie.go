package routes

import (
	"fmt"
	"net/http"
	"time"
)

func cookieFilters() []FilterSpec {
	return []FilterSpec{
		filterMaker{"responseCookie", "ss?s", `responseCookie("group", "beta") or responseCookie("group", "beta", "720h")`, newResponseCookie},
	}
}

// responseCookie binds a client, which has sent another value or none, to a value: a
// canary stays the same for somebody who has seen it.
type responseCookie struct {
	ResponseOnly
	cookie http.Cookie
}

func newResponseCookie(args []any) (Filter, error) {
	f := responseCookie{cookie: http.Cookie{Name: pattern(args[0]), Value: pattern(args[1]), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}}
	if len(args) > 2 {
		age, err := duration(args[2])
		if err != nil {
			return nil, err
		}
		f.cookie.MaxAge = max(1, int(age/time.Second))
	}
	if err := f.cookie.Valid(); err != nil {
		return nil, fmt.Errorf("no cookie: %w", err)
	}
	return f, nil
}

func (f responseCookie) Response(c *Context) {
	for _, sent := range c.Request.CookiesNamed(f.cookie.Name) {
		if sent.Value == f.cookie.Value {
			return
		}
	}
	cookie := f.cookie
	cookie.Secure = c.Request.TLS != nil
	c.Response.Header.Add("Set-Cookie", cookie.String())
}
