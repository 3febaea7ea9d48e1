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

// isMet looks a claim up by its whole name, or, where the token has none of that name, step
// by step between its dots: realm_access.roles.
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
	// These are lists that are written as one text (RFC 8693, 4.2). No other text is taken
	// apart: "not admin" has to be no admin.
	return w.matches(value, slices.Contains([]string{"scope", "scp", "scopes"}, name))
}

// matches reports whether a claim has the value, or is a list that does.
func (w wantedClaim) matches(value any, isScope bool) bool {
	switch v := value.(type) {
	case string:
		return v == w.value || isScope && hasWords(strings.Fields(v), w.value)
	case bool:
		return strconv.FormatBool(v) == w.value
	case json.Number:
		return sameNumber(v.String(), w.value)
	case []any:
		return slices.ContainsFunc(v, func(one any) bool { return w.matches(one, false) }) || isScope && hasWords(textsAmong(v), w.value)
	}
	return false
}

// hasWords reports whether each of the words of a text is there, at least one.
func hasWords(there []string, text string) bool {
	wanted := strings.Fields(text)
	lacks := func(word string) bool { return !slices.Contains(there, word) }
	return len(wanted) > 0 && !slices.ContainsFunc(wanted, lacks)
}

func textsAmong(list []any) []string {
	var texts []string
	for _, one := range list {
		if text, ok := one.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// sameNumber compares numbers digit by digit, or where they are written in two ways, as in
// 1e3 and 1000, by value, if that is exact.
func sameNumber(a, b string) bool {
	const exact = 1 << 53
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y && math.Abs(x) < exact
}
