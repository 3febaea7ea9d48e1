package routes

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"faas-docker/function"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// The annotations, or labels, by which a function asks for requests.
const (
	// AnnotationRoute begins the name of an annotation that holds one rule; the rest
	// of the name is the rule's. Without a backend the rule is for the function:
	//
	//	com.openfaas.route.shop: Path("/shop/:item") -> setPath("/${item}")
	AnnotationRoute = "com.openfaas.route."
	// AnnotationHost names the hosts whose requests the function gets, separated by
	// commas: "example.org, *.example.org". A star stands for one label.
	AnnotationHost = "com.openfaas.host"
	// AnnotationPath is a path, "/shop": the function gets the requests for it and for
	// all beneath it, and sees them without it, as beneath /function/<name>.
	AnnotationPath = "com.openfaas.path"
)

// FromSpecs makes rules of functions' annotations, in order of the names. Nonsense becomes a broken rule.
func FromSpecs(specs []function.Spec) []eskip.Rule {
	specs = slices.Clone(specs)
	slices.SortFunc(specs, func(a, b function.Spec) int { return cmp.Compare(a.ID().String(), b.ID().String()) })
	var rules []eskip.Rule
	for _, spec := range specs {
		rules = append(rules, fromSpec(spec)...)
	}
	return rules
}

// CheckSpec says, as a function.ErrInvalid, what is wrong with the rules in the
// annotations of one function, as far as can be told without those of others.
func CheckSpec(spec function.Spec, o Options) error {
	var reasons []string
	for _, p := range problemsOf(fromSpec(spec), o) {
		reason := p.Err.Error()
		if p.Rule.Err == nil {
			reason = fieldOf(spec, p.Rule.ID) + ": " + reason
		}
		reasons = append(reasons, reason)
	}
	if access := AccessOf(spec, o, nil); access != nil && access.Err() != nil {
		reasons = append(reasons, access.Err().Error())
	}
	if reasons == nil {
		return nil
	}
	return &function.Failure{Kind: function.ErrInvalid, Text: strings.Join(reasons, "; ")}
}

// fieldOf names where the rule of a function stands that has this ID.
func fieldOf(spec function.Spec, id string) string {
	var field string
	for _, key := range []string{AnnotationPath, AnnotationHost, AnnotationRoute + id} {
		if _, at, found := spec.Metadata().Find(key); found {
			field = at
		}
	}
	return field
}

const mostOwned = 100

func fromSpec(spec function.Spec) []eskip.Rule {
	var rules []eskip.Rule
	for _, key := range spec.Metadata().Keys(AnnotationRoute) {
		if len(rules) == mostOwned {
			id := strings.TrimPrefix(key, AnnotationRoute)
			rules = append(rules, eskip.Rule{ID: id, Err: fmt.Errorf("annotations: more than %d rules of one function: the rest belongs into the file, or to the API", mostOwned)})
			break
		}
		rules = append(rules, annotatedRule(spec, key))
	}
	if spec.Metadata().Has(AnnotationHost, AnnotationPath) {
		rules = append(rules, shortRule(spec))
	}
	source := "function " + spec.ID().String()
	for i := range rules {
		rules[i].Source, rules[i].Owned = source, true
	}
	return rules
}

func annotatedRule(spec function.Spec, key string) eskip.Rule {
	id := strings.TrimPrefix(key, AnnotationRoute)
	text, field, _ := spec.Metadata().Find(key)
	if err := eskip.CheckName(id); err != nil {
		return eskip.Rule{ID: id, Text: text, Err: fmt.Errorf("%s: %w", field, err)}
	}
	backend := eskip.FunctionBackend(spec.ID())
	rule := eskip.ParseOne(id, text, &backend)
	if rule.Err != nil {
		rule.Err = fmt.Errorf("%s: %w", field, rule.Err)
	}
	return rule
}

func shortRule(spec function.Spec) eskip.Rule {
	rule := eskip.Rule{ID: "function." + spec.ID().String(), Backend: eskip.FunctionBackend(spec.ID())}
	if err := cmp.Or(addHost(&rule, spec), addPath(&rule, spec)); err != nil {
		return eskip.Rule{ID: rule.ID, Err: err}
	}
	return rule
}

func addHost(rule *eskip.Rule, spec function.Spec) error {
	text, field, present := spec.Metadata().Find(AnnotationHost)
	if !present {
		return nil
	}
	names := strings.Split(text, ",")
	if len(names) > eskip.MostArguments {
		return fmt.Errorf("%s: %d hosts are too many: at most %d", field, len(names), eskip.MostArguments)
	}
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if !argument.IsHost(strings.TrimPrefix(names[i], "*.")) {
			return fmt.Errorf("%s: %q is not a host: want names such as example.org or *.example.org, separated by commas", field, names[i])
		}
	}
	rule.Predicates = append(rule.Predicates, hostCall(names))
	return nil
}

func hostCall(names []string) eskip.Call {
	args, alternatives, star := make([]any, len(names)), make([]string, len(names)), false
	for i, name := range names {
		args[i] = name
		rest, wild := strings.CutPrefix(name, "*.")
		alternatives[i] = regexp.QuoteMeta(rest)
		if wild {
			alternatives[i] = `[^.]+\.` + alternatives[i]
			star = true
		}
	}
	if !star {
		return eskip.Call{Name: "HostAny", Args: args}
	}
	return eskip.Call{Name: "Host", Args: []any{eskip.Regexp("^(" + strings.Join(alternatives, "|") + ")$")}}
}

func addPath(rule *eskip.Rule, spec function.Spec) error {
	text, field, present := spec.Metadata().Find(AnnotationPath)
	if !present {
		return nil
	}
	path := CleanPath(text)
	if !strings.HasPrefix(text, "/") || strings.Contains(text, "/:") || strings.Contains(text, "*") {
		return fmt.Errorf("%s: %q: want a path such as /shop; for wildcards use %s<id>", field, text, AnnotationRoute)
	}
	path = trimmed(path)
	rule.Predicates = append(rule.Predicates, eskip.Call{Name: predicateSubtree, Args: []any{path}})
	if path != "/" {
		prefix := eskip.Regexp("^/+" + regexp.QuoteMeta(path[1:]) + "(/|$)")
		rule.Filters = append(rule.Filters,
			eskip.Call{Name: "modPath", Args: []any{prefix, "/"}},
			eskip.Call{Name: "setRequestHeader", Args: []any{"X-Forwarded-Prefix", (&url.URL{Path: path}).EscapedPath()}})
	}
	return nil
}
