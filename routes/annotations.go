package routes

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"faas-docker/function"
)

// The annotations by which a function asks for requests.
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

// FromSpecs makes rules of the annotations of functions, in the order of the
// functions' names. Annotations that make no sense become rules that say so.
func FromSpecs(specs []function.Spec) []Rule {
	specs = slices.Clone(specs)
	slices.SortFunc(specs, func(a, b function.Spec) int { return cmp.Compare(a.ID().String(), b.ID().String()) })
	var rules []Rule
	for _, spec := range specs {
		rules = append(rules, fromSpec(spec)...)
	}
	return rules
}

// CheckSpec says, as a function.ErrInvalid, what is wrong with the rules in the
// annotations of one function, as far as can be told without those of others.
func CheckSpec(spec function.Spec, o Options) error {
	o.Previous = nil
	table, problems := Build(fromSpec(spec), o)
	table.close()
	var reasons []string
	for _, p := range problems {
		reason := p.Err.Error()
		if p.Rule.Err == nil {
			reason = fmt.Sprintf("annotations[%q]: %s", AnnotationRoute+p.Rule.ID, reason)
		}
		reasons = append(reasons, reason)
	}
	if reasons == nil {
		return nil
	}
	return &function.Failure{Kind: function.ErrInvalid, Text: strings.Join(reasons, "; ")}
}

func fromSpec(spec function.Spec) []Rule {
	var rules []Rule
	for _, key := range slices.Sorted(maps.Keys(spec.Annotations)) {
		if id, found := strings.CutPrefix(key, AnnotationRoute); found {
			rules = append(rules, annotatedRule(spec, key, id))
		}
	}
	_, host := spec.Annotations[AnnotationHost]
	_, path := spec.Annotations[AnnotationPath]
	if host || path {
		rules = append(rules, shortRule(spec))
	}
	source := "function " + spec.ID().String()
	for i := range rules {
		rules[i].Source = source
	}
	return rules
}

// annotatedRule reads a whole rule.
func annotatedRule(spec function.Spec, key, id string) Rule {
	text := spec.Annotations[key]
	if !isName(id) {
		return Rule{ID: id, Text: text, Err: fmt.Errorf("annotations[%q]: %w", key, errNotName(id))}
	}
	backend := FunctionBackend(spec.ID())
	rule := parseOne(id, text, &backend)
	if rule.Err != nil {
		rule.Err = fmt.Errorf("annotations[%q]: %w", key, rule.Err)
	}
	return rule
}

// shortRule makes a rule of a host, a path or both.
func shortRule(spec function.Spec) Rule {
	rule := Rule{ID: "function." + spec.ID().String(), Backend: FunctionBackend(spec.ID())}
	steps := []func(*Rule, function.Spec) error{addHost, addPath}
	for _, step := range steps {
		if err := step(&rule, spec); err != nil {
			return Rule{ID: rule.ID, Err: err}
		}
	}
	return rule
}

func addHost(rule *Rule, spec function.Spec) error {
	text, present := spec.Annotations[AnnotationHost]
	if !present {
		return nil
	}
	names := strings.Split(text, ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if !isHost(strings.TrimPrefix(names[i], "*.")) {
			return fmt.Errorf("annotations[%q]: %q is not a host: want names such as example.org or *.example.org, separated by commas", AnnotationHost, names[i])
		}
	}
	rule.Predicates = append(rule.Predicates, hostCall(names))
	return nil
}

func isHost(name string) bool {
	for _, c := range []byte(name) {
		if !isNameByte(c) && c != ':' && c != '[' && c != ']' {
			return false
		}
	}
	return name != "" && !strings.HasPrefix(name, ".")
}

// hostCall is the condition for a few names.
func hostCall(names []string) PredicateCall {
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
		return PredicateCall{Name: "HostAny", Args: args}
	}
	return PredicateCall{Name: "Host", Args: []any{Regexp("^(" + strings.Join(alternatives, "|") + ")$")}}
}

func addPath(rule *Rule, spec function.Spec) error {
	text, present := spec.Annotations[AnnotationPath]
	if !present {
		return nil
	}
	path := cleanPath(text)
	if !strings.HasPrefix(text, "/") || strings.Contains(text, "/:") || strings.Contains(text, "*") {
		return fmt.Errorf("annotations[%q]: %q: want a path such as /shop; for wildcards use %s<id>", AnnotationPath, text, AnnotationRoute)
	}
	path = trimmed(path)
	rule.Predicates = append(rule.Predicates, PredicateCall{Name: predicateSubtree, Args: []any{path}})
	if path != "/" {
		prefix := Regexp("^/+" + regexp.QuoteMeta(path[1:]) + "(/|$)")
		rule.Filters = append(rule.Filters, FilterCall{Name: "modPath", Args: []any{prefix, "/"}})
	}
	return nil
}
