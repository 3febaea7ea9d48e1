// Package function is the vocabulary the program speaks: names, specs,
// replicas, load and failures. It imports nothing but the standard library and
// does no I/O.
package function

import (
	"cmp"
	"strings"
)

// DefaultNamespace is where functions live whose namespace is not given. It is
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

// ParseName reads "figlet" or "figlet.dev"; the last dot splits. A missing namespace becomes
// defaultNamespace. The text is not validated: a name that is wrong is simply never found.
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
	return cmp.Or(validateLabel("service", n.Name), ValidateNamespace(n.Namespace))
}

// ValidateNamespace reports, as an ErrInvalid, a namespace that is not a DNS-1123 label.
func ValidateNamespace(namespace string) error {
	return validateLabel("namespace", namespace)
}

// ValidateSecretName reports, as an ErrInvalid, a secret name that could not be the name of a
// file. It takes what faas-cli, Docker Swarm and faasd take: at most 253 letters, digits, dashes,
// underscores and dots. Two dots in a row could lead out of the folder of secrets, and programs
// that read the file take a dash at the beginning for an option.
func ValidateSecretName(name string) error {
	isRight := name != "" && len(name) <= 253 && hasOnly(name, nameLetters)
	if !isRight || name[0] == '-' || name == "." || strings.Contains(name, "..") {
		return Invalid("name", "%q is not a secret name: %s", name, secretNameRule)
	}
	return nil
}

const secretNameRule = "want at most 253 letters, digits, dashes, underscores and dots, without a dash first or two dots in a row"

func validateLabel(field, text string) error {
	if text == "" {
		return Invalid(field, "missing: want a name such as %q", "figlet")
	}
	if len(text) > 63 {
		return Invalid(field, "%q has %d characters: at most 63 are allowed", text, len(text))
	}
	if text[0] == '-' || text[len(text)-1] == '-' || !hasOnly(text, lowerLetters+digits+"-") {
		return Invalid(field, "%q: want lower-case letters, digits and dashes, beginning and ending with a letter or a digit", text)
	}
	return nil
}

const (
	lowerLetters = "abcdefghijklmnopqrstuvwxyz"
	upperLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
	// nameLetters are those of names of secrets and variables.
	nameLetters = lowerLetters + upperLetters + digits + "-_."
)

// hasOnly reports whether a text has no other letters than these.
func hasOnly(text, letters string) bool { return strings.Trim(text, letters) == "" }
