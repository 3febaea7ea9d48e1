package holders

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"faas-docker/function"
)

// numbered is the n-th Holder of a test.
func numbered(n int) Holder {
	return Holder{Name: fmt.Sprintf("net.holder.%d", n), ID: fmt.Sprintf("id-%d", n), Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})}
}

func filledPool(n int) *pool {
	p := newPool(n)
	for i := range n {
		p.expect(numbered(i))
		p.add(numbered(i))
	}
	return p
}

func TestPool_HandsEachOutOnce(t *testing.T) {
	t.Parallel()
	p := filledPool(2)
	first, _ := p.Take()
	second, _ := p.Take()
	if first != numbered(0) || second != numbered(1) {
		t.Errorf("got %v and %v, want the one that has waited longest first", first, second)
	}
	if h, found := p.Take(); found {
		t.Errorf("got %v of an empty pool", h)
	}
	p.Use(first, "replica")
	if h, known := p.joinedBy("replica"); !known || h != first {
		t.Errorf("got %v, %v, want %v", h, known, first)
	}
	p.left(first.ID, true)
	if _, known := p.joinedBy("replica"); known || len(p.see().used) != 0 {
		t.Error("a holder that has gone is remembered")
	}
}

func TestPool_ForgetsReadyOnesThatDie(t *testing.T) {
	t.Parallel()
	p := filledPool(2)
	p.drop(numbered(0).ID)
	p.drop("stranger")
	if h, _ := p.Take(); h != numbered(1) {
		t.Errorf("got %v, want the one that lives", h)
	}
	p.drop(numbered(1).ID) // taken: whoever took it finds out
	if !p.see().held[numbered(1).Name] || p.see().held[numbered(0).Name] {
		t.Errorf("got %v held, want only the one that was taken", p.see().held)
	}
}

func TestPool_KeepsNothingOnceClosed(t *testing.T) {
	t.Parallel()
	p := filledPool(2)
	if unused := p.close(); len(unused) != 2 {
		t.Errorf("got %v, want both handed over", unused)
	}
	if p.add(numbered(3)) {
		t.Error("a closed pool took a holder")
	}
	if _, found := p.Take(); found {
		t.Error("a closed pool gave a holder")
	}
}

func TestPool_OneRemovesAHolder(t *testing.T) {
	t.Parallel()
	p := filledPool(0)
	if !p.leave("a") || p.leave("a") {
		t.Error("two remove one holder")
	}
	if p.left("a", false); !p.leave("a") {
		t.Error("a removal that failed is not tried again")
	}
}

func TestPool_MakesHoldersWhenNoReplicaStarts(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		during time.Duration // how long a replica is starting
		want   time.Duration
	}{
		"nothing starts": {0, quietSpan},
		"one starts":     {250 * time.Millisecond, 250*time.Millisecond + quietSpan},
		"for ever":       {time.Hour, quietWaitMax},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(1)
				if c.during > 0 {
					end := p.Starting()
					time.AfterFunc(c.during, end)
				}
				begun := time.Now()
				if !p.awaitTurn(t.Context()) || time.Since(begun) != c.want {
					t.Errorf("got a turn after %v, want it after %v", time.Since(begun), c.want)
				}
			})
		})
	}
}

func TestPool_WaitsUntilOneIsMissing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := filledPool(1)
		time.AfterFunc(time.Hour, func() { p.Take() })
		begun := time.Now()
		if !p.awaitTurn(t.Context()) || time.Since(begun) != time.Hour+quietSpan {
			t.Errorf("got a turn after %v, want it when the holder is taken", time.Since(begun))
		}
		ctx, cancel := context.WithCancel(t.Context())
		p.add(numbered(2))
		time.AfterFunc(time.Minute, cancel)
		if p.awaitTurn(ctx) {
			t.Error("got a turn, want none of a full pool whose keeper is told to end")
		}
	})
}

func TestPool_IsAsLargeAsManyMayBeCalledAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ most, atZero, want int }{
		{20, 0, fewHolders}, {20, 3, fewHolders}, {20, 7, 7}, {20, 100, 20}, {2, 100, 2}, {0, 100, 0},
	} {
		p := newPool(c.most)
		p.AtZero(c.atZero + 1)
		p.AtZero(-1)
		if missing, _ := p.state(); missing != c.want {
			t.Errorf("at most %d, with %d functions at zero: %d are missing, want %d", c.most, c.atZero, missing, c.want)
		}
	}
}

func TestPool_GivesUpWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	p := newPool(20)
	p.AtZero(6)
	for i := range 6 {
		p.expect(numbered(i))
		p.add(numbered(i))
	}
	if surplus := p.trim(); len(surplus) != 0 {
		t.Errorf("gave up %v, want all six kept for six functions", surplus)
	}
	p.AtZero(-6)
	if surplus := p.trim(); len(surplus) != 2 || len(p.see().ready) != fewHolders {
		t.Errorf("gave up %v, want the two beyond %d", surplus, fewHolders)
	}
}

// listedHolder is how the engine lists a holder that runs.
func listedHolder(h Holder) container.Summary {
	return container.Summary{
		ID: h.ID, Names: []string{"/" + h.Name}, State: container.StateRunning,
		Labels:          map[string]string{function.LabelRole: function.RoleHolder},
		NetworkSettings: &container.NetworkSettingsSummary{Networks: map[string]*network.EndpointSettings{"net": {IPAddress: h.Address.String()}}},
	}
}

func listedReplica(id string, h Holder, state container.ContainerState) container.Summary {
	return container.Summary{ID: id, State: state, Labels: map[string]string{
		function.LabelRole: function.RoleFunction, function.LabelHolder: h.ID, function.LabelAddress: h.Address.String(),
	}}
}

func TestStrays_AreHoldersThatNobodyNeeds(t *testing.T) {
	t.Parallel()
	h := numbered(1)
	used := snapshot{used: []Holder{h}}
	held := snapshot{held: map[string]bool{h.Name: true}}
	nothing := snapshot{}
	cases := map[string]struct {
		replicas      []container.Summary
		before, after snapshot
		stray         bool
	}{
		"of another process":                         {nil, nothing, nothing, true},
		"ready":                                      {nil, held, held, false},
		"made since":                                 {nil, nothing, held, false},
		"taken and used since":                       {nil, held, used, false},
		"its replica has gone":                       {nil, used, used, true},
		"its replica has ended":                      {[]container.Summary{listedReplica("r", h, container.StateExited)}, used, used, true},
		"its replica runs":                           {[]container.Summary{listedReplica("r", h, container.StateRunning)}, used, used, false},
		"its replica is frozen":                      {[]container.Summary{listedReplica("r", h, container.StatePaused)}, used, used, false},
		"its replica was made by another process":    {[]container.Summary{listedReplica("r", h, container.StateCreated)}, nothing, nothing, false},
		"the replica of another holder runs":         {[]container.Summary{listedReplica("r", numbered(2), container.StateRunning)}, used, used, true},
		"a replica with a namespace of its own runs": {[]container.Summary{listedReplica("r", Holder{}, container.StateRunning)}, used, used, true},
	}
	for name, c := range cases {
		l := newList(append(c.replicas, listedHolder(h)), "net")
		want := []string(nil)
		if c.stray {
			want = []string{h.ID}
		}
		if got := l.strays(c.before, c.after); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestCutOff_AreReplicasWhoseAddressIsNotTheirs(t *testing.T) {
	t.Parallel()
	h := numbered(1)
	stopped, elsewhere := listedHolder(h), listedHolder(h)
	stopped.State = container.StateExited
	elsewhere.NetworkSettings.Networks["net"].IPAddress = "10.0.0.99"
	running := listedReplica("r", h, container.StateRunning)
	cases := map[string]struct {
		listed []container.Summary
		cut    bool
	}{
		"the holder runs":        {[]container.Summary{running, listedHolder(h)}, false},
		"the holder has gone":    {[]container.Summary{running}, true},
		"the holder has stopped": {[]container.Summary{running, stopped}, true},
		"the holder came back":   {[]container.Summary{running, elsewhere}, true},
		"frozen, and gone":       {[]container.Summary{listedReplica("r", h, container.StatePaused)}, true},
		"both have ended":        {[]container.Summary{listedReplica("r", h, container.StateExited), stopped}, false},
		"not started yet":        {[]container.Summary{listedReplica("r", h, container.StateCreated)}, false},
		"its own network":        {[]container.Summary{listedReplica("r", Holder{}, container.StateRunning)}, false},
	}
	for name, c := range cases {
		l := newList(c.listed, "net")
		if got := l.cutOff(); (len(got) == 1) != c.cut || len(got) > 1 {
			t.Errorf("%s: got %+v, want it cut off: %v", name, got, c.cut)
		}
	}
}
