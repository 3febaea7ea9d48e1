package engine

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"faas-docker/function"
)

// Prepare makes the engine ready for functions: the network exists, this process
// is on it when it runs in a container itself, and no helper container of an earlier
// run is left. It may be called again at any time.
func (e *Engine) Prepare(ctx context.Context) error {
	if err := e.ensureNetwork(ctx); err != nil {
		return err
	}
	return e.removeHelpers(ctx)
}

// Subnet returns the addresses that containers on the network have, and those of
// the network's gateways, which is this machine itself.
func (e *Engine) Subnet(ctx context.Context) (prefixes []netip.Prefix, gateways []netip.Addr, err error) {
	found, err := e.docker.NetworkInspect(ctx, e.network, network.InspectOptions{})
	if err != nil {
		return nil, nil, e.explain(fmt.Sprintf("inspect network %q", e.network), err)
	}
	for _, config := range found.IPAM.Config {
		if prefix, err := netip.ParsePrefix(config.Subnet); err == nil {
			prefixes = append(prefixes, prefix)
		}
		if gateway, err := netip.ParseAddr(config.Gateway); err == nil {
			gateways = append(gateways, gateway)
		}
	}
	return prefixes, gateways, nil
}

func (e *Engine) ensureNetwork(ctx context.Context) error {
	if err := e.networkTurn.take(ctx); err != nil {
		return err
	}
	defer e.networkTurn.give()
	found, err := e.docker.NetworkInspect(ctx, e.network, network.InspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		if err := e.createNetwork(ctx); err != nil {
			return err
		}
	case err != nil:
		return e.explain(fmt.Sprintf("inspect network %q", e.network), err)
	case found.Driver == "host" || found.Driver == "null":
		return function.Invalid("function_network", "%q gives containers no address of their own: name a bridge network, or one that does not exist yet", e.network)
	}
	return e.joinNetwork(ctx)
}

func (e *Engine) createNetwork(ctx context.Context) error {
	_, err := e.docker.NetworkCreate(ctx, e.network, network.CreateOptions{
		Driver: "bridge",
		Labels: map[string]string{function.LabelProvider: e.network},
	})
	if errdefs.IsConflict(err) {
		return nil // another process was faster
	}
	if err != nil {
		return e.explain(fmt.Sprintf("create network %q", e.network), err)
	}
	e.logger.Info("network created", "network", e.network)
	return nil
}

// joinNetwork connects the container that this process runs in, if it does, to
// the network: from elsewhere the addresses of functions cannot be reached.
func (e *Engine) joinNetwork(ctx context.Context) error {
	id := ownContainer()
	if id == "" {
		return nil
	}
	self, err := e.docker.ContainerInspect(ctx, id)
	if errdefs.IsNotFound(err) {
		e.logger.Info("this process runs in a container that the engine does not know: it must reach the function network by itself", "network", e.network)
		return nil
	}
	if err != nil {
		return e.explain("inspect the provider's own container", err)
	}
	if mode := self.HostConfig.NetworkMode; mode.IsHost() || mode.IsContainer() {
		// It has another's network: the host's reaches all bridges, and a container's
		// is that container's to join.
		return nil
	}
	if _, joined := self.NetworkSettings.Networks[e.network]; joined {
		return nil
	}
	err = e.docker.NetworkConnect(ctx, e.network, self.ID, nil)
	if err != nil && !errdefs.IsConflict(err) {
		return e.explain(fmt.Sprintf("join network %q", e.network), err)
	}
	e.logger.Info("network joined", "network", e.network, "container", self.ID)
	return nil
}

// removeHelpers removes containers that a killed provider was filling secrets
// through. It takes its turn, so that none that is in use goes.
func (e *Engine) removeHelpers(ctx context.Context) error {
	if err := e.secretsTurn.take(ctx); err != nil {
		return err
	}
	defer e.secretsTurn.give()
	helpers, err := e.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: roleFilter(e.network, roleSecrets)})
	if err != nil {
		return e.explain("list helper containers", err)
	}
	for _, helper := range helpers {
		if err := e.removeContainer(ctx, helper.ID); err != nil {
			return err
		}
	}
	return nil
}

// ownContainer returns the ID of the container that this process runs in; empty
// when it runs in none, or when that cannot be found out.
func ownContainer() string {
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		if id := containerOfMounts(string(mounts)); id != "" {
			return id
		}
	}
	if _, err := os.Stat("/.dockerenv"); err != nil {
		return ""
	}
	// Unless told otherwise Docker makes the beginning of the ID the host name.
	name, err := os.Hostname()
	if err != nil || !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(name) {
		return ""
	}
	return name
}

// containerOfMounts finds the container's ID in mountinfo: Docker mounts the
// files for /etc/hostname and its like from a folder named after the container.
// The mounts of other containers, which a host lists, are at other points.
func containerOfMounts(mountinfo string) string {
	folder := regexp.MustCompile(`/containers/([0-9a-f]{64})$`)
	lines := bufio.NewScanner(strings.NewReader(mountinfo))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		source, point := fields[3], fields[4]
		if point != "/etc/hostname" && point != "/etc/hosts" && point != "/etc/resolv.conf" {
			continue
		}
		if match := folder.FindStringSubmatch(path.Dir(source)); match != nil {
			return match[1]
		}
	}
	return ""
}
