package filters

import (
	"fmt"
	"strings"
	"time"

	"faas-docker/function"
	"faas-docker/routes"
	"faas-docker/routes/argument"
)

// policyFilters ask for policies around the call of the route's function, by the policies' names, with the
// words of the annotations: retry("attempts=3", "on=connect,503").
func policyFilters() []routes.FilterSpec {
	var specs []routes.FilterSpec
	for _, name := range function.PolicyNames() {
		words := strings.Fields(function.PolicyExample(name))
		usage := fmt.Sprintf(`texts in quotes, as in %s("%s")`, name, strings.Join(words, `", "`))
		specs = append(specs, spec(name, "?s+", usage, func(args []any) (routes.RequestFunc, error) {
			return askFor(name, strings.Join(argument.Texts(args), " "))
		}))
	}
	return specs
}

// askFor makes a filter that asks for one policy: it puts it on the request, where the caller
// of the function reads it. Of a backend that is no function only the breaker is read.
func askFor(policy, text string) (routes.RequestFunc, error) {
	asked := &function.Policies{}
	err := asked.Set(policy, text)
	return func(c *routes.Context) {
		c.Request = c.Request.WithContext(function.WithPolicies(c.Request.Context(), asked))
	}, err
}

const breakerRest = 10 * time.Second

// newConsecutiveBreaker reads failures, rest and trials; not skipper's fourth, about unused breakers.
func newConsecutiveBreaker(args []any) (routes.RequestFunc, error) {
	failures, err := argument.Count(args[0])
	rest, trials := breakerRest, 1
	if err == nil && len(args) > 1 {
		rest, err = argument.DurationIn(args[1], time.Millisecond)
	}
	if err == nil && len(args) > 2 {
		trials, err = argument.Count(args[2])
	}
	if err != nil {
		return nil, err
	}
	return askFor(function.PolicyBreaker, fmt.Sprintf("failures=%d open=%s trials=%d", failures, rest, trials))
}

func newDisableBreaker([]any) (routes.RequestFunc, error) {
	return askFor(function.PolicyBreaker, "off")
}
