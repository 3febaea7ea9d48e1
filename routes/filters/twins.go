package filters

import "net/http"

func setField(h http.Header, key, value string) {
	dropField(h, key)
	h[key] = []string{value}
}

func addField(h http.Header, key, value string) {
	dropTwins(h, key)
	h[key] = append(h[key], value)
}

func dropField(h http.Header, key string) {
	delete(h, key)
	dropTwins(h, key)
}

// dropTwins takes off what CGI, WSGI and PHP cannot tell from a field: they turn X-User
// and X_User into one variable, in which the client's word could pass for the rule's.
func dropTwins(h http.Header, key string) {
	for other := range h {
		if other != key && areTwins(other, key) {
			delete(h, other)
		}
	}
}

// areTwins reports whether two names differ in case, and in signs such as - and _, only.
func areTwins(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if variableByte(a[i]) != variableByte(b[i]) {
			return false
		}
	}
	return true
}

// variableByte is what becomes of a byte of a field's name in the name of a variable.
func variableByte(c byte) byte {
	switch {
	case c >= 'a' && c <= 'z':
		return c - 'a' + 'A'
	case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return c
	}
	return '_'
}
