package holders

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"faas-docker/function"
)

// joint is a replica that runs, and the holder that it should be in.
type joint struct {
	replica string
	holder  Holder
}

// list is what a listing of this provider's containers says of holders.
type list struct {
	// holders are all that were listed, in any state, by ID; only those that run have an
	// address.
	holders map[string]Holder
	// joints are the replicas that run, or are frozen, in holders.
	joints []joint
	// needed has the IDs of holders with a replica that has not ended.
	needed map[string]bool
}

func newList(listed []container.Summary, network string) list {
	l := list{holders: map[string]Holder{}, needed: map[string]bool{}}
	for _, c := range listed {
		switch c.Labels[function.LabelRole] {
		case function.RoleHolder:
			l.addHolder(c, network)
		case function.RoleFunction:
			l.addReplica(c)
		}
	}
	return l
}

func (l *list) addHolder(c container.Summary, network string) {
	h := Holder{ID: c.ID}
	if len(c.Names) > 0 {
		h.Name = strings.TrimPrefix(c.Names[0], "/")
	}
	if hasNetwork(c) && c.NetworkSettings != nil {
		h.Address = AddressOn(network, c.NetworkSettings.Networks)
	}
	l.holders[c.ID] = h
}

func (l *list) addReplica(c container.Summary) {
	id := c.Labels[function.LabelHolder]
	if id == "" || (c.State != container.StateCreated && !hasNetwork(c)) {
		return // one that has ended is never started again
	}
	l.needed[id] = true
	address, err := netip.ParseAddr(c.Labels[function.LabelAddress])
	if err == nil && hasNetwork(c) {
		l.joints = append(l.joints, joint{replica: c.ID, holder: Holder{ID: id, Address: address}})
	}
}

// hasNetwork reports whether a container runs or is frozen.
func hasNetwork(c container.Summary) bool {
	return c.State == container.StateRunning || c.State == container.StateRestarting || c.State == container.StatePaused
}

// AddressOn returns the address of a container on a network; the zero Addr when it has
// none there, as when it does not run.
func AddressOn(name string, networks map[string]*network.EndpointSettings) netip.Addr {
	endpoint := networks[name]
	if endpoint == nil {
		return netip.Addr{}
	}
	for _, text := range []string{endpoint.IPAddress, endpoint.GlobalIPv6Address} {
		if address, err := netip.ParseAddr(text); err == nil {
			return address
		}
	}
	return netip.Addr{}
}

// strays returns the IDs of listed holders that no replica needs. The list may be
// older than what the pool knows after it: a holder whose replica was started in
// the meantime must not be taken for one that lost its replica. So of the holders
// that the pool knows only those count that were used before the list was made.
func (l *list) strays(before, after snapshot) []string {
	young := map[string]bool{}
	maps.Copy(young, after.held)
	for _, h := range after.used {
		young[h.Name] = !slices.Contains(before.used, h)
	}
	var ids []string
	for _, h := range l.holders {
		if !young[h.Name] && !l.needed[h.ID] {
			ids = append(ids, h.ID)
		}
	}
	return ids
}

// cutOff returns the replicas that run without the network they were started
// with: their holder has gone, has stopped, or has come back elsewhere.
func (l *list) cutOff() []joint {
	var lost []joint
	for _, j := range l.joints {
		if l.holders[j.holder.ID].Address != j.holder.Address {
			lost = append(lost, j)
		}
	}
	return lost
}
