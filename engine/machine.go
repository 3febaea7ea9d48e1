package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/system"

	"faas-docker/function"
)

// machineAge is how long what the engine said of its machine is believed. It
// changes only with a new daemon.json and a restart.
const machineAge = time.Minute

// Machine is the engine's machine. What it is told is remembered for a minute.
type Machine struct {
	*daemon

	mu    sync.Mutex // protects the fields below, and is not held across I/O
	known system.Info
	asked time.Time
}

// Capacity returns how many processors and how much memory the engine has.
func (m *Machine) Capacity(ctx context.Context) (cpus int, memoryBytes int64, err error) {
	info, err := m.inspect(ctx)
	return info.NCPU, info.MemTotal, err
}

// Processors returns what the processors of the engine's machine have done; nothing for
// another machine than this one.
func (m *Machine) Processors() function.Processors {
	if !m.isHere() {
		return function.Processors{}
	}
	return hostProcessors()
}

func (m *Machine) architecture(ctx context.Context) (string, error) {
	info, err := m.inspect(ctx)
	return canonicalArch(info.Architecture), err
}

// Check reports, as an ErrInvalid that names the field, what only the engine can
// judge of a spec: whether the image is a reference, whether this machine meets
// the constraints, and whether Docker can hand out the GPUs.
func (m *Machine) Check(ctx context.Context, spec function.Spec) error {
	if _, err := parseImage(spec.Image); err != nil {
		return err
	}
	if err := checkGPUs(spec); err != nil {
		return err
	}
	if len(spec.Constraints) == 0 {
		return nil
	}
	info, err := m.inspect(ctx)
	if err != nil {
		return err
	}
	return checkConstraints(spec.Constraints, factsOf(info))
}

func (m *Machine) inspect(ctx context.Context) (system.Info, error) {
	m.mu.Lock()
	known, asked := m.known, m.asked
	m.mu.Unlock()
	if time.Since(asked) < machineAge {
		return known, nil
	}
	known, err := m.docker.Info(ctx)
	if err != nil {
		return system.Info{}, m.explain("ask for the engine's capacity", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known, m.asked = known, time.Now()
	return known, nil
}

// factsOf lists what constraints are judged by: the engine's labels and the machine's name,
// system and architecture, each under the names that Swarm and Kubernetes give it.
func factsOf(info system.Info) map[string]string {
	arch := canonicalArch(info.Architecture)
	facts := map[string]string{
		"node.id":                info.ID,
		"node.hostname":          info.Name,
		"node.role":              strings.Join(roles(), " and "),
		"node.platform.os":       info.OSType,
		"node.platform.arch":     arch,
		"kubernetes.io/hostname": info.Name,
	}
	for _, prefix := range []string{"", "beta."} {
		facts[prefix+"kubernetes.io/os"] = info.OSType
		facts[prefix+"kubernetes.io/arch"] = arch
	}
	for _, label := range info.Labels {
		key, value, _ := strings.Cut(label, "=")
		for _, prefix := range []string{"", "node.labels.", "engine.labels."} {
			if _, taken := facts[prefix+key]; !taken {
				facts[prefix+key] = value
			}
		}
	}
	return facts
}

func checkConstraints(constraints []string, facts map[string]string) error {
	for i, text := range constraints {
		field := fmt.Sprintf("constraints[%d]", i)
		c, err := function.ParseConstraint(text)
		if err != nil {
			return function.Invalid(field, "%q: want key=value, key==value or key!=value", text)
		}
		if c = asFact(c); c.Allows(facts) || c.Key == "node.role" && slices.Contains(roles(), c.Value) {
			continue
		}
		has, known := facts[c.Key]
		if known {
			return function.Invalid(field, "%q: on this machine %s is %q", text, c.Key, has)
		}
		return function.Invalid(field, "%q: this machine has no label %q: labels are set in Docker's daemon.json, as in {\"labels\": [\"%s=%s\"]}",
			text, c.Key, strings.TrimPrefix(strings.TrimPrefix(c.Key, "node.labels."), "engine.labels."), c.Value)
	}
	return nil
}

// roles are what a machine is in a Swarm of which it is all: a rule that wants either, or
// does not want either, is written for the other machines of a larger one.
func roles() []string { return []string{"manager", "worker"} }

// asFact spells a rule about the machine itself as the machine's facts are spelled. Swarm
// takes it in any case; what users have named themselves is theirs.
func asFact(c function.Constraint) function.Constraint {
	key := strings.ToLower(c.Key)
	isFact := slices.Contains([]string{"node.role", "node.hostname", "node.id"}, key) ||
		strings.HasPrefix(key, "node.platform.") || strings.HasPrefix(strings.TrimPrefix(key, "beta."), "kubernetes.io/")
	if !isFact {
		return c
	}
	c.Key = key
	if !strings.HasSuffix(key, "hostname") && key != "node.id" {
		c.Value = strings.ToLower(c.Value)
	}
	if strings.HasSuffix(key, "arch") {
		c.Value = canonicalArch(c.Value)
	}
	return c
}

// canonicalArch spells an architecture as Go and image indexes do; the kernel,
// and so Swarm, has names of its own.
func canonicalArch(arch string) string {
	switch arch {
	case "x86_64", "x86-64", "x64":
		return "amd64"
	case "aarch64", "arm64v8":
		return "arm64"
	case "armv6l", "armv7l", "armhf":
		return "arm"
	case "i386", "i686":
		return "386"
	}
	return arch
}

// checkGPUs refuses what no version of Docker has a driver for. Whether the
// driver of another vendor is installed shows only when a container starts.
func checkGPUs(spec function.Spec) error {
	for field, r := range map[string]*function.Resources{"limits": spec.Limits, "requests": spec.Requests} {
		if r != nil && r.IntelGPU != "" {
			return function.Invalid(field+".intel.com/gpu", "Docker cannot hand out Intel GPUs: nvidia.com/gpu and amd.com/gpu are known")
		}
	}
	return nil
}
