package routes

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"faas-docker/function"
	"faas-docker/routes/eskip"
)

// RuleStore is where APIRules keeps its rules between runs of the program.
type RuleStore interface {
	// Routes returns the texts of all rules by their names.
	Routes() (map[string]string, error)
	// PutRoutes keeps rules, all of them or none.
	PutRoutes(texts map[string]string) error
	DeleteRoute(id string) error
}

// APIRules is the Source of the rules of the API. Its methods are safe for concurrent use.
type APIRules struct {
	store   RuleStore
	options Options
	bell    bell
	// mu protects rules, and orders what is stored.
	mu    sync.Mutex
	rules map[string]eskip.Rule
}

// APISource is the name of the source of the rules that came over the API.
const APISource = "api"

// NewAPIRules reads the rules that are in the store. The options are those the table is built
// with: rules that could not be built are refused.
func NewAPIRules(store RuleStore, o Options) (*APIRules, error) {
	b := &APIRules{store: store, options: o, bell: make(bell, 1), rules: map[string]eskip.Rule{}}
	texts, err := store.Routes()
	if err != nil {
		return nil, fmt.Errorf("read the routes of the API: %w", err)
	}
	for id, text := range texts {
		b.rules[id] = eskip.ParseOne(id, text, nil)
	}
	return b, nil
}

// Name returns APISource.
func (b *APIRules) Name() string { return APISource }

// Changed delivers after Put and Delete.
func (b *APIRules) Changed() <-chan struct{} { return b.bell }

// LoadAll returns all rules, by name.
func (b *APIRules) LoadAll(context.Context) ([]eskip.Rule, error) { return b.Rules(), nil }

// Rules returns all rules, by name.
func (b *APIRules) Rules() []eskip.Rule {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.rules), func(x, y eskip.Rule) int { return cmp.Compare(x.ID, y.ID) })
}

// PutText adds the rules of a text, as Put does: one rule that may go without a name
// if id gives it one, or any number with names if id is empty. It returns them.
func (b *APIRules) PutText(id, text string) ([]eskip.Rule, error) {
	rules := eskip.ParseEach(text)
	if id != "" {
		rules = []eskip.Rule{eskip.ParseOne(id, text, nil)}
	}
	if len(rules) == 0 {
		return nil, function.Invalid("body", `no rule in it: want one such as shop: Path("/shop") -> "function:shop"`)
	}
	return rules, b.Put(rules...)
}

// Put adds rules in place of those with their names: all, which come into force together, or none. Rules
// that can never work are a function.ErrInvalid.
func (b *APIRules) Put(rules ...eskip.Rule) error {
	texts, err := b.check(rules)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	all := maps.Clone(b.rules)
	for _, rule := range rules {
		all[rule.ID] = rule
	}
	if len(all) > eskip.MostRules {
		return function.Conflict("routes: the API keeps at most %d rules, and has %d: delete some first", eskip.MostRules, len(b.rules))
	}
	if err := b.store.PutRoutes(texts); err != nil {
		return fmt.Errorf("keep routes: %w", err)
	}
	b.rules = all
	b.bell.ring()
	return nil
}

// check refuses rules unless each can be built, and returns their texts by name. Each is looked at alone:
// its conditions may well be those of a rule that is about to be deleted.
func (b *APIRules) check(rules []eskip.Rule) (texts map[string]string, err error) {
	texts = map[string]string{}
	var reasons []string
	o := b.options
	o.Previous = nil
	builder := newBuilder(o)
	for _, rule := range rules {
		if reason := judge(builder, rule, texts); reason != "" {
			reasons = append(reasons, reason)
		}
		if len(reasons) == mostReasons {
			return nil, function.Invalid("routes", "%s; and perhaps more behind them", strings.Join(reasons, "; "))
		}
		nameless := rule
		nameless.ID = ""
		texts[rule.ID] = nameless.String()
	}
	if reasons != nil {
		return nil, function.Invalid("routes", "%s", strings.Join(reasons, "; "))
	}
	return texts, nil
}

const mostReasons = 20

// judge says why a rule cannot be taken beside those that were; empty means it can.
func judge(b *builder, rule eskip.Rule, taken map[string]string) string {
	if rule.Err == nil && rule.ID == "" {
		return fmt.Sprintf("%s has no name: want a name and a colon before it", rule)
	}
	if _, twice := taken[rule.ID]; twice {
		return fmt.Sprintf("%q is there twice", rule.ID)
	}
	if err := b.check(rule); err != nil {
		return Problem{Rule: rule, Err: err}.String()
	}
	return ""
}

// Delete removes a rule; one that does not exist is a function.ErrNotFound.
func (b *APIRules) Delete(id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, exists := b.rules[id]; !exists {
		return function.NotFound("route %q was not made over the API", id)
	}
	if err := b.store.DeleteRoute(id); err != nil {
		return fmt.Errorf("delete route %q: %w", id, err)
	}
	delete(b.rules, id)
	b.bell.ring()
	return nil
}
