package routes

import (
	"fmt"
	"strings"

	"faas-docker/function"
)

// policyFilters ask for policies around the call of the route's function. They have
// the names of the policies, and their arguments the words of the annotations:
// retry("attempts=3", "on=connect,503").
func policyFilters() []FilterSpec {
	var specs []FilterSpec
	for _, name := range function.PolicyNames() {
		specs = append(specs, policySpec(name))
	}
	return specs
}

// policySpec makes the filters of one policy.
type policySpec string

// Name is the policy's.
func (s policySpec) Name() string { return string(s) }

// Create reads the policy. Arguments are put together as if they were one.
func (s policySpec) Create(args []any) (Filter, error) {
	if !takes("?s+", args) {
		return nil, fmt.Errorf("want texts in quotes, as in %s", s.usage())
	}
	var asked function.Policies
	if err := asked.Set(string(s), strings.Join(texts(args), " ")); err != nil {
		return nil, err
	}
	return policyFilter{asked: &asked}, nil
}

// usage shows how it is written.
func (s policySpec) usage() string {
	words := strings.Fields(function.PolicyExample(string(s)))
	return fmt.Sprintf(`%s("%s")`, s, strings.Join(words, `", "`))
}

// policyFilter puts what is asked for on the request; who calls the function reads it
// there. A backend that is no function does not.
type policyFilter struct {
	RequestOnly
	asked *function.Policies
}

func (f policyFilter) Request(c *Context) {
	c.Request = c.Request.WithContext(function.WithPolicies(c.Request.Context(), f.asked))
}
