package function

import (
	"slices"
	"strings"
)

// KeyPrefix begins the annotations and labels that are OpenFaaS's, or the program's own.
const KeyPrefix = "com.openfaas."

// settingKeys change how a function is run or called. One that ends with a dot begins a family.
func settingKeys() []string {
	keys := append(guardKeys(),
		"com.openfaas.call.timeout", "com.openfaas.call.head_timeout", "com.openfaas.call.idle_timeout",
		"com.openfaas.call.max_inflight", "com.openfaas.call.max_waiting", "com.openfaas.call.max_request_body", PolicyMaxInFlightShort,
		"com.openfaas.protocol", PolicyPrefix,
		"com.openfaas.route.", "com.openfaas.host", "com.openfaas.path",
		"com.openfaas.scale.min", "com.openfaas.scale.max", "com.openfaas.scale.factor", "com.openfaas.scale.type",
		"com.openfaas.scale.target", "com.openfaas.scale.target-proportion", "com.openfaas.scale.down.window",
		"com.openfaas.scale.zero", "com.openfaas.scale.zero-duration", "com.openfaas.scale.freeze-duration",
		"com.openfaas.scale.reclaim", "com.openfaas.scale.standby", "com.openfaas.scale.learn",
		"com.openfaas.update.order", "com.openfaas.rollback", "com.openfaas.pull-policy", "com.openfaas.capabilities",
	)
	keys = append(keys, probeKeys(HealthPrefix)...)
	return append(keys, probeKeys(ReadyPrefix)...)
}

// knownKeys are the settings, then the provider's, then OpenFaaS's that mean nothing here.
func knownKeys() []string {
	return append(append(settingKeys(), reservedKeys()...),
		"com.openfaas.topic", "com.openfaas.schedule", "com.openfaas.queue", "com.openfaas.profile", "com.openfaas.uid",
		"com.openfaas.serviceaccount", "com.openfaas.retry.", "com.openfaas.ui.", "com.openfaas.cloud.",
	)
}

// guardKeys restrict calls: a function is left open when one is misspelt.
func guardKeys() []string { return []string{KeyExpose, KeyAuth} }

// reservedKeys say whose container it is, and may not be set.
func reservedKeys() []string {
	return []string{
		LabelFunction, LabelNamespace, LabelRevision, LabelSpec, LabelProvider, LabelRole,
		LabelHolder, LabelAddress, LabelPort, LabelImageConfig,
	}
}

// UnknownKey is an annotation or a label that is most likely misspelt.
type UnknownKey struct {
	Key string
	// Nearest is the known key that it resembles; empty for none.
	Nearest string
}

// String says so in a sentence for a log.
func (u UnknownKey) String() string {
	if u.Nearest == "" {
		return u.Key + " is not known and does nothing"
	}
	return u.Key + " is not known and does nothing: " + u.Nearest + "?"
}

// UnknownKeys lists the annotations and labels below KeyPrefix that the program does not
// know, and those that resemble one that guards a function, sorted.
func (m Metadata) UnknownKeys() []UnknownKey {
	known := knownKeys()
	var unknown []UnknownKey
	for _, key := range m.Keys("") {
		switch u := (UnknownKey{Key: key}); {
		case isKnown(key, known):
		case strings.HasPrefix(key, KeyPrefix):
			u.Nearest = nearest(key, known)
			unknown = append(unknown, u)
		default:
			if u.Nearest = nearest(key, guardKeys()); u.Nearest != "" {
				unknown = append(unknown, u)
			}
		}
	}
	return unknown
}

func isKnown(key string, known []string) bool {
	return slices.ContainsFunc(known, func(k string) bool {
		return key == k || strings.HasSuffix(k, ".") && strings.HasPrefix(key, k) && len(key) > len(k)
	})
}

// validateKeys refuses a misspelt guard, which would leave the function open.
func (m Metadata) validateKeys() error {
	for _, u := range m.UnknownKeys() {
		if slices.Contains(guardKeys(), u.Nearest) {
			_, field, _ := m.Find(u.Key)
			return Invalid(field, "%s is not known: %s? It is refused, because ignoring it could leave the function open", u.Key, u.Nearest)
		}
	}
	return nil
}

// farthest is how many letters a key that is meant may differ by.
const farthest = 2

// nearest returns the known key that a key resembles most, or empty.
func nearest(key string, known []string) string {
	for _, guard := range guardKeys() {
		if strings.HasPrefix(strings.ToLower(key), guard) {
			return guard
		}
	}
	meant := slices.Clone(known)
	for i, k := range known {
		if strings.HasSuffix(k, ".") {
			meant[i] += key[strings.LastIndexByte(key, '.')+1:]
		}
	}
	return Nearest(key, meant)
}

// Nearest returns the one of several words that a word is most likely a misspelling of, or
// empty. The first of several counts.
func Nearest(word string, known []string) string {
	best, least := "", farthest+1
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters that are missing, added, wrong or swapped with their
// neighbour, whatever their case; more than farthest is farthest+1.
func distance(a, b string) int {
	if len(a)-len(b) > farthest || len(b)-len(a) > farthest {
		return farthest + 1
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			wrong := 1
			if a[i] == b[j] {
				wrong = 0
			}
			row[j+1] = min(last[j]+wrong, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return min(row[len(b)], farthest+1)
}
