// Package function is the vocabulary the program speaks: names, specs,
// replicas, load and failures. It imports nothing but the standard library and
// does no I/O.
package function

import (
	"fmt"
	"strings"
)

// DefaultNamespace is where functions live when nobody names a namespace. It is
// the one that faas-cli and the OpenFaaS SDKs append to a bare function name.
const DefaultNamespace = "openfaas-fn"

// Name identifies a function: its own name and the namespace it lives in. The
// zero value names nothing. Names are comparable and safe as map keys.
type Name struct {
	Name      string
	Namespace string
}

// String returns the long form, "figlet.openfaas-fn".
func (n Name) String() string { return n.Name + "." + n.Namespace }

// IsZero reports whether n names nothing.
func (n Name) IsZero() bool { return n == Name{} }

// ParseName reads "figlet" or "figlet.dev"; the last dot splits. A missing
// namespace becomes defaultNamespace. The text is not validated: a name that
// nothing can be deployed under is simply never found.
func ParseName(text, defaultNamespace string) Name {
	dot := strings.LastIndexByte(text, '.')
	if dot < 0 {
		return Name{Name: text, Namespace: defaultNamespace}
	}
	return Name{Name: text[:dot], Namespace: text[dot+1:]}
}

// Validate reports, as an ErrInvalid, a name that breaks the rules for DNS-1123
// labels (RFC 1123, as Kubernetes applies it): at most 63 characters, lower-case
// letters, digits and dashes, beginning and ending with a letter or a digit.
func (n Name) Validate() error {
	if err := validateLabel("service", n.Name); err != nil {
		return err
	}
	return ValidateNamespace(n.Namespace)
}

// ValidateNamespace reports, as an ErrInvalid, a namespace that is not a
// DNS-1123 label.
func ValidateNamespace(namespace string) error {
	return validateLabel("namespace", namespace)
}

// ValidateSecretName reports, as an ErrInvalid, a secret name that is not a
// DNS-1123 subdomain: labels joined by dots, at most 253 characters in all.
func ValidateSecretName(name string) error {
	if len(name) > 0 && len(name) <= 253 && everyLabelValid(name) {
		return nil
	}
	return Invalid("name", "%q is not a secret name: want at most 253 lower-case letters, digits, dashes and dots, each part beginning and ending with a letter or a digit", name)
}

func everyLabelValid(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func validateLabel(field, text string) error {
	if text == "" {
		return Invalid(field, "missing: want a name such as %q", "figlet")
	}
	if len(text) > 63 {
		return Invalid(field, "%q has %d characters: at most 63 are allowed", text, len(text))
	}
	if !isLabel(text) {
		return Invalid(field, "%q: want lower-case letters, digits and dashes, beginning and ending with a letter or a digit", text)
	}
	return nil
}

func isLabel(text string) bool {
	if text == "" || text[0] == '-' || text[len(text)-1] == '-' {
		return false
	}
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// validateEnvName accepts what Kubernetes does: a C identifier, widened by dots
// and dashes.
func validateEnvName(name string) error {
	if isEnvName(name) {
		return nil
	}
	return Invalid(fmt.Sprintf("envVars[%q]", name), "not a variable's name: want letters, digits, '_', '-' and '.', not beginning with a digit")
}

func isEnvName(name string) bool {
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("_-.", c) >= 0
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
