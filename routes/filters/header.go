package filters

import (
	"fmt"
	"net/http"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

func field(args []any) (key string, value template, err error) {
	if key, err = argument.Header(args[0]); err == nil {
		value, err = parseTemplate(args[1])
	}
	return key, value, err
}

func keys(args []any) (from, to string, err error) {
	if from, err = argument.Header(args[0]); err == nil {
		to, err = argument.Header(args[1])
	}
	return from, to, err
}

// isLine refuses a request of which a filter would make a value with control characters in
// it, which could end the line. An answer is too late for that: its field is left out.
func isLine(c *routes.Context, value string) bool {
	if grammar.IsValue(value) {
		return true
	}
	c.Refuse(http.StatusBadRequest, "the filters of this route make a field of the request that would have control characters in it")
	return false
}

// newSetRequestHeader gives the request a field in place of the client's own, which goes even
// where no other comes. Host is the host that the backend sees.
func newSetRequestHeader(args []any) (routes.RequestFunc, error) {
	key, value, err := field(args)
	return func(c *routes.Context) {
		if text, ok := value.line(c); ok {
			giveField(c, key, text, setField)
		} else if key != "Host" {
			dropField(c.Request.Header, key)
		}
	}, err
}

func newAppendRequestHeader(args []any) (routes.RequestFunc, error) {
	key, value, err := field(args)
	return func(c *routes.Context) {
		if text, ok := value.line(c); ok {
			giveField(c, key, text, addField)
		}
	}, err
}

// giveField changes a field of the request, or what stands in its place.
func giveField(c *routes.Context, key, value string, change func(http.Header, string, string)) {
	switch key {
	case "Host":
		setHost(c, value)
	case "X-Forwarded-Prefix":
		c.Request = c.Request.WithContext(function.WithPrefix(c.Request.Context(), value))
	default:
		change(c.Request.Header, key, value)
	}
}

// setHost changes the host that the backend sees, or refuses a request whose host cannot be one.
func setHost(c *routes.Context, host string) {
	if !grammar.IsHost(host) {
		c.Refuse(http.StatusBadRequest, "the filters of this route make a host of the request that can be none")
		return
	}
	c.Request.Host = host
}

func newResponseHeader(change func(http.Header, string, string)) func(args []any) (routes.ResponseFunc, error) {
	return func(args []any) (routes.ResponseFunc, error) {
		key, value, err := field(args)
		return func(c *routes.Context) {
			if text, ok := value.line(c); ok {
				change(c.Response.Header, key, text)
			}
		}, err
	}
}

func newDropRequestHeader(args []any) (routes.RequestFunc, error) {
	key, err := argument.Header(args[0])
	return func(c *routes.Context) { dropField(c.Request.Header, key) }, err
}

func newDropResponseHeader(args []any) (routes.ResponseFunc, error) {
	key, err := argument.Header(args[0])
	return func(c *routes.Context) { c.Response.Header.Del(key) }, err
}

// newCopyRequestHeader copies a field. Without one to copy the other goes: it is the client's word.
func newCopyRequestHeader(args []any) (routes.RequestFunc, error) {
	from, to, err := keys(args)
	return func(c *routes.Context) {
		if value := c.Request.Header.Get(from); value != "" {
			setField(c.Request.Header, to, value)
			return
		}
		dropField(c.Request.Header, to)
	}, err
}

// newCopyResponseHeader does so with the answer, whose fields stay where there is none to copy.
func newCopyResponseHeader(args []any) (routes.ResponseFunc, error) {
	from, to, err := keys(args)
	return func(c *routes.Context) {
		if value := c.Response.Header.Get(from); value != "" {
			c.Response.Header.Set(to, value)
		}
	}, err
}

type fieldReplacement struct {
	key string
	replacement
}

func newFieldReplacement(args []any) (fieldReplacement, error) {
	key, err := argument.Header(args[0])
	if err != nil {
		return fieldReplacement{}, err
	}
	r, err := newReplacement(args[1:])
	return fieldReplacement{key, r}, err
}

// apply makes the replacements in the first value; false without one, and where that was refused.
func (r fieldReplacement) apply(c *routes.Context, values []string) (string, bool) {
	if len(values) == 0 {
		return "", false
	}
	value := r.replaced(values[0])
	return value, isShort(c, len(value)) && isLine(c, value)
}

func newModRequestHeader(args []any) (routes.RequestFunc, error) {
	r, err := newFieldReplacement(args)
	return func(c *routes.Context) {
		if r.key == "Host" {
			if host, ok := r.apply(c, []string{c.Request.Host}); ok {
				setHost(c, host)
			}
			return
		}
		dropTwins(c.Request.Header, r.key)
		if value, ok := r.apply(c, c.Request.Header[r.key]); ok {
			setField(c.Request.Header, r.key, value)
		}
	}, err
}

func newModResponseHeader(args []any) (routes.ResponseFunc, error) {
	r, err := newFieldReplacement(args)
	return func(c *routes.Context) {
		if value, ok := r.apply(c, c.Response.Header[r.key]); ok {
			c.Response.Header.Set(r.key, value)
		}
	}, err
}

// newPreserveHost chooses the host that a server sees: the client's, or that of its own URL.
func newPreserveHost(args []any) (routes.RequestFunc, error) {
	text := argument.Text(args[0])
	if text != "true" && text != "false" {
		return nil, fmt.Errorf(`%s: want "true" or "false"`, eskip.Quote(eskip.Excerpt(text)))
	}
	return func(c *routes.Context) {
		switch {
		case text == "true":
			c.Request.Host = c.Original().Host
		case c.Route.URL != nil:
			c.Request.Host = c.Route.URL.Host
		}
	}, nil
}
