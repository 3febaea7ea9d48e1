package function

import (
	"fmt"
	"strings"
)

// Constraint is one placement rule of a deployment, as Swarm writes it
// ("node.labels.disk==ssd", "node.platform.os != windows") or as a Kubernetes
// node selector does ("disk=ssd").
type Constraint struct {
	Key   string
	Value string
	// Not inverts the rule.
	Not bool
}

// ParseConstraint reads one rule. A text without an operator is an error.
func ParseConstraint(text string) (Constraint, error) {
	for _, operator := range []string{"!=", "==", "="} {
		key, value, found := strings.Cut(text, operator)
		if !found {
			continue
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if key == "" || value == "" {
			break
		}
		return Constraint{Key: key, Value: value, Not: operator == "!="}, nil
	}
	return Constraint{}, fmt.Errorf("constraint %q: no key, operator and value", text)
}

// Allows reports whether a machine with these facts may run the function. A
// fact that is not known has the empty value.
func (c Constraint) Allows(facts map[string]string) bool {
	return (facts[c.Key] == c.Value) != c.Not
}
