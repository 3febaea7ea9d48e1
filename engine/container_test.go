package engine

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"faas-docker/engine/holders"
	"faas-docker/function"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestContainerConfig_IsWhatWasReviewed(t *testing.T) {
	t.Parallel()
	machine := host{network: "faas-docker", cpus: 4, logDriver: "json-file"}
	cases := map[string]struct {
		spec  function.Spec
		host  host
		image *function.ImageConfig
	}{
		"elsewhere": {
			spec:  function.Spec{Image: "figlet", Labels: map[string]string{function.LabelPort: "1", function.LabelImageConfig: "forged"}},
			host:  machine,
			image: function.NewImageConfig([]string{"port=3333", "write_timeout=150s"}, []string{"8080/tcp"}, nil),
		},
		"plain": {spec: function.Spec{Image: "figlet"}, host: machine},
		"full": {
			spec: function.Spec{
				Image:                  "ghcr.io/openfaas/figlet:latest",
				EnvProcess:             "figlet -w 80",
				EnvVars:                map[string]string{"write_timeout": "5s", "fprocess": "cat", "OPENFAAS_NAME": "forged"},
				Constraints:            []string{"node.role==manager"},
				Secrets:                []string{"token", "api.key"},
				Labels:                 map[string]string{"team": "web", "com.openfaas.scale.min": "2"},
				Annotations:            map[string]string{"topic": "greetings", function.AnnotationCapabilities: "net_bind_service, CHOWN"},
				Limits:                 &function.Resources{Memory: "128Mi", CPU: "500m", NvidiaGPU: "1"},
				Requests:               &function.Resources{Memory: "64Mi", CPU: "250m", AmdGPU: "all"},
				ReadOnlyRootFilesystem: true,
			},
			host: machine,
		},
		"held": {
			spec: function.Spec{Image: "figlet", Labels: map[string]string{function.LabelHolder: "forged", function.LabelAddress: "192.0.2.1"}},
			host: host{network: "faas-docker", cpus: 4, logDriver: "json-file", holder: holders.Holder{Name: "h", ID: "abc", Address: netip.MustParseAddr("172.18.0.7")}},
		},
		"clamped": {
			spec: function.Spec{
				Image:    "figlet",
				Limits:   &function.Resources{Memory: "5Mi", CPU: "64"},
				Requests: &function.Resources{Memory: "1Mi", CPU: "1m"},
			},
			host: host{network: "faas-docker", cpus: 2, logDriver: "journald"},
		},
	}
	for name, c := range cases {
		c.spec.Name, c.spec.Namespace = "figlet", "openfaas-fn"
		config, hostConfig := containerConfig(function.Function{Spec: c.spec, Revision: 7, ImageID: "sha256:abc", ImageConfig: c.image}, c.host)
		got, err := json.MarshalIndent(map[string]any{"Config": config, "HostConfig": hostConfig}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		compareGolden(t, name, append(got, '\n'))
	}
}

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "container-"+name+".json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s: the container's configuration changed (go test ./engine -update accepts it)\ngot:\n%s", path, got)
	}
}

func TestResources_StayWithinWhatDockerAccepts(t *testing.T) {
	t.Parallel()
	type want struct{ memory, reservation, nanoCPUs, shares int64 }
	cases := []struct {
		name             string
		limits, requests *function.Resources
		want             want
	}{
		{"nothing asked", nil, nil, want{}},
		{"reservation above a clamped limit", &function.Resources{Memory: "6Mi"}, &function.Resources{Memory: "6Mi"}, want{memory: minMemory, reservation: minMemory}},
		{"less than a limit can be", &function.Resources{CPU: "1m"}, nil, want{nanoCPUs: minNanoCPUs}},
		{"more processors than there are", &function.Resources{CPU: "3.5"}, nil, want{nanoCPUs: 2e9}},
		{"the least weight", nil, &function.Resources{CPU: "1m"}, want{shares: 2}},
		{"one core", nil, &function.Resources{CPU: "1"}, want{shares: 1024}},
		{"beyond the greatest weight", nil, &function.Resources{CPU: "1000"}, want{shares: maxCPUShares}},
	}
	for _, c := range cases {
		r := resources(function.Spec{Limits: c.limits, Requests: c.requests}, 2)
		got := want{memory: r.Memory, reservation: r.MemoryReservation, nanoCPUs: r.NanoCPUs, shares: r.CPUShares}
		if got != c.want || r.MemorySwap != c.want.memory {
			t.Errorf("%s: got %+v with swap %d, want %+v with swap %d", c.name, got, r.MemorySwap, c.want, c.want.memory)
		}
	}
}
