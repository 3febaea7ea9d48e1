package engine

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"faas-docker/engine/holders"
	"faas-docker/function"
)

// leftMark ends the name of a container that a rollback has left. Labels cannot be
// changed, and a provider that has lost its store must know which revision served.
const leftMark = ".left"

// Containers lists the containers of functions, and tells when they change.
type Containers struct{ *daemon }

// Replicas lists the containers of a function, in any state and of any revision;
// the zero Name lists those of all functions of this provider. It is one call to
// the engine, however many there are.
func (c *Containers) Replicas(ctx context.Context, name function.Name) ([]function.Replica, error) {
	listed, err := c.list(ctx, name)
	if err != nil {
		return nil, err
	}
	replicas := make([]function.Replica, 0, len(listed))
	for _, summary := range listed {
		replica, err := decodeReplica(summary, c.network)
		if err != nil {
			c.logger.Warn("container skipped: its labels cannot be read", "replica", summary.ID, "err", err)
			continue
		}
		replicas = append(replicas, replica)
	}
	return replicas, nil
}

func (c *Containers) list(ctx context.Context, name function.Name) ([]container.Summary, error) {
	listed, err := c.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: labelFilter(c.network, function.RoleFunction, name)})
	return listed, c.explain("list replicas", err)
}

func decodeReplica(c container.Summary, networkName string) (function.Replica, error) {
	owner, err := decodeIdentity(c.Labels)
	if err != nil {
		return function.Replica{}, err
	}
	replica := function.Replica{
		ID:        c.ID,
		Function:  owner.name,
		Revision:  owner.revision,
		State:     stateOf(string(c.State)),
		CreatedAt: time.Unix(c.Created, 0).UTC(),
	}
	if len(c.Names) > 0 {
		replica.Instance = strings.TrimPrefix(c.Names[0], "/")
		replica.Left = strings.HasSuffix(replica.Instance, leftMark)
	}
	switch {
	case c.Labels[function.LabelHolder] != "":
		replica.Address = labelledAddress(c.Labels, replica.State)
	case c.NetworkSettings != nil:
		replica.Address = onPort(holders.AddressOn(networkName, c.NetworkSettings.Networks), c.Labels)
	}
	return replica, nil
}

// labelledAddress returns where a replica in a holder's network namespace is
// called; the zero AddrPort when it does not run.
func labelledAddress(labels map[string]string, state function.State) netip.AddrPort {
	address, err := netip.ParseAddr(labels[function.LabelAddress])
	if err != nil || (state != function.Running && state != function.Paused) {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address, labelledPort(labels))
}

// onPort is where a replica with an address is called; the zero AddrPort for one without.
func onPort(address netip.Addr, labels map[string]string) netip.AddrPort {
	if !address.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address, labelledPort(labels))
}

// stateOf reads Docker's word for a container's state. What is being removed or
// could not be removed will not run again.
func stateOf(word string) function.State {
	switch word {
	case "created":
		return function.Created
	case "running", "restarting":
		return function.Running
	case "paused":
		return function.Paused
	default:
		return function.Exited
	}
}
