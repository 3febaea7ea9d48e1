package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"faas-docker/function"
	"faas-docker/grammar"
)

// prefix is where invocations live.
const prefix = "/function/"

// target is what a request asks for.
type target struct {
	name function.Name
	// given is the name as the client wrote it.
	given string
	// path is what the function gets to see, with the query, byte for byte as the client sent it. It
	// may lack its first "/", where the client sent no path.
	path string
}

// allowed reports whether functions can be invoked with a method.
func allowed(method string) bool { return invocable(method) != "" }

// invocable returns a method with which functions can be invoked; empty for any other.
func invocable[Text ~string | ~[]byte](method Text) string {
	for _, known := range [...]string{
		http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodHead,
	} {
		if string(method) == known {
			return known
		}
	}
	return ""
}

// parseTarget reads /function/{name}, /function/{name}/ and /function/{name}/{rest}.
func parseTarget(r *http.Request, defaultNamespace string) (target, error) {
	rest, ok := strings.CutPrefix(requestTarget(r), prefix)
	if !ok && grammar.IsGRPC(r) {
		return parseGRPCTarget(r, defaultNamespace)
	}
	if !ok {
		return target{}, errNoFunction
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	name, err := url.PathUnescape(rest[:end])
	if err != nil || !isFunctionName(name) {
		return target{}, errNoFunction
	}
	if !isVisible(rest[end:]) || !isHost(r.Host) {
		return target{}, errBadTarget
	}
	return target{name: function.ParseName(name, defaultNamespace), given: name, path: rest[end:]}, nil
}

// Target returns the function that ServeHTTP would invoke for a request, deployed or
// not. It is an error when there is none, or when the request will be refused whatever
// it names.
func (h *Handler) Target(r *http.Request) (function.Name, error) {
	if !allowed(r.Method) {
		return function.Name{}, errMethod
	}
	t, err := parseTarget(r, h.defaultNamespace())
	return t.name, err
}

// requestTarget is the path and the query as they stood in the request line. The
// parsed URL is no substitute: it forgets how the client had spelled them.
func requestTarget(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	if _, rest, ok := strings.Cut(r.RequestURI, "://"); ok {
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			return rest[slash:]
		}
	}
	return r.URL.RequestURI()
}

// isFunctionName reports whether text has only the characters OpenFaaS routes.
func isFunctionName(text string) bool {
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return text != ""
}

// isHost reports whether text can stand in a Host header: no user, no path.
func isHost(text string) bool {
	return isVisible(text) && !strings.ContainsAny(text, "@/?#\\,")
}

// isVisible reports whether text can stand in a request line. HTTP/2 lets through
// what in HTTP/1 would end the line, or begin another.
func isVisible(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == 0x7f })
}
