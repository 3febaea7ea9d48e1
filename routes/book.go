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
)

// Shelf is where a Book keeps its rules between runs of the program.
type Shelf interface {
	// Routes returns the texts of all rules by their names.
	Routes() (map[string]string, error)
	// PutRoutes keeps rules, all of them or none.
	PutRoutes(texts map[string]string) error
	DeleteRoute(id string) error
}

// Book is the Source of the rules that came over the API. Its methods are safe for
// concurrent use.
type Book struct {
	name    string
	shelf   Shelf
	options Options
	bell    bell
	// mu protects rules, and orders what is put on the shelf.
	mu    sync.Mutex
	rules map[string]Rule
}

// NewBook reads the rules that are on the shelf; nil is no shelf, and nothing is kept.
// The options are those the table is built with: rules that could not be built are
// refused.
func NewBook(name string, shelf Shelf, o Options) (*Book, error) {
	b := &Book{name: name, shelf: shelf, options: o, bell: newBell(), rules: map[string]Rule{}}
	if shelf == nil {
		return b, nil
	}
	texts, err := shelf.Routes()
	if err != nil {
		return nil, fmt.Errorf("read the routes of the API: %w", err)
	}
	for id, text := range texts {
		b.rules[id] = parseOne(id, text, nil)
	}
	return b, nil
}

// Name returns the name.
func (b *Book) Name() string { return b.name }

// Changed delivers after Put and Delete.
func (b *Book) Changed() <-chan struct{} { return b.bell }

// LoadAll returns all rules, by name.
func (b *Book) LoadAll(context.Context) ([]Rule, error) { return b.Rules(), nil }

// Rules returns all rules, by name.
func (b *Book) Rules() []Rule {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.rules), func(x, y Rule) int { return cmp.Compare(x.ID, y.ID) })
}

// PutText adds the rules of a text, as Put does: one rule that may go without a name
// if id gives it one, or any number with names if id is empty. It returns them.
func (b *Book) PutText(id, text string) ([]Rule, error) {
	rules := parseEach(text)
	if id != "" {
		rules = []Rule{parseOne(id, text, nil)}
	}
	if len(rules) == 0 {
		return nil, function.Invalid("body", `no rule in it: want one such as shop: Path("/shop") -> "function:shop"`)
	}
	return rules, b.Put(rules...)
}

// Put adds rules, each in place of the one that has its name. Either all are taken,
// and come into force together, or none. Rules that can never work are a
// function.ErrInvalid.
func (b *Book) Put(rules ...Rule) error {
	texts, err := b.check(rules)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shelf != nil {
		if err := b.shelf.PutRoutes(texts); err != nil {
			return fmt.Errorf("keep routes: %w", err)
		}
	}
	for _, rule := range rules {
		b.rules[rule.ID] = rule
	}
	b.bell.ring()
	return nil
}

// check refuses what cannot be built, and returns the rest as it is kept. The
// conditions of a rule may well be those of one that is about to be deleted, so each
// is looked at alone.
func (b *Book) check(rules []Rule) (texts map[string]string, err error) {
	texts = map[string]string{}
	var reasons []string
	for _, rule := range rules {
		if reason := b.judge(rule, texts); reason != "" {
			reasons = append(reasons, reason)
			continue
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

// judge says why a rule cannot be taken beside those that were; empty means it can.
func (b *Book) judge(rule Rule, taken map[string]string) string {
	if rule.Err == nil && rule.ID == "" {
		return fmt.Sprintf("%s has no name: want a name and a colon before it", rule)
	}
	if _, twice := taken[rule.ID]; twice {
		return fmt.Sprintf("%q is there twice", rule.ID)
	}
	o := b.options
	o.Previous = nil
	table, problems := Build([]Rule{rule}, o)
	table.close()
	for _, p := range problems {
		return p.String()
	}
	return ""
}

// Delete removes a rule; one that does not exist is a function.ErrNotFound.
func (b *Book) Delete(id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, exists := b.rules[id]; !exists {
		return function.NotFound("route %q was not made over the API", id)
	}
	if b.shelf != nil {
		if err := b.shelf.DeleteRoute(id); err != nil {
			return fmt.Errorf("delete route %q: %w", id, err)
		}
	}
	delete(b.rules, id)
	b.bell.ring()
	return nil
}
