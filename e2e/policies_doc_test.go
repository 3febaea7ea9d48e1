package e2e

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"faas-docker/function"
)

// Every example of docs/policies.md is one that a deployment accepts, and every
// policy has one.
func TestPoliciesDoc_ExamplesAreAccepted(t *testing.T) {
	raw, err := os.ReadFile("docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, example := range regexp.MustCompile(`(?m)^\s*(com\.openfaas\.policy\.(\w+)): (.+)$`).FindAllStringSubmatch(string(raw), -1) {
		shown[example[2]] = true
		spec := function.Spec{Name: "f", Namespace: "n", Image: "i", Annotations: map[string]string{example[1]: example[3]}}
		if err := spec.Validate(); err != nil {
			t.Error(err)
		}
	}
	if got, want := slices.Sorted(maps.Keys(shown)), slices.Sorted(slices.Values(function.PolicyNames())); !slices.Equal(got, want) {
		t.Errorf("examples of %v, want of %v", got, want)
	}
}
