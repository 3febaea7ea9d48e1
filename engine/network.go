package engine

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sync/semaphore"

	"faas-docker/function"
)

// Networks is the function network, and this process's place in it.
type Networks struct {
	*daemon
	// turn is whose turn it is to look for the network: two that both miss it would make
	// two of one name.
	turn *semaphore.Weighted
}

func (n *Networks) ensure(ctx context.Context) error {
	if err := n.turn.Acquire(ctx, 1); err != nil {
		return err
	}
	defer n.turn.Release(1)
	found, err := n.docker.NetworkInspect(ctx, n.network, network.InspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		if err := n.create(ctx); err != nil {
			return err
		}
	case err != nil:
		return n.explain(fmt.Sprintf("inspect network %q", n.network), err)
	case found.Driver == "host" || found.Driver == "null":
		return function.Invalid("function_network", "%q gives containers no address of their own: name a bridge network, or one that does not exist yet", n.network)
	}
	return n.join(ctx)
}

func (n *Networks) create(ctx context.Context) error {
	_, err := n.docker.NetworkCreate(ctx, n.network, network.CreateOptions{
		Driver: "bridge",
		Labels: map[string]string{function.LabelProvider: n.network},
	})
	if errdefs.IsConflict(err) {
		return nil // another process was faster
	}
	if err != nil {
		return n.explain(fmt.Sprintf("create network %q", n.network), err)
	}
	n.logger.Info("network created", "network", n.network)
	return nil
}

// join connects the container that this process runs in, if it does, to
// the network: from elsewhere the addresses of functions cannot be reached.
func (n *Networks) join(ctx context.Context) error {
	id := ownContainer()
	if id == "" {
		return nil
	}
	self, err := n.inspectOwn(ctx, id)
	if err != nil {
		return err
	}
	if self == nil {
		n.logger.Info("this process runs in a container that the engine does not know: it must reach the function network by itself", "network", n.network)
		return nil
	}
	if mode := self.HostConfig.NetworkMode; mode.IsHost() || mode.IsContainer() {
		// It has another's network: the host's reaches all bridges, and a container's
		// is that container's to join.
		return nil
	}
	if _, joined := self.NetworkSettings.Networks[n.network]; joined {
		return nil
	}
	err = n.docker.NetworkConnect(ctx, n.network, self.ID, nil)
	if err != nil && !errdefs.IsConflict(err) {
		return n.explain(fmt.Sprintf("join network %q", n.network), err)
	}
	n.logger.Info("network joined", "network", n.network, "container", self.ID)
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
