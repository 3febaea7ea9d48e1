package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"
	sdk "github.com/openfaas/go-sdk"

	"faas-docker/app"
	"faas-docker/function"
)

const (
	defaultNS = function.DefaultNamespace
)

// host is a running provider and the clients that use it.
type host struct {
	url      string
	network  string
	dataDir  string
	client   *http.Client
	sdk      *sdk.Client
	log      *logBuffer
	provider *app.App // nil when it runs in a process of its own
	stop     func() error
}

// startHost runs a provider in this process on a free port until the test ends.
func startHost(t testing.TB, network string, settings map[string]string) *host {
	t.Helper()
	h := &host{network: network, log: &logBuffer{}}
	values := map[string]string{"port": "0", "data_dir": t.TempDir(), "function_network": network, "log_level": "debug"}
	for name, value := range settings {
		values[name] = value
	}
	h.dataDir = values["data_dir"]
	cfg, err := app.ReadConfig(func(name string) (string, bool) { value, set := values[name]; return value, set })
	if err != nil {
		t.Fatalf("configure the provider: %v", err)
	}
	h.provider, err = app.Open(cfg, cfg.Logger(h.log))
	if err != nil {
		t.Fatalf("open the provider: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.provider.Run(ctx) }()
	h.stop = sync.OnceValue(func() error {
		cancel()
		h.client.CloseIdleConnections()
		return <-ended
	})
	h.connect("http://127.0.0.1:" + portOf(h.provider.Address().String()))
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Errorf("stop the provider: %v", err)
		}
	})
	select { // a network that is being made while the test ends would be left behind
	case <-h.provider.Ready():
	case <-time.After(soon):
		t.Fatalf("the provider did not get ready with the Docker engine:\n%s", h.log)
	}
	return h
}

// env is an environment of these names and values.
func env(pairs ...string) app.Environment {
	return func(name string) (value string, set bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// connect makes clients of the provider's own, so that closing their idle
// connections disturbs no other.
func (h *host) connect(address string) {
	h.url = address
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 128
	transport.DisableCompression = true
	h.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	target, _ := url.Parse(address)
	h.sdk = sdk.NewClient(target, nil, h.client)
}

// explainFailure shows what the provider logged about the functions of a test that failed, and
// about itself. Of other tests' functions it only says whose they are.
func (h *host) explainFailure(t testing.TB) {
	from := h.log.len()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the provider's log:\n%s", h.log.explain(from, rootOf(t)))
		}
	})
}

// answer is a response that was read to its end.
type answer struct {
	*http.Response
	body string
}

// request describes what do sends.
type request struct {
	method string
	path   string
	body   string
	header map[string]string
	host   string
	answer string // what callSteadily wants to be answered; empty means anything
}

func (h *host) do(t testing.TB, r request) answer {
	t.Helper()
	got, err := h.try(t.Context(), r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	return got
}

func (h *host) try(ctx context.Context, r request) (answer, error) {
	response, err := h.open(ctx, r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return answer{response, string(body)}, err
}

// open sends a request and returns the response whose body is still to be read.
func (h *host) open(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, h.url+r.path, body)
	if err != nil {
		return nil, err
	}
	for key, value := range r.header {
		sent.Header.Set(key, value)
	}
	sent.Host = r.host
	return h.client.Do(sent)
}

func (h *host) get(t testing.TB, path string) answer {
	t.Helper()
	return h.do(t, request{method: http.MethodGet, path: path})
}

// send sends a value as JSON.
func (h *host) send(t testing.TB, method, path string, value any) answer {
	t.Helper()
	return h.do(t, request{method: method, path: path, body: asJSON(t, value)})
}

// asJSON encodes a value; nil is an empty body.
func asJSON(t testing.TB, value any) string {
	t.Helper()
	if value == nil {
		return ""
	}
	body, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// wants fails the test unless the answer has the status, and says all the words.
func (a answer) wants(t testing.TB, status int, words ...string) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %s", a.Request.Method, a.Request.URL, a.StatusCode, status, clipped(a.body))
	}
	for _, word := range words {
		if !strings.Contains(a.body, word) {
			t.Fatalf("%s %s: %q does not say %q", a.Request.Method, a.Request.URL, clipped(a.body), word)
		}
	}
	return a
}

func clipped(text string) string {
	if len(text) > 2000 {
		return text[:2000] + "…"
	}
	return text
}

// status is OpenFaaS's function status with our own field.
type status struct {
	types.FunctionStatus
	Reason string `json:"reason"`
}

var serial atomic.Uint64

// spec describes a function with a name of its own, which is deleted after the
// test.
func (h *host) spec(t testing.TB, sample string) types.FunctionDeployment {
	t.Helper()
	h.log.belongs(tokenOf(t), rootOf(t))
	name := fmt.Sprintf("%s-%s-%d", sample, tokenOf(t), serial.Add(1))
	t.Cleanup(func() { h.forget(t, name, defaultNS) })
	return types.FunctionDeployment{Service: name, Image: image(t, sample), Namespace: defaultNS}
}

// rootOf is the name of the test that t is part of.
func rootOf(t testing.TB) string {
	root, _, _ := strings.Cut(t.Name(), "/")
	return root
}

// tokenOf is a short name of a test, and of its parts, that can be part of a function's name.
func tokenOf(t testing.TB) string {
	sum := uint32(2166136261)
	for _, c := range []byte(rootOf(t)) {
		sum = (sum ^ uint32(c)) * 16777619
	}
	return strconv.FormatUint(uint64(sum), 36)
}

func (h *host) forget(t testing.TB, name, namespace string) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	body := fmt.Sprintf(`{"functionName":%q,"namespace":%q}`, name, namespace)
	got, err := h.try(ctx, request{method: http.MethodDelete, path: "/system/functions", body: body})
	if err == nil && got.StatusCode != http.StatusAccepted && got.StatusCode != http.StatusNotFound {
		t.Errorf("delete %s: %d %s", name, got.StatusCode, got.body)
	}
}

// deploy deploys a function and waits until it answers.
func (h *host) deploy(t testing.TB, spec types.FunctionDeployment) status {
	t.Helper()
	code, err := h.sdk.Deploy(t.Context(), spec)
	if err != nil {
		t.Fatalf("deploy %s: %d %v", spec.Service, code, err)
	}
	return h.awaitReplicas(t, spec.Service, 1)
}

// awaitHealthy waits until the provider has joined its functions' network.
func (h *host) awaitHealthy(t testing.TB) {
	t.Helper()
	eventually(t, "the provider is healthy", func() (bool, string) {
		got := h.get(t, "/healthz")
		return got.StatusCode == http.StatusOK, got.body
	})
}

// awaitReplicas waits until exactly so many replicas are wanted and answer.
func (h *host) awaitReplicas(t testing.TB, name string, count uint64) status {
	t.Helper()
	return h.await(t, name, fmt.Sprintf("%d replicas", count), func(s status) bool {
		return s.Replicas == count && s.AvailableReplicas == count
	})
}

// await waits until a function's status is as it should be.
func (h *host) await(t testing.TB, name, what string, holds func(status) bool) status {
	t.Helper()
	var last status
	eventually(t, fmt.Sprintf("%s has %s", name, what), func() (bool, string) {
		last = h.status(t, name)
		return holds(last), fmt.Sprintf("replicas %d, available %d, reason %q", last.Replicas, last.AvailableReplicas, last.Reason)
	})
	return last
}

func (h *host) status(t testing.TB, name string) status {
	t.Helper()
	var s status
	body := h.get(t, "/system/function/"+name).wants(t, http.StatusOK).body
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("status of %s: %v: %s", name, err, body)
	}
	return s
}

// eventually waits for what nothing announces to a client: it asks, with pauses,
// until the answer is yes. What was seen last is part of the failure.
func eventually(t testing.TB, what string, holds func() (yes bool, seen string)) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for {
		yes, seen := holds()
		if yes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s; last seen: %s", soon, what, clipped(seen))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// containers lists the IDs of a function's containers, in any state.
func (h *host) containers(t testing.TB, name string) []string {
	t.Helper()
	return strings.Fields(docker(t, "ps", "-aq", "--no-trunc",
		"--filter", "label=com.openfaas.provider="+h.network, "--filter", "label=com.openfaas.function="+name))
}

// container is the ID of the only container of a function.
func (h *host) container(t testing.TB, name string) string {
	t.Helper()
	found := h.containers(t, name)
	if len(found) != 1 {
		t.Fatalf("%s has %d containers, want one", name, len(found))
	}
	return found[0]
}

// docker runs Docker's own command line client and returns what it prints.
func docker(t testing.TB, args ...string) string {
	t.Helper()
	out, err := runDocker(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func runDocker(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, "docker", args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("these tests need Docker's command line client, docker, and an engine that it reaches")
	}
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}

// logBuffer keeps what a provider logs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	// tests have their names by the tokens in the names of their functions.
	tests map[string]string
}

// belongs notes whose the functions with a token are.
func (b *logBuffer) belongs(token, test string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tests == nil {
		b.tests = map[string]string{}
	}
	b.tests[token] = test
}

// testOf is the test whose function a line is about; empty for none.
func (b *logBuffer) testOf(line string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for token, test := range b.tests {
		if strings.Contains(line, "-"+token+"-") {
			return test
		}
	}
	return ""
}

// explain returns the lines after a position that are about a test's functions or about none,
// and how many there are of others.
func (b *logBuffer) explain(from int, test string) string {
	var lines strings.Builder
	others := map[string]int{}
	for line := range strings.Lines(b.String()[from:]) {
		if of := b.testOf(line); of != test && of != "" {
			others[of]++
			continue
		}
		lines.WriteString(line)
	}
	for _, other := range slices.Sorted(maps.Keys(others)) {
		fmt.Fprintf(&lines, "left out: %d lines about functions of %s, which ran beside\n", others[other], other)
	}
	return lines.String()
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Len()
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// about returns the lines after a position that contain a word.
func (b *logBuffer) about(from int, word string) string {
	var lines strings.Builder
	for line := range strings.Lines(b.String()[from:]) {
		if strings.Contains(line, word) {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// readyNamespaces counts the network namespaces that no replica has joined yet.
func (h *host) readyNamespaces(t testing.TB) int {
	t.Helper()
	list := docker(t, "ps", "--filter", "label=com.openfaas.provider="+h.network, "--format", `{{.Label "com.openfaas.role"}} {{.Label "com.openfaas.holder"}}`)
	holders, joined := 0, 0
	for line := range strings.Lines(list) {
		switch role, holder, _ := strings.Cut(strings.TrimSpace(line), " "); {
		case role == "holder":
			holders++
		case holder != "":
			joined++
		}
	}
	return holders - joined
}

// awaitNamespace returns when there is a ready network namespace and the provider
// knows of it, which takes it a moment after the engine shows it.
func (h *host) awaitNamespace(t testing.TB) {
	t.Helper()
	var since time.Time
	eventually(t, "a network namespace is ready", func() (bool, string) {
		ready := h.readyNamespaces(t)
		if ready < 1 {
			since = time.Time{}
		} else if since.IsZero() {
			since = time.Now()
		}
		return ready > 0 && time.Since(since) > 300*time.Millisecond, fmt.Sprint(ready)
	})
}

// containersOn returns the IDs of a provider's containers in any state, but for the
// holders of network namespaces that it keeps ready.
func containersOn(t testing.TB, network string) []string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(docker(t, "ps", "-a", "--format", `{{.ID}} {{.Label "com.openfaas.role"}}`, "--filter", "label=com.openfaas.provider="+network)) {
		if id, role, _ := strings.Cut(strings.TrimSpace(line), " "); role != "holder" {
			ids = append(ids, id)
		}
	}
	return ids
}
