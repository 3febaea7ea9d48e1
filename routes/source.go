package routes

import (
	"context"
	"slices"
	"sync"
)

// Source is a place that rules come from.
type Source interface {
	// Name tells the source from others in reports.
	Name() string
	// LoadAll returns all rules of the source as they are now. Rules that could not be
	// read are among them and say so; an error means that nothing is known, and what
	// was loaded last stays. It returns when the context ends.
	LoadAll(context.Context) ([]Rule, error)
	// Changed is a doorbell: it delivers when LoadAll should be called again, one ring
	// for any number of changes. Nil means that the source must be polled.
	Changed() <-chan struct{}
}

// Pushed is a Source that is told its rules. Its methods are safe for concurrent use.
type Pushed struct {
	name string
	bell bell
	// mu protects rules.
	mu    sync.Mutex
	rules []Rule
}

// NewPushed makes a source without rules.
func NewPushed(name string) *Pushed { return &Pushed{name: name, bell: newBell()} }

// Name returns the name.
func (p *Pushed) Name() string { return p.name }

// Set replaces all rules.
func (p *Pushed) Set(rules []Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rules != nil && slices.EqualFunc(p.rules, rules, Rule.Equal) {
		return
	}
	p.rules = slices.Clone(rules)
	p.bell.ring()
}

// LoadAll returns the rules that were Set last.
func (p *Pushed) LoadAll(context.Context) ([]Rule, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.rules), nil
}

// Changed delivers after Set.
func (p *Pushed) Changed() <-chan struct{} { return p.bell }

// bell remembers one ring until somebody listens.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
