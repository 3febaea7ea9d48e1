package function

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// AnnotationPullPolicy says for one function when a deployment asks the registry what
// its image means now: a PullPolicy. Without it the provider's pull_policy counts.
const AnnotationPullPolicy = "com.openfaas.pull-policy"

// PullPolicy says when an image is pulled. The zero value means PullIfNewer. Whatever
// it says, a revision keeps the image that it was deployed with.
type PullPolicy string

// The policies, spelled as Kubernetes and podman spell them.
const (
	// PullAlways pulls at each deployment, which fails without the registry.
	PullAlways PullPolicy = "Always"
	// PullIfNewer asks the registry at each deployment what the reference means now, and
	// pulls what the engine does not have. One that the engine has is used when the registry
	// does not answer, or when the image did not come from there.
	PullIfNewer PullPolicy = "IfNewer"
	// PullIfNotPresent pulls only what the engine does not have.
	PullIfNotPresent PullPolicy = "IfNotPresent"
	// PullNever runs only what the engine has.
	PullNever PullPolicy = "Never"
)

// ParsePullPolicy reads a policy's name, in upper or lower case.
func ParsePullPolicy(text string) (PullPolicy, error) {
	for _, policy := range []PullPolicy{PullAlways, PullIfNewer, PullIfNotPresent, PullNever} {
		if strings.EqualFold(text, string(policy)) {
			return policy, nil
		}
	}
	return "", fmt.Errorf("%q: want %s, %s, %s or %s", text, PullAlways, PullIfNewer, PullIfNotPresent, PullNever)
}

// PullPolicy reads AnnotationPullPolicy; without it the answer is fallback. What is no
// policy is an ErrInvalid that names the field.
func (s Spec) PullPolicy(fallback PullPolicy) (PullPolicy, error) {
	text, field, found := s.Metadata().Find(AnnotationPullPolicy)
	if !found {
		return fallback, nil
	}
	policy, err := ParsePullPolicy(text)
	if err != nil {
		return fallback, Invalid(field, "%v", err)
	}
	return policy, nil
}

// Image is what a reference means on the engine.
type Image struct {
	// ID is the engine's identifier of the image.
	ID string
	// Digest is a reference under which its registry has exactly this image,
	// "ghcr.io/openfaas/figlet@sha256:…"; empty for one that was built, or loaded, on the engine.
	Digest string
	// Config is what it says of its containers; nil if that is not known.
	Config *ImageConfig
	// Kept says why it may be older than what the registry has; empty if it is not.
	Kept string
}

// ImageConfig is what an image says of its containers, as far as the provider acts on it. It is
// kept with the function: the image may be gone. Once stored it is shared and never modified.
type ImageConfig struct {
	// Env are those of its variables that are settings (see Settings), and those whose
	// name speaks of a port and whose value ends with one.
	Env map[string]string `json:"env,omitempty"`
	// Ports are the TCP ports that it EXPOSEs, sorted.
	Ports []int `json:"ports,omitempty"`
	// Tools are the names of its labels by which Docker and its tools know what is theirs, sorted.
	Tools []string `json:"tools,omitempty"`
}

// NewImageConfig reads an image's environment ("name=value"), the ports that it
// EXPOSEs ("8080/tcp") and the names of its labels. What cannot be read is left out.
func NewImageConfig(env, exposed, labels []string) *ImageConfig {
	config := &ImageConfig{Tools: slices.DeleteFunc(slices.Sorted(slices.Values(labels)), func(name string) bool { return !isDockers(name) })}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		if !slices.Contains(settingNames(), name) && portAtEnd(name, value) == 0 {
			continue
		}
		if config.Env == nil {
			config.Env = map[string]string{}
		}
		config.Env[name] = value
	}
	for _, text := range exposed {
		number, protocol, _ := strings.Cut(text, "/")
		if port := parsePort(number); port > 0 && (protocol == "" || strings.EqualFold(protocol, "tcp")) {
			config.Ports = append(config.Ports, port)
		}
	}
	config.Ports = slices.Compact(slices.Sorted(slices.Values(config.Ports)))
	return config
}

// parsePort reads a TCP port; zero is none.
func parsePort(text string) int {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return int(port)
}

// portAtEnd is the port that a variable whose name speaks of one ends with, as
// "http_port=3000" and "LISTEN_PORT=0.0.0.0:3000" do; zero is none.
func portAtEnd(name, value string) int {
	if !strings.Contains(strings.ToLower(name), "port") {
		return 0
	}
	return parsePort(value[strings.LastIndexByte(value, ':')+1:])
}
