package engine

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"faas-docker/function"
)

func labelled(revision uint64, labels map[string]string) function.Function {
	return function.Function{
		Spec:     function.Spec{Name: "figlet", Namespace: "dev", Image: "figlet:1", Labels: labels, Secrets: []string{"a"}},
		Revision: revision,
	}
}

func TestLabels_ComeBackAsTheyWent(t *testing.T) {
	t.Parallel()
	f := labelled(1<<63+5, map[string]string{"team": "web", "quote": `"\`})
	labels := encodeLabels(f, "net")
	owner, err := decodeIdentity(labels)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := decodeSpec(labels)
	if err != nil {
		t.Fatal(err)
	}
	if owner.name != f.ID() || owner.revision != f.Revision || !spec.Equal(f.Spec) {
		t.Errorf("got %+v, %+v, want those of %+v", owner, spec, f)
	}
	if labels["team"] != "web" || labels[function.LabelFaaS] != "figlet" {
		t.Errorf("got %v, want the user's labels and faas_function", labels)
	}
}

func TestLabels_CarryWhatTheImageSays(t *testing.T) {
	t.Parallel()
	f := labelled(4, nil)
	f.ImageConfig = function.NewImageConfig(nil, nil, []string{"maintainer", "com.docker.compose.project", "io.docker.x"})
	if got := encodeLabels(f, "net"); got["com.docker.compose.project"] != "" || !slices.Equal(f.ImageConfig.Tools, []string{"com.docker.compose.project", "io.docker.x"}) {
		t.Errorf("labels of the image's tools: %v, of %v", got, f.ImageConfig.Tools)
	} else if _, blank := got["com.docker.compose.project"]; !blank {
		t.Error("the image's project of Compose would count")
	}
	f.ImageConfig = function.NewImageConfig([]string{"port=3333", "write_timeout=150s"}, []string{"3333/tcp", "9000/tcp"}, nil)
	adopted, _, err := decodeFunction(container.Summary{Labels: encodeLabels(f, "net"), State: "running", ImageID: "sha256:4"})
	if err != nil || !reflect.DeepEqual(adopted.ImageConfig, f.ImageConfig) || adopted.Settings().Port() != 3333 {
		t.Errorf("adopted with %+v, %v; want %+v", adopted.ImageConfig, err, f.ImageConfig)
	}
	address := netip.MustParseAddr("172.18.0.5")
	for _, test := range []struct {
		labels map[string]string
		want   uint16
	}{
		{encodeLabels(f, "net"), 3333},
		{encodeLabels(labelled(4, nil), "net"), 8080},
		{map[string]string{}, 8080},
		{map[string]string{function.LabelPort: "0"}, 8080},
		{map[string]string{function.LabelPort: "65536"}, 8080},
		{map[string]string{function.LabelPort: "x"}, 8080},
	} {
		if got := onPort(address, test.labels); got != netip.AddrPortFrom(address, test.want) {
			t.Errorf("called at %v, want port %d", got, test.want)
		}
	}
	if got := onPort(netip.Addr{}, encodeLabels(f, "net")); got != (netip.AddrPort{}) {
		t.Errorf("without an address: %v", got)
	}
	if _, _, err := decodeFunction(container.Summary{Labels: map[string]string{
		function.LabelFunction: "a", function.LabelNamespace: "b", function.LabelRevision: "1", function.LabelSpec: "{}", function.LabelImageConfig: "{",
	}}); err == nil {
		t.Error("a label that cannot be read: no error")
	}
}

func TestLabels_OfTheUserCannotForgeOurs(t *testing.T) {
	t.Parallel()
	labels := encodeLabels(labelled(3, map[string]string{
		function.LabelFunction: "other", function.LabelProvider: "other", function.LabelRole: function.RoleSecrets, function.LabelRevision: "9",
	}), "net")
	owner, err := decodeIdentity(labels)
	if err != nil {
		t.Fatal(err)
	}
	if owner.name.Name != "figlet" || owner.revision != 3 || labels[function.LabelProvider] != "net" || labels[function.LabelRole] != function.RoleFunction {
		t.Errorf("got %v, want our own labels", labels)
	}
}

func TestDecodeIdentity_RefusesWhatWeDidNotWrite(t *testing.T) {
	t.Parallel()
	for name, labels := range map[string]map[string]string{
		"nothing":      nil,
		"no revision":  {function.LabelFunction: "a", function.LabelNamespace: "b"},
		"bad revision": {function.LabelFunction: "a", function.LabelNamespace: "b", function.LabelRevision: "-1"},
		"bad name":     {function.LabelFunction: "../a", function.LabelNamespace: "b", function.LabelRevision: "1"},
		"no namespace": {function.LabelFunction: "a", function.LabelRevision: "1"},
	} {
		if owner, err := decodeIdentity(labels); err == nil {
			t.Errorf("%s: got %+v, want an error", name, owner)
		}
	}
}

func TestMerge_DescribesTheHighestRevision(t *testing.T) {
	t.Parallel()
	summary := func(revision uint64, state container.ContainerState, created int64) container.Summary {
		return container.Summary{
			Labels: encodeLabels(labelled(revision, nil), "net"), State: state, Created: created, ImageID: "sha256:" + string(rune('0'+revision)),
		}
	}
	var got function.Function
	for _, c := range []container.Summary{
		summary(2, "running", 50), summary(1, "running", 10), summary(2, "paused", 60), summary(2, "exited", 70),
	} {
		f, _, err := decodeFunction(c)
		if err != nil {
			t.Fatal(err)
		}
		got = merge(got, f)
	}
	if got.Revision != 2 || got.Replicas != 2 || got.ImageID != "sha256:2" || !got.CreatedAt.Equal(time.Unix(10, 0)) {
		t.Errorf("got %+v, want revision 2 with 2 replicas, deployed at 10", got)
	}
}
