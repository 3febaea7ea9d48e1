package engine

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// published is a container with a port that is published at these addresses, as the
// engine describes it.
func published(t *testing.T, hosts []string) *container.InspectResponse {
	t.Helper()
	bindings := []map[string]string{}
	for _, host := range hosts {
		bindings = append(bindings, map[string]string{"HostIp": host, "HostPort": "8080"})
	}
	text, err := json.Marshal(map[string]any{"NetworkSettings": map[string]any{
		"Ports": map[string]any{"8080/tcp": bindings, "9090/tcp": nil},
		"Networks": map[string]any{
			"front":     map[string]string{"Gateway": "172.20.0.1", "IPv6Gateway": "fd00:20::1"},
			"functions": map[string]string{"Gateway": "172.18.0.1", "IPv6Gateway": ""},
			"internal":  map[string]string{"Gateway": ""},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	self := new(container.InspectResponse)
	if err := json.Unmarshal(text, self); err != nil {
		t.Fatal(err)
	}
	return self
}

func TestNeighbours_KnowTheGatewaysAndWhetherOthersComeByThem(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hosts []string
		want  bool
	}{
		{nil, false},
		{[]string{"127.0.0.1"}, false},
		{[]string{"127.0.0.2"}, false},
		{[]string{"::1"}, false},
		{[]string{"127.0.0.1", "::1"}, false},
		{[]string{"0.0.0.0"}, true},
		{[]string{"::"}, true},
		{[]string{""}, true},
		{[]string{"127.0.0.1", "0.0.0.0"}, true},
		{[]string{"127.0.0.1", "192.0.2.1"}, true},
		{[]string{"::1", "2001:db8::1"}, true},
		{[]string{"localhost"}, true},
	} {
		self := published(t, test.hosts)
		if got := isPublished(self); got != test.want {
			t.Errorf("%q: published is %t", test.hosts, got)
		}
		got := gatewaysOf(self)
		slices.SortFunc(got, netip.Addr.Compare)
		want := []netip.Addr{netip.MustParseAddr("172.18.0.1"), netip.MustParseAddr("172.20.0.1"), netip.MustParseAddr("fd00:20::1")}
		if !slices.Equal(got, want) {
			t.Errorf("%q: gateways are %v, want %v", test.hosts, got, want)
		}
	}
}
