package eskip

import (
	"net/url"
	"slices"
	"strings"

	"faas-docker/function"
)

// Rule is one rule as it was written: it does nothing by itself. Rules
// are values; their slices are shared and never modified.
type Rule struct {
	// ID names the rule. Among all sources only one rule of a name is in force.
	ID string
	// Predicates are the conditions, all of which a request must meet; none means that every one does.
	Predicates []Call
	// Filters are applied to the request in this order, to the answer in reverse.
	Filters []Call
	Backend Backend
	// Source is where the rule came from; empty when it was only parsed.
	Source string
	// Owned is set for a rule of a function's annotations.
	Owned bool
	// Text is how a rule was written that could not be read; empty otherwise.
	Text string
	// Err is why the rule could not be read. Such a rule carries no more than its ID
	// and Text, and routes.Build rejects it.
	Err error

	at place
}

// Call is a condition or a filter as it was written: a name with arguments, which are of the types float64, string and Regexp.
type Call struct {
	Name string
	Args []any

	at place
}

// Regexp is an argument that was written as /…/, without the slashes.
type Regexp string

// BackendKind says what answers a request.
type BackendKind int

// The kinds of backend. Shunt is the zero value: nothing does, unless a filter.
const (
	BackendShunt BackendKind = iota
	BackendFunction
	BackendURL
)

// Backend is where a rule sends its requests.
type Backend struct {
	Kind BackendKind
	// Text is the function's name, "shop" or "shop.dev", perhaps with "@previous" for the
	// revision before, or the URL, "http://host:80".
	Text string
}

const (
	functionScheme = "function:"
	// previousMark ends those that are the revision before the present one.
	previousMark = "@previous"
)

// FunctionBackend is the backend that invokes a function.
func FunctionBackend(n function.Name) Backend {
	return Backend{Kind: BackendFunction, Text: n.String()}
}

// ParseBackend reads what stands between the quotes of a backend.
func ParseBackend(text string) (Backend, error) {
	if name, found := strings.CutPrefix(text, functionScheme); found {
		b := Backend{Kind: BackendFunction, Text: name}
		_, err := b.Function(function.DefaultNamespace)
		return b, err
	}
	b := Backend{Kind: BackendURL, Text: text}
	_, err := b.URL()
	return b, err
}

// Function is the name of the function.
func (b Backend) Function(namespace string) (function.Name, error) {
	text, mark, marked := strings.Cut(b.Text, "@")
	if marked && "@"+mark != previousMark {
		return function.Name{}, function.Invalid("backend", `%q: want "function:%s", or "function:%[2]s%s" for the revision before`, functionScheme+b.Text, text, previousMark)
	}
	name := function.ParseName(text, namespace)
	if err := name.Validate(); err != nil {
		return function.Name{}, function.Invalid("backend", "%q is not a function: %v", Excerpt(functionScheme+b.Text), err)
	}
	return name, nil
}

// IsPrevious reports whether it is the revision before the function's present one.
func (b Backend) IsPrevious() bool {
	return b.Kind == BackendFunction && strings.HasSuffix(b.Text, previousMark)
}

// URL is the address of the server, without a path: the request's own is asked for.
func (b Backend) URL() (*url.URL, error) {
	u, err := url.Parse(b.Text)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "h2c"}, u.Scheme) {
		return nil, function.Invalid("backend", `%q: want "function:name", "http://host:port" or <shunt>`, b.Text)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, function.Invalid("backend", "%q: want scheme, host and port only; setPath and modPath change the path", b.Text)
	}
	return u, nil
}

// Equal reports whether two rules are the same and came from the same source.
func (r Rule) Equal(other Rule) bool {
	return r.ID == other.ID && r.Source == other.Source && r.Backend == other.Backend && r.Text == other.Text &&
		(r.Err == nil) == (other.Err == nil) && (r.Err == nil || r.Err.Error() == other.Err.Error()) &&
		slices.EqualFunc(r.Predicates, other.Predicates, Call.Equal) && slices.EqualFunc(r.Filters, other.Filters, Call.Equal)
}

// Equal reports whether two calls are the same.
func (c Call) Equal(other Call) bool {
	return c.Name == other.Name && slices.Equal(c.Args, other.Args)
}
