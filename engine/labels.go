package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/docker/docker/api/types/filters"

	"faas-docker/function"
)

// The values of function.LabelRole. Every container of ours has one, so that a
// label that an image brings along cannot change what a container is.
const (
	roleFunction    = "function"
	roleSecrets     = "secrets"
	roleHolder      = "holder"
	roleHolderImage = "holder-image"
)

// encodeLabels returns the labels of a function's containers: the user's own,
// and ours, which win. Those that do not apply are there, empty, because the
// image's own would count otherwise.
func encodeLabels(f function.Function, provider string) map[string]string {
	labels := make(map[string]string, len(f.Labels)+9)
	maps.Copy(labels, f.Labels)
	maps.Copy(labels, identityLabels(f, provider))
	labels[function.LabelRole] = roleFunction
	labels[function.LabelFaaS] = f.Name
	labels[function.LabelSpec] = encodeSpec(f.Spec)
	labels[function.LabelHolder], labels[function.LabelAddress] = "", ""
	return labels
}

// identityLabels says whose something is: they are on containers and volumes.
func identityLabels(f function.Function, provider string) map[string]string {
	return map[string]string{
		function.LabelProvider:  provider,
		function.LabelFunction:  f.Name,
		function.LabelNamespace: f.Namespace,
		function.LabelRevision:  strconv.FormatUint(f.Revision, 10),
	}
}

func encodeSpec(spec function.Spec) string {
	text, err := json.Marshal(spec)
	if err != nil {
		// A Spec is texts, lists and maps of texts: there is nothing to fail at.
		panic(err)
	}
	return string(text)
}

// identity is what labels say of a container or a volume.
type identity struct {
	name     function.Name
	revision uint64
}

func decodeIdentity(labels map[string]string) (identity, error) {
	name := function.Name{Name: labels[function.LabelFunction], Namespace: labels[function.LabelNamespace]}
	if err := name.Validate(); err != nil {
		return identity{}, fmt.Errorf("read label %s: %w", function.LabelFunction, err)
	}
	revision, err := strconv.ParseUint(labels[function.LabelRevision], 10, 64)
	if err != nil {
		return identity{}, fmt.Errorf("read label %s: %w", function.LabelRevision, err)
	}
	return identity{name: name, revision: revision}, nil
}

func decodeSpec(labels map[string]string) (function.Spec, error) {
	var spec function.Spec
	if err := json.Unmarshal([]byte(labels[function.LabelSpec]), &spec); err != nil {
		return function.Spec{}, fmt.Errorf("read label %s: %w", function.LabelSpec, err)
	}
	return spec, nil
}

// replicaFilter selects the containers of one function; the zero Name selects
// those of all of this provider's functions.
func replicaFilter(provider string, name function.Name) filters.Args {
	selected := roleFilter(provider, roleFunction)
	if !name.IsZero() {
		selected.Add("label", function.LabelFunction+"="+name.Name)
		selected.Add("label", function.LabelNamespace+"="+name.Namespace)
	}
	return selected
}

// roleFilter selects all containers of this provider that have a role; an empty
// role selects those of all roles, and volumes, which have none.
func roleFilter(provider, role string) filters.Args {
	selected := filters.NewArgs(filters.Arg("label", function.LabelProvider+"="+provider))
	if role != "" {
		selected.Add("label", function.LabelRole+"="+role)
	}
	return selected
}

// eventFilter selects the events after which a list of replicas differs.
func eventFilter(provider string) filters.Args {
	selected := replicaFilter(provider, function.Name{})
	selected.Add("type", "container")
	for _, action := range []string{"start", "die", "destroy", "pause", "unpause", "oom"} {
		selected.Add("event", action)
	}
	return selected
}
