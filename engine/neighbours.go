package engine

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"faas-docker/function"
)

// Neighbours asks the engine what surrounds this process now.
func (n *Networks) Neighbours(ctx context.Context) (function.Neighbours, error) {
	found, err := n.docker.NetworkInspect(ctx, n.network, network.InspectOptions{})
	if err != nil {
		return function.Neighbours{}, n.explain(fmt.Sprintf("inspect network %q", n.network), err)
	}
	around := function.Neighbours{Joined: true}
	for _, config := range found.IPAM.Config {
		if prefix, err := netip.ParsePrefix(config.Subnet); err == nil {
			around.Functions = append(around.Functions, prefix)
		}
	}
	self, err := n.ownPlace(ctx)
	if err != nil || self == nil {
		return around, err
	}
	_, around.Joined = self.NetworkSettings.Networks[n.network]
	around.Gateways, around.Shared = gatewaysOf(self), isPublished(self)
	return around, nil
}

// ownPlace inspects the container whose networks this process has: the one it runs in,
// or the one whose network that has joined. It is nil on the machine's own network, and
// in a container that the engine does not know.
func (n *Networks) ownPlace(ctx context.Context) (*container.InspectResponse, error) {
	id := ownContainer()
	for id != "" {
		self, err := n.inspectOwn(ctx, id)
		if err != nil || self == nil || self.HostConfig.NetworkMode.IsHost() {
			return nil, err
		}
		if !self.HostConfig.NetworkMode.IsContainer() {
			return self, nil
		}
		id = self.HostConfig.NetworkMode.ConnectedContainer()
	}
	return nil, nil
}

// inspectOwn returns nil for a container that the engine does not know.
func (n *Networks) inspectOwn(ctx context.Context, id string) (*container.InspectResponse, error) {
	self, err := n.docker.ContainerInspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	return &self, n.explain("inspect the provider's own container", err)
}

func gatewaysOf(self *container.InspectResponse) []netip.Addr {
	var gateways []netip.Addr
	for _, joined := range self.NetworkSettings.Networks {
		for _, text := range []string{joined.Gateway, joined.IPv6Gateway} {
			if gateway, err := netip.ParseAddr(text); err == nil {
				gateways = append(gateways, gateway)
			}
		}
	}
	return gateways
}

// isPublished reports whether a port of a container is published to others than the
// machine itself. Then the engine passes on every call as from a gateway.
func isPublished(self *container.InspectResponse) bool {
	for _, bindings := range self.NetworkSettings.Ports {
		for _, binding := range bindings {
			if host, err := netip.ParseAddr(binding.HostIP); err != nil || !host.IsLoopback() {
				return true
			}
		}
	}
	return false
}

// NetworkEvents calls subscribed when it listens, and then changed whenever what
// Neighbours returns may have changed. It returns ctx's error when ctx ends, and another
// when the stream breaks, after which changes go unnoticed until it is called again.
func (n *Networks) NetworkEvents(ctx context.Context, subscribed, changed func()) error {
	own := ownContainer()
	selected := filters.NewArgs(
		filters.Arg("type", string(events.NetworkEventType)),
		filters.Arg("event", string(events.ActionCreate)), filters.Arg("event", string(events.ActionDestroy)),
		filters.Arg("event", string(events.ActionConnect)), filters.Arg("event", string(events.ActionDisconnect)),
	)
	return n.events(ctx, selected, subscribed, func(message events.Message) {
		if n.concernsUs(message, own) {
			changed()
		}
	})
}

// concernsUs leaves out what happens to other networks, and the functions that come and
// go.
func (n *Networks) concernsUs(message events.Message, own string) bool {
	switch message.Action {
	case events.ActionCreate, events.ActionDestroy:
		return message.Actor.Attributes["name"] == n.network
	}
	return own != "" && message.Actor.Attributes["container"] == own
}
