package engine

import (
	"cmp"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"faas-docker/engine/holders"
	"faas-docker/function"
)

const (
	// minMemory is the least that Docker accepts as a limit; the suites of other
	// providers deploy less, which Kubernetes accepts.
	minMemory = 6 << 20
	// minNanoCPUs is the least that Docker accepts as a limit.
	minNanoCPUs = 1e7
	// maxCPUShares is what the kernel silently lowers larger weights to.
	maxCPUShares = 1 << 18
	// pidsLimit stops a fork bomb long before the machine runs out of processes,
	// and is out of the way of watchdogs that fork once for each request, and of
	// runtimes with a thread for each.
	pidsLimit = 1024
)

// secretsPath is where functions of OpenFaaS read their secrets.
const secretsPath = "/var/openfaas/secrets"

// host is what a container's configuration depends on beside the function.
type host struct {
	// network is the name of the network that functions live on.
	network string
	cpus    int
	// logDriver is what the engine uses for containers that name none.
	logDriver string
	// holder is whose network namespace the container joins. The zero Holder
	// means one of its own.
	holder holders.Holder
}

// containerConfig returns what Docker is asked to create for one replica.
func containerConfig(f function.Function, h host) (*container.Config, *container.HostConfig) {
	config := &container.Config{
		Image:  f.ImageID,
		Env:    environment(f.Spec),
		Labels: encodeLabels(f, h.network),
		// The provider asks itself. The image's own check would find replicas that are
		// frozen unhealthy, and there are programs that restart what is unhealthy.
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	hostConfig := &container.HostConfig{
		NetworkMode:    container.NetworkMode(h.network),
		SecurityOpt:    []string{"no-new-privileges"},
		CapDrop:        []string{"ALL"},
		CapAdd:         f.Capabilities(),
		ReadonlyRootfs: f.ReadOnlyRootFilesystem,
		Resources:      resources(f.Spec, h.cpus),
		LogConfig:      logConfig(h.logDriver),
		// Replicas that stop are replaced, not restarted: Docker's own back-off
		// would compete with ours.
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
	}
	if len(f.Secrets) > 0 {
		hostConfig.Mounts = []mount.Mount{secretsMount(f, h.network, true)}
	}
	if f.ReadOnlyRootFilesystem {
		// Watchdogs keep a lock file in /tmp. Docker would add noexec; runtimes that
		// unpack native libraries there need it executable, as in Kubernetes.
		hostConfig.Tmpfs = map[string]string{"/tmp": "rw,exec,nosuid,nodev,mode=1777"}
	}
	if !h.holder.IsZero() {
		hostConfig.NetworkMode = container.NetworkMode("container:" + h.holder.ID)
		// Docker knows no address of a container in another's namespace.
		config.Labels[function.LabelHolder] = h.holder.ID
		config.Labels[function.LabelAddress] = h.holder.Address.String()
	}
	return config, hostConfig
}

// environment lists each variable once, sorted. What the provider sets wins,
// because which of two equal names counts depends on the function's language.
func environment(spec function.Spec) []string {
	variables := map[string]string{}
	maps.Copy(variables, spec.EnvVars)
	if spec.EnvProcess != "" {
		variables["fprocess"] = spec.EnvProcess
	}
	variables["OPENFAAS_NAME"] = spec.Name
	variables["OPENFAAS_NAMESPACE"] = spec.Namespace
	list := make([]string, 0, len(variables))
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		list = append(list, name+"="+variables[name])
	}
	return list
}

func secretsMount(f function.Function, network string, readOnly bool) mount.Mount {
	return mount.Mount{
		Type:     mount.TypeVolume,
		Source:   secretsVolume(f, network),
		Target:   secretsPath,
		ReadOnly: readOnly,
		// What the image has at this path must not be copied among the secrets.
		VolumeOptions: &mount.VolumeOptions{NoCopy: true},
	}
}

// logConfig bounds what a chatty function writes to disk, where the engine would
// keep everything. The options of another driver were chosen with it.
func logConfig(driver string) container.LogConfig {
	if driver != "json-file" {
		return container.LogConfig{}
	}
	return container.LogConfig{Type: driver, Config: map[string]string{"max-size": "10m", "max-file": "3"}}
}

func resources(spec function.Spec, cpus int) container.Resources {
	limitedMemory, limitedCPU := spec.Limits.Amounts()
	requestedMemory, requestedCPU := spec.Requests.Amounts()
	pids := int64(pidsLimit)
	granted := container.Resources{PidsLimit: &pids, DeviceRequests: gpus(spec)}
	if limitedMemory > 0 {
		granted.Memory = max(limitedMemory, minMemory)
		granted.MemorySwap = granted.Memory
	}
	if requestedMemory > 0 {
		granted.MemoryReservation = max(requestedMemory, minMemory)
	}
	if granted.Memory > 0 {
		granted.MemoryReservation = min(granted.MemoryReservation, granted.Memory)
	}
	if limitedCPU > 0 {
		granted.NanoCPUs = min(max(limitedCPU, minNanoCPUs), int64(cpus)*1e9)
	}
	if requestedCPU > 0 {
		// 2 is the least weight there is; zero would mean the default, 1024.
		granted.CPUShares = min(max(2, requestedCPU*1024/1e9), maxCPUShares)
	}
	return granted
}

// gpus asks the engine's device drivers for what the limits say, or where they
// say nothing the requests: a GPU is never shared, so the two mean the same.
func gpus(spec function.Spec) []container.DeviceRequest {
	nothing := &function.Resources{}
	limits, requests := cmp.Or(spec.Limits, nothing), cmp.Or(spec.Requests, nothing)
	var wanted []container.DeviceRequest
	for _, vendor := range []struct{ driver, count string }{
		{"nvidia", cmp.Or(limits.NvidiaGPU, requests.NvidiaGPU)},
		{"amd", cmp.Or(limits.AmdGPU, requests.AmdGPU)},
	} {
		if count, err := function.ParseGPUs(vendor.count); err == nil {
			wanted = append(wanted, container.DeviceRequest{Driver: vendor.driver, Count: count, Capabilities: [][]string{{"gpu"}}})
		}
	}
	return wanted
}
