package routes

import (
	"context"

	"faas-docker/function"
	"faas-docker/routes/eskip"
)

// Source is a place that rules come from.
type Source interface {
	// Name tells the source from others in reports.
	Name() string
	// LoadAll returns all rules of the source as they are now. Rules that could not be
	// read are among them and say so; an error means that nothing is known, and what
	// was loaded last stays. It returns when the context ends.
	LoadAll(context.Context) ([]eskip.Rule, error)
	// Changed is a doorbell: it delivers when LoadAll should be called again, one ring
	// for any number of changes. Nil means that the source must be polled.
	Changed() <-chan struct{}
}

// bell, of capacity one, remembers a ring until it is listened to.
type bell chan struct{}

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// deployed is the Source of functions' annotations. It is rung when any is deployed or deleted.
type deployed struct {
	specs func() []function.Spec
	bell  bell
}

func (d *deployed) Name() string                                  { return "annotations" }
func (d *deployed) Changed() <-chan struct{}                      { return d.bell }
func (d *deployed) LoadAll(context.Context) ([]eskip.Rule, error) { return FromSpecs(d.specs()), nil }
