package function_test

import (
	"fmt"
	"strings"
	"testing"

	"faas-docker/function"
	"faas-docker/routes/routestest"
)

// What a deployment says is judged in proportion to its length.
func TestSpec_ValidateCostsInProportionToTheText(t *testing.T) {
	good := func() function.Spec {
		return function.Spec{Name: "f", Namespace: "n", Image: "i", Labels: map[string]string{}, Annotations: map[string]string{}, EnvVars: map[string]string{}}
	}
	validate := func(change func(s *function.Spec, text string)) func(string) {
		return func(text string) {
			s := good()
			change(&s, text)
			_ = s.Validate()
		}
	}
	many := func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "s%d ", i)
		}
		return b.String()
	}
	routestest.Linear(t, "secrets", many, validate(func(s *function.Spec, text string) { s.Secrets = strings.Fields(text) }))
	routestest.Linear(t, "constraints", many, validate(func(s *function.Spec, text string) {
		for _, word := range strings.Fields(text) {
			s.Constraints = append(s.Constraints, word+"=x")
		}
	}))
	for name, fields := range map[string]func(*function.Spec) map[string]string{
		"labels": func(s *function.Spec) map[string]string { return s.Labels }, "annotations": func(s *function.Spec) map[string]string { return s.Annotations }, "variables": func(s *function.Spec) map[string]string { return s.EnvVars },
	} {
		for _, prefix := range []string{"", function.PolicyPrefix, "com.openfaas.health.http.", "com.openfaas.route."} {
			routestest.Linear(t, name+" "+prefix, many, validate(func(s *function.Spec, text string) {
				for _, word := range strings.Fields(text) {
					fields(s)[prefix+word] = "x"
				}
			}))
		}
	}
	for _, piece := range routestest.Pieces() {
		text := routestest.Repeated(piece)
		for _, policy := range function.PolicyNames() {
			routestest.Linear(t, fmt.Sprintf("policy %s %q", policy, piece), text, func(text string) {
				var p function.Policies
				if err := p.Set(policy, text); err == nil || len(err.Error()) > 8<<10 {
					t.Errorf("policy %s, %q repeated: %.100v", policy, piece, err)
				}
			})
		}
	}
}
