package function

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSettings_TheDeploymentsEnvironmentLiesOverTheImages(t *testing.T) {
	tests := []struct {
		name               string
		image              []string
		env                map[string]string
		call, drain, grace time.Duration
		inFlight           int
	}{
		{name: "nothing said", drain: time.Minute, grace: 10 * time.Second},
		{name: "exec_timeout of the image", image: []string{"exec_timeout=5m"}, call: 5 * time.Minute, drain: 5 * time.Minute, grace: 10 * time.Second},
		{name: "write_timeout of the image", image: []string{"write_timeout=150s"}, call: 150 * time.Second, drain: 150 * time.Second, grace: 151 * time.Second},
		{name: "seconds", image: []string{"write_timeout=90"}, call: 90 * time.Second, drain: 90 * time.Second, grace: 91 * time.Second},
		{name: "the deployment counts for more", image: []string{"exec_timeout=5m"}, env: map[string]string{"exec_timeout": "10s"}, call: 10 * time.Second, drain: 10 * time.Second, grace: 10 * time.Second},
		{name: "also when it is empty", image: []string{"exec_timeout=5m"}, env: map[string]string{"exec_timeout": ""}, drain: time.Minute, grace: 10 * time.Second},
		{name: "each variable by itself", image: []string{"exec_timeout=5m", "write_timeout=1m"}, env: map[string]string{"write_timeout": "6m"}, call: 6 * time.Minute, drain: 6 * time.Minute, grace: 361 * time.Second},
		{name: "healthcheck_interval of the image", image: []string{"write_timeout=20s", "healthcheck_interval=40s"}, call: 20 * time.Second, drain: 20 * time.Second, grace: 41 * time.Second},
		{name: "max_inflight of the image", image: []string{"max_inflight=3"}, drain: time.Minute, grace: 10 * time.Second, inFlight: 3},
		{name: "max_inflight of the deployment", image: []string{"max_inflight=3"}, env: map[string]string{"max_inflight": "7"}, drain: time.Minute, grace: 10 * time.Second, inFlight: 7},
		{name: "max_inflight that a watchdog takes for none", image: []string{"max_inflight=many"}, drain: time.Minute, grace: 10 * time.Second},
		{name: "read_timeout bounds no call", image: []string{"read_timeout=10m"}, drain: time.Minute, grace: 10 * time.Second},
		{name: "values with = and of other variables", image: []string{"PATH=/bin", "A=b=c", "exec_timeout=2m", "broken"}, call: 2 * time.Minute, drain: 2 * time.Minute, grace: 10 * time.Second},
		{name: "nonsense", image: []string{"exec_timeout=soon", "write_timeout=-1s"}, drain: time.Minute, grace: 10 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := Spec{EnvVars: test.env}.With(NewImageConfig(test.image, nil, nil))
			policy, err := s.CallPolicy()
			if err != nil || policy.WatchdogTime != test.call || policy.MaxInFlight != test.inFlight {
				t.Errorf("a call may take %v, %d at a time, %v; want %v, %d", policy.WatchdogTime, policy.MaxInFlight, err, test.call, test.inFlight)
			}
			if got := s.DrainTimeout(time.Minute); got != test.drain {
				t.Errorf("drained for %v, want %v", got, test.drain)
			}
			if got := s.StopGrace(); got != test.grace {
				t.Errorf("%v between SIGTERM and SIGKILL, want %v", got, test.grace)
			}
		})
	}
	unbounded := Spec{Annotations: map[string]string{PolicyMaxInFlight: "0"}}.With(NewImageConfig([]string{"max_inflight=3"}, nil, nil))
	if policy, _ := unbounded.CallPolicy(); policy.MaxInFlight != 0 {
		t.Errorf("%d at a time, want no limit: the annotation says so", policy.MaxInFlight)
	}
}

func TestSettings_ThePortIsTheOneThatTheImageListensOn(t *testing.T) {
	tests := []struct {
		name    string
		image   []string
		exposed []string
		spec    Spec
		want    int
	}{
		{"nothing said", nil, nil, Spec{}, 8080},
		{"ENV port", []string{"port=3333"}, nil, Spec{}, 3333},
		{"ENV port counts for more than EXPOSE", []string{"port=3333"}, []string{"8080/tcp"}, Spec{}, 3333},
		{"port of the deployment", []string{"port=3333"}, nil, Spec{EnvVars: map[string]string{"port": "4000"}}, 4000},
		{"single EXPOSE", nil, []string{"3000/tcp"}, Spec{}, 3000},
		{"single EXPOSE without a protocol", nil, []string{"80"}, Spec{}, 80},
		{"EXPOSE of UDP is none", nil, []string{"53/udp", "5000/tcp"}, Spec{}, 5000},
		{"several EXPOSEs", nil, []string{"3000/tcp", "8080/tcp"}, Spec{}, 8080},
		{"several EXPOSEs without 8080", nil, []string{"80/tcp", "443/tcp"}, Spec{}, 8080},
		{"PORT", []string{"PORT=5000"}, nil, Spec{}, 5000},
		{"PORT of the deployment over EXPOSE", nil, []string{"80/tcp"}, Spec{EnvVars: map[string]string{"PORT": "9000"}}, 9000},
		{"a watchdog is not moved by the process behind it", []string{"fprocess=node index.js", "PORT=3000"}, []string{"3000/tcp"}, Spec{}, 8080},
		{"nor one whose process the deployment names", nil, []string{"3000/tcp"}, Spec{EnvProcess: "cat"}, 8080},
		{"nor one that serves files", []string{"mode=static"}, []string{"80/tcp"}, Spec{}, 8080},
		{"but by its own variable", []string{"fprocess=cat", "port=9090"}, []string{"8080/tcp"}, Spec{}, 9090},
		{"no port", []string{"port=http", "PORT=70000"}, []string{"0/tcp", "x/tcp"}, Spec{}, 8080},
		{"an address", []string{"port=tcp://10.0.0.1:3306"}, nil, Spec{}, 8080},
	}
	for _, test := range tests {
		if got := test.spec.With(NewImageConfig(test.image, test.exposed, nil)).Port(); got != test.want {
			t.Errorf("%s: port %d, want %d", test.name, got, test.want)
		}
	}
	if got := (Spec{EnvVars: map[string]string{"port": "81"}}).With(nil).Port(); got != 81 {
		t.Errorf("without the image: port %d, want 81", got)
	}
}

func TestSettings_KnowTheProcessBehindAWatchdog(t *testing.T) {
	tests := []struct {
		name  string
		image []string
		want  Upstream
	}{
		{"http", []string{"mode=http", "upstream_url=http://127.0.0.1:5000"}, Upstream{Port: 5000}},
		{"the other variable counts for more", []string{"mode=http", "upstream_url=http://127.0.0.1:5000", "http_upstream_url=http://localhost:3000/"}, Upstream{Port: 3000}},
		{"every address of its own", []string{"mode=http", "upstream_url=http://0.0.0.0:8082"}, Upstream{Port: 8082}},
		{"IPv6", []string{"mode=http", "upstream_url=http://[::1]:8082"}, Upstream{Port: 8082}},
		{"no port", []string{"mode=http", "upstream_url=http://127.0.0.1"}, Upstream{Port: 80}},
		{"buffered", []string{"mode=http", "upstream_url=http://127.0.0.1:5000", "buffer_http=true"}, Upstream{Port: 5000, Buffers: true}},
		{"buffered by the other variable", []string{"mode=http", "upstream_url=http://127.0.0.1:5000", "http_buffer_req_body=1"}, Upstream{Port: 5000, Buffers: true}},
		{"elsewhere", []string{"mode=http", "upstream_url=http://shop:5000"}, Upstream{}},
		{"streaming", []string{"mode=streaming", "upstream_url=http://127.0.0.1:5000"}, Upstream{}},
		{"the default mode", []string{"upstream_url=http://127.0.0.1:5000"}, Upstream{}},
		{"no address", []string{"mode=http"}, Upstream{}},
		{"no URL", []string{"mode=http", "upstream_url=::"}, Upstream{}},
	}
	for _, test := range tests {
		ready, err := (Spec{}).With(NewImageConfig(test.image, nil, nil)).Readiness()
		if err != nil || ready.Upstream != test.want {
			t.Errorf("%s: %+v, %v; want %+v", test.name, ready.Upstream, err, test.want)
		}
	}
}

func TestSettings_SuppressLock(t *testing.T) {
	for text, want := range map[string]bool{"true": true, "1": true, "false": false, "": false, "yes": false} {
		s := Spec{}.With(NewImageConfig([]string{"suppress_lock=" + text}, nil, nil))
		health, _ := s.HealthCheck()
		ready, _ := s.Readiness()
		if health.PortSuffices != want || ready.PortSuffices != want {
			t.Errorf("suppress_lock=%q: %v, %v, want %v", text, health.PortSuffices, ready.PortSuffices, want)
		}
	}
}

func TestImageConfig_KeepsWhatIsNeededWithoutTheImage(t *testing.T) {
	config := NewImageConfig(
		[]string{"PATH=/usr/bin", "SECRET=x", "exec_timeout=5m", "http_port=4321", "LISTEN_PORT=0.0.0.0:7654", "SUPPORT=mail", "port=3333"},
		[]string{"8443/tcp", "80/tcp", "80/tcp", "53/udp"},
		nil,
	)
	want := &ImageConfig{Env: map[string]string{"exec_timeout": "5m", "http_port": "4321", "LISTEN_PORT": "0.0.0.0:7654", "port": "3333"}, Ports: []int{80, 8443}}
	if !reflect.DeepEqual(config, want) {
		t.Fatalf("got %+v, want %+v", config, want)
	}
	f := Function{Spec: Spec{Name: "f"}, ImageConfig: config, Answered: true}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back Function
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, f) {
		t.Errorf("stored and read again: %+v, %v; want %+v", back, err, f)
	}
	if got := f.Replaced().Function().ImageConfig; !reflect.DeepEqual(got, config) {
		t.Errorf("the revision before has %+v, want the same", got)
	}
	ready, err := f.Settings().Readiness()
	if want := []int{80, 3333, 4321, 7654, 8443}; err != nil || !slices.Equal(ready.Ports, want) {
		t.Errorf("ports that are spoken of: %v, %v; want %v", ready.Ports, err, want)
	}
}

// A reader of the deployment's environment alone overlooks what the image says.
func TestSettings_NothingElseReadsTheEnvironment(t *testing.T) {
	reader := regexp.MustCompile(`\.EnvVars\[|range [\w.]*\.EnvVars|\.EnvProcess [!=]=`)
	allowed := map[string]string{
		"function/settings.go": "the one reader",
		"function/spec.go":     "judges the names and values of a deployment",
		"engine/container.go":  "writes the container's environment",
		"stack/function.go":    "writes a deployment from a stack file",
	}
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		path = filepath.ToSlash(strings.TrimPrefix(path, "../"))
		if match := reader.Find(text); match != nil {
			found[path] = true
			if allowed[path] == "" {
				t.Errorf("%s reads a function's environment (%s): ask its Settings, which know the image's too", path, match)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !found["function/settings.go"] {
		t.Error("the reader itself was not found: the expression has to be mended")
	}
}
