package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/docker/docker/api/types/filters"

	"faas-docker/function"
)

// encodeLabels returns the labels of a function's containers: the user's own,
// and ours, which win. Those that do not apply are there, empty, because the
// image's own would count otherwise: Compose would take the container for one of its own.
func encodeLabels(f function.Function, provider string) map[string]string {
	labels := make(map[string]string, len(f.Labels)+11)
	maps.Copy(labels, f.Labels)
	maps.Copy(labels, identityLabels(f, provider))
	labels[function.LabelRole] = function.RoleFunction
	labels[function.LabelFaaS] = f.Name
	labels[function.LabelSpec] = marshal(f.Spec)
	labels[function.LabelPort] = strconv.Itoa(f.Settings().Port())
	labels[function.LabelImageConfig], labels[function.LabelHolder], labels[function.LabelAddress] = "", "", ""
	if f.ImageConfig != nil {
		labels[function.LabelImageConfig] = marshal(f.ImageConfig)
		for _, name := range f.ImageConfig.Tools {
			labels[name] = ""
		}
	}
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

// marshal writes a label's texts, numbers, lists and maps: there is nothing to fail at.
func marshal(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
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
	err := unmarshal(labels, function.LabelSpec, &spec)
	return spec, err
}

// decodeImageConfig returns nil for containers of older providers, and where the
// configuration is unknown.
func decodeImageConfig(labels map[string]string) (*function.ImageConfig, error) {
	if labels[function.LabelImageConfig] == "" {
		return nil, nil
	}
	config := &function.ImageConfig{}
	err := unmarshal(labels, function.LabelImageConfig, config)
	return config, err
}

func unmarshal(labels map[string]string, key string, into any) error {
	if err := json.Unmarshal([]byte(labels[key]), into); err != nil {
		return fmt.Errorf("read label %s: %w", key, err)
	}
	return nil
}

// labelledPort is where a replica listens. Containers of older providers say nothing.
func labelledPort(labels map[string]string) uint16 {
	port, err := strconv.ParseUint(labels[function.LabelPort], 10, 16)
	if err != nil || port == 0 {
		return function.DefaultPort
	}
	return uint16(port)
}

// labelFilter selects what is this provider's, has a role, and is a function's. An empty
// role selects all roles, and volumes, which have none; the zero Name selects those of all
// functions.
func labelFilter(provider, role string, name function.Name) filters.Args {
	selected := filters.NewArgs(filters.Arg("label", function.LabelProvider+"="+provider))
	if role != "" {
		selected.Add("label", function.LabelRole+"="+role)
	}
	if !name.IsZero() {
		selected.Add("label", function.LabelFunction+"="+name.Name)
		selected.Add("label", function.LabelNamespace+"="+name.Namespace)
	}
	return selected
}

// eventFilter selects the events after which a list of replicas differs.
func eventFilter(provider string) filters.Args {
	selected := labelFilter(provider, function.RoleFunction, function.Name{})
	selected.Add("type", "container")
	for _, action := range []string{"start", "die", "destroy", "pause", "unpause", "oom"} {
		selected.Add("event", action)
	}
	return selected
}
