package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/system"

	"faas-docker/function"
)

func TestCheckConstraints_JudgesThisMachine(t *testing.T) {
	t.Parallel()
	facts := factsOf(system.Info{
		Name: "box", OSType: "linux", Architecture: "x86_64", Labels: []string{"disk=ssd", "gpu", "node.role=forged"},
	})
	cases := []struct{ constraint, says string }{
		{"node.platform.os==linux", ""},
		{"node.platform.os == linux", ""},
		{"node.platform.arch==amd64", ""},
		{"node.platform.arch==x86_64", ""},
		{"kubernetes.io/arch=amd64", ""},
		{"node.role==manager", ""},
		{"node.hostname==box", ""},
		{"node.hostname!=other", ""},
		{"disk=ssd", ""},
		{"node.labels.disk==ssd", ""},
		{"engine.labels.disk==ssd", ""},
		{"zone!=eu", ""},
		{"node.role==worker", ""},
		{"node.role == worker", ""},
		{"node.role=manager", ""},
		{"node.role!=manager", ""},
		{"node.role != worker", ""},
		{"Node.Role == Worker", ""},
		{"beta.kubernetes.io/arch=amd64", ""},
		{"beta.kubernetes.io/arch == amd64", ""},
		{"beta.kubernetes.io/os=linux", ""},
		{"kubernetes.io/arch==x86_64", ""},
		{"kubernetes.io/os = linux", ""},
		{"kubernetes.io/hostname=box", ""},
		{"node.platform.arch==AMD64", ""},
		{"node.platform.os==Linux", ""},
		{"node.platform.os != windows", ""},
		{"node.role==edge", `on this machine node.role is "manager and worker"`},
		{"node.platform.os==windows", `on this machine node.platform.os is "linux"`},
		{"beta.kubernetes.io/arch=arm64", `on this machine beta.kubernetes.io/arch is "amd64"`},
		{"kubernetes.io/os=windows", `on this machine kubernetes.io/os is "linux"`},
		{"kubernetes.io/arch!=amd64", `on this machine kubernetes.io/arch is "amd64"`},
		{"node.hostname==Box", `on this machine node.hostname is "box"`},
		{"Disk=ssd", `no label "Disk"`},
		{"node.platform.arch==arm64", `on this machine node.platform.arch is "amd64"`},
		{"node.labels.zone==eu", `no label "node.labels.zone": labels are set in Docker's daemon.json, as in {"labels": ["zone=eu"]}`},
	}
	for _, c := range cases {
		err := checkConstraints([]string{"disk=ssd", c.constraint}, facts)
		if c.says == "" {
			if err != nil {
				t.Errorf("%s: got %v, want it met", c.constraint, err)
			}
			continue
		}
		if !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), "constraints[1]: ") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an ErrInvalid that says %q", c.constraint, err, c.says)
		}
	}
}

func TestCheckGPUs_RefusesWhatDockerHasNoDriverFor(t *testing.T) {
	t.Parallel()
	err := checkGPUs(function.Spec{Requests: &function.Resources{IntelGPU: "1"}})
	if !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), "requests.intel.com/gpu: ") {
		t.Errorf("got %v, want an ErrInvalid of that field", err)
	}
	if err := checkGPUs(function.Spec{Limits: &function.Resources{NvidiaGPU: "1", AmdGPU: "all"}}); err != nil {
		t.Errorf("got %v, want no objection", err)
	}
}
