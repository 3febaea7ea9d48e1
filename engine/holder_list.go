package engine

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"faas-docker/function"
)

// joint is a replica that runs, and the holder it should be in.
type joint struct {
	replica string
	holder  holder
}

// holderList is what one list of this provider's containers says of holders.
type holderList struct {
	// holders are all there are, in any state.
	holders []holder
	// exists has their IDs.
	exists map[string]bool
	// addresses has those that run, by ID.
	addresses map[string]netip.Addr
	// joints are the replicas that run, or are frozen, in holders.
	joints []joint
	// needed has the IDs of holders with a replica that has not ended.
	needed map[string]bool
}

func newHolderList(listed []container.Summary, network string) holderList {
	l := holderList{exists: map[string]bool{}, addresses: map[string]netip.Addr{}, needed: map[string]bool{}}
	for _, c := range listed {
		switch c.Labels[function.LabelRole] {
		case roleHolder:
			l.addHolder(c, network)
		case roleFunction:
			l.addReplica(c)
		}
	}
	return l
}

func (l *holderList) addHolder(c container.Summary, network string) {
	h := holder{id: c.ID}
	if len(c.Names) > 0 {
		h.name = strings.TrimPrefix(c.Names[0], "/")
	}
	l.holders = append(l.holders, h)
	l.exists[c.ID] = true
	state := stateOf(string(c.State))
	if (state == function.Running || state == function.Paused) && c.NetworkSettings != nil {
		l.addresses[c.ID] = addressOn(network, c.NetworkSettings.Networks).Addr()
	}
}

func (l *holderList) addReplica(c container.Summary) {
	id, state := c.Labels[function.LabelHolder], stateOf(string(c.State))
	if id == "" || state == function.Exited {
		return // one that has ended is never started again
	}
	l.needed[id] = true
	address := labelledAddress(c.Labels, state)
	if address.IsValid() {
		l.joints = append(l.joints, joint{replica: c.ID, holder: holder{id: id, address: address.Addr()}})
	}
}

// strays returns the IDs of listed holders that nobody needs. The list may be
// older than what the pool knows after it: a holder whose replica was started in
// the meantime must not be taken for one that lost its replica. So of the holders
// that the pool knows only those count that were used before the list was made.
func (l *holderList) strays(before, after holdersSeen) []string {
	young := map[string]bool{}
	maps.Copy(young, after.held)
	for _, h := range after.used {
		young[h.name] = !slices.Contains(before.used, h)
	}
	var ids []string
	for _, h := range l.holders {
		if !young[h.name] && !l.needed[h.id] {
			ids = append(ids, h.id)
		}
	}
	return ids
}

// cutOff returns the replicas that run without the network they were started
// with: their holder has gone, has stopped, or has come back elsewhere.
func (l *holderList) cutOff() []joint {
	var lost []joint
	for _, j := range l.joints {
		if l.addresses[j.holder.id] != j.holder.address {
			lost = append(lost, j)
		}
	}
	return lost
}
