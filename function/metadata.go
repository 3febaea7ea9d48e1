package function

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Metadata are the annotations and labels of a deployment, read as one set of settings.
//
// One rule holds for every setting: the annotation counts. A label of the same name is
// read when there is no annotation.
type Metadata struct{ annotations, labels map[string]string }

// Metadata returns what the annotations and labels of the deployment say.
func (s Spec) Metadata() Metadata { return Metadata{annotations: s.Annotations, labels: s.Labels} }

// Find returns the text of a setting, and the field that it stands in, for the
// user who has to correct it.
func (m Metadata) Find(key string) (text, field string, found bool) {
	if text, found = m.annotations[key]; found {
		return text, fmt.Sprintf("annotations[%q]", key), true
	}
	if text, found = m.labels[key]; found {
		return text, fmt.Sprintf("labels[%q]", key), true
	}
	return "", "", false
}

// Has reports whether any of the settings is given, with whatever text.
func (m Metadata) Has(keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool {
		_, _, found := m.Find(key)
		return found
	})
}

// Keys returns the names of all annotations and labels that begin with a prefix, sorted.
func (m Metadata) Keys(prefix string) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(m.annotations)), maps.Keys(m.labels))
	keys = slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) })
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Difference is a setting whose annotation and label say different things.
type Difference struct{ Key, Annotation, Label string }

// String says so in a sentence for a log.
func (d Difference) String() string {
	return fmt.Sprintf("%s is %.80q in the annotations and %.80q in the labels: the annotation counts", d.Key, d.Annotation, d.Label)
}

// Differences lists the settings that are given twice and differ, sorted by their keys.
func (m Metadata) Differences() []Difference {
	settings := settingKeys()
	var differences []Difference
	for _, key := range slices.Sorted(maps.Keys(m.annotations)) {
		annotation := m.annotations[key]
		label, both := m.labels[key]
		if both && annotation != label && isKnown(key, settings) {
			differences = append(differences, Difference{Key: key, Annotation: annotation, Label: label})
		}
	}
	return differences
}

// read reads a setting into a variable when it is given. A text that parse does not take is
// an ErrInvalid that says what is wanted.
func read[T any](m Metadata, key string, into *T, parse func(string) (T, error), want string) error {
	text, field, found := m.Find(key)
	if !found {
		return nil
	}
	parsed, err := parse(text)
	if err != nil {
		return Invalid(field, "%q: want %s", text, want)
	}
	*into = parsed
	return nil
}

// duration reads a Go duration, or whole seconds.
func (m Metadata) duration(key string, d *time.Duration) error {
	return read(m, key, d, func(text string) (time.Duration, error) {
		parsed, err := ParseDuration(text)
		if parsed < 0 {
			err = errUnusable
		}
		return parsed, err
	}, "a duration such as 90s or 1m30s, or a number of seconds; 0 means the default")
}

// count reads a whole number.
func (m Metadata) count(key string, n *int) error {
	return read(m, key, n, parseCount, "a whole number; 0 means no limit")
}

// bytes reads an amount of memory; 0 becomes -1, no limit.
func (m Metadata) bytes(key string, n *int64) error {
	return read(m, key, n, func(text string) (int64, error) {
		if text == "0" {
			return -1, nil
		}
		return ParseMemory(text)
	}, "an amount such as 512Ki or 10Mi; 0 means no limit")
}

// text reads a text that is as it should be.
func (m Metadata) text(key string, into *string, isRight func(string) bool, want string) error {
	return read(m, key, into, func(text string) (string, error) {
		if !isRight(text) {
			return "", errUnusable
		}
		return text, nil
	}, want)
}

// errUnusable: the text of a setting can be read and not be used.
var errUnusable = errors.New("unusable")
