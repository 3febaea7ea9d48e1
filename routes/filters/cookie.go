package filters

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"faas-docker/grammar"
	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// newResponseCookie binds clients to a value: they stay with the canary that they have seen.
func (o Options) newResponseCookie(args []any) (routes.ResponseFunc, error) {
	cookie := http.Cookie{Name: argument.Text(args[0]), Value: argument.Text(args[1]), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if len(args) > 2 {
		var err error
		if cookie.MaxAge, err = cookieAge(args[2]); err != nil {
			return nil, err
		}
	}
	if len(args) > 3 && argument.Text(args[3]) != "change-only" {
		return nil, fmt.Errorf(`%s: want "change-only", which is what is done anyway`, eskip.Quote(eskip.Excerpt(argument.Text(args[3]))))
	}
	return func(c *routes.Context) {
		sent := c.Request.CookiesNamed(cookie.Name)
		if slices.ContainsFunc(sent, func(s *http.Cookie) bool { return s.Value == cookie.Value }) {
			return
		}
		answer := cookie
		answer.Secure = o.Arrival(c.Original()).Scheme == "https"
		c.Response.Header.Add("Set-Cookie", answer.String())
	}, valid(cookie)
}

func valid(cookie http.Cookie) error {
	if err := cookie.Valid(); err != nil {
		return fmt.Errorf("no cookie: %w", err)
	}
	return nil
}

// cookieAge reads a length of time, or seconds as eskip has them: with 0 the cookie ends.
func cookieAge(arg any) (int, error) {
	if seconds, ok := arg.(float64); ok {
		if seconds < 0 || seconds > math.MaxInt32 || seconds != math.Trunc(seconds) {
			return 0, fmt.Errorf("%s: want whole seconds", eskip.PrintArg(arg))
		}
		if seconds == 0 {
			return -1, nil // net/http's word for it
		}
		return int(seconds), nil
	}
	age, err := argument.Duration(arg)
	return max(1, int(age/time.Second)), err
}

func newDropResponseCookie(args []any) (routes.ResponseFunc, error) {
	name := argument.Text(args[0])
	return func(c *routes.Context) {
		set := c.Response.Header["Set-Cookie"]
		c.Response.Header.Del("Set-Cookie")
		for _, line := range set {
			if nameOf(line) != name {
				c.Response.Header.Add("Set-Cookie", line)
			}
		}
	}, nil
}

func newRequestCookie(args []any) (routes.RequestFunc, error) {
	cookie := http.Cookie{Name: argument.Text(args[0]), Value: argument.Text(args[1])}
	pair := cookie.String()
	return func(c *routes.Context) {
		// Most programs take the first of one name: the client's own must not be that.
		sent := append(cookiesBut(cookie.Name, c.Request), pair)
		setField(c.Request.Header, "Cookie", strings.Join(sent, "; "))
	}, valid(cookie)
}

func cookiesBut(name string, r *http.Request) (kept []string) {
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			if pair = grammar.Trim(pair); pair != "" && nameOf(pair) != name {
				kept = append(kept, pair)
			}
		}
	}
	return kept
}

func newDropRequestCookie(args []any) (routes.RequestFunc, error) {
	name := argument.Text(args[0])
	return func(c *routes.Context) {
		kept := cookiesBut(name, c.Request)
		dropField(c.Request.Header, "Cookie")
		if kept != nil {
			setField(c.Request.Header, "Cookie", strings.Join(kept, "; "))
		}
	}, nil
}

func nameOf(pair string) string {
	name, _, _ := strings.Cut(pair, "=")
	return grammar.Trim(name)
}
