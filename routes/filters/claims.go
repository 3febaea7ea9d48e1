package filters

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// wantedClaim is a claim that a token must have, or that must be among those it has.
type wantedClaim struct{ name, value string }

// isMet looks a claim up by its whole name, else step by step between its dots: realm_access.roles.
func (w wantedClaim) isMet(claims jwt.MapClaims) bool {
	value, exists := claims[w.name]
	name := w.name
	for within := map[string]any(claims); !exists; {
		step, rest, nested := strings.Cut(name, ".")
		if !nested {
			return false
		}
		inner, isObject := within[step].(map[string]any)
		if !isObject {
			return false
		}
		value, exists = inner[rest]
		within, name = inner, rest
	}
	// One text can be a list here (RFC 8693, 4.2). No other is taken apart: "not admin" is no admin.
	return w.matches(value, slices.Contains([]string{"scope", "scp", "scopes"}, name))
}

// matches reports whether a claim has the value, or is a list that does.
func (w wantedClaim) matches(value any, isScope bool) bool {
	switch v := value.(type) {
	case string:
		words := strings.Fields(v)
		return v == w.value || isScope && w.allAmong(func(word string) bool { return slices.Contains(words, word) })
	case bool:
		return strconv.FormatBool(v) == w.value
	case json.Number:
		return sameNumber(v.String(), w.value)
	case []any:
		return slices.ContainsFunc(v, func(one any) bool { return w.matches(one, false) }) ||
			isScope && w.allAmong(func(word string) bool { return slices.Contains(v, any(word)) })
	}
	return false
}

// allAmong reports whether each of the words that are wanted is there, at least one.
func (w wantedClaim) allAmong(has func(word string) bool) bool {
	wanted := strings.Fields(w.value)
	return len(wanted) > 0 && !slices.ContainsFunc(wanted, func(word string) bool { return !has(word) })
}

// sameNumber compares numbers by digits, or as in 1e3 and 1000 by value, if that is exact.
func sameNumber(a, b string) bool {
	const exact = 1 << 53
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y && math.Abs(x) < exact
}
