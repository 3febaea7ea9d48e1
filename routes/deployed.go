package routes

import (
	"context"

	"faas-docker/function"
)

// Deployed is the Source of the rules in the annotations of functions. Its methods are
// safe for concurrent use.
type Deployed struct {
	specs func() []function.Spec
	bell  bell
}

// NewDeployed makes a source of what specs returns: all functions as they are now.
func NewDeployed(specs func() []function.Spec) *Deployed {
	return &Deployed{specs: specs, bell: newBell()}
}

// Ring says that functions have been deployed or deleted.
func (d *Deployed) Ring() { d.bell.ring() }

// Name returns "annotations".
func (d *Deployed) Name() string { return "annotations" }

// Changed delivers after Ring.
func (d *Deployed) Changed() <-chan struct{} { return d.bell }

// LoadAll reads the annotations of all functions.
func (d *Deployed) LoadAll(context.Context) ([]Rule, error) { return FromSpecs(d.specs()), nil }
