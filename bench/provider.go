package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const deployTimeout = time.Minute

// provider is this program, as it is started everywhere: its own store and
// network, no credentials, all else as by default.
type provider struct {
	process      *process
	address      string
	installation string
	client       *http.Client
}

func (s *stage) startProvider(ctx context.Context, installation string) (*provider, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	started, err := s.start(ctx, address, []string{
		"host=" + host, "port=" + port, "basic_auth=false", "log_level=warn", "pull_policy=Never",
		"data_dir=" + filepath.Join(s.folder, installation), "function_network=" + installation,
	}, filepath.Join(s.options.programs, "faas-docker"))
	if err != nil {
		return nil, err
	}
	return &provider{process: started, address: address, installation: installation, client: &http.Client{Timeout: deployTimeout}}, nil
}

func (p *provider) target(name, path string) target {
	return target{name: name, base: "http://" + p.address + path, rpc: p.address, pid: p.process.pid()}
}

// deployPinned deploys a function of the image of its name, and returns the address of
// its one replica once it answers.
func (p *provider) deployPinned(ctx context.Context, name string) (string, error) {
	// All proxies call this one replica: it must neither get company nor be replaced.
	one := map[string]string{"com.openfaas.scale.min": "1", "com.openfaas.scale.max": "1"}
	if err := p.deploy(ctx, name, "faas-docker/bench-"+name, one); err != nil {
		return "", err
	}
	return p.replica(ctx, name)
}

// deploy deploys a function and waits until it is ready.
func (p *provider) deploy(ctx context.Context, name, image string, labels map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, deployTimeout)
	defer cancel()
	if err := p.post(ctx, name, image, labels); err != nil {
		return err
	}
	for !p.isReady(ctx, name) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("deploy %s: it is not ready: %w: %s", name, ctx.Err(), p.process.said)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// post asks until the provider can: just started, it may not have read the engine
// yet.
func (p *provider) post(ctx context.Context, name, image string, labels map[string]string) error {
	body, err := json.Marshal(map[string]any{"service": name, "image": image, "labels": labels})
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	for {
		status, answer, err := p.ask(ctx, http.MethodPost, "/system/functions", body)
		switch {
		case err != nil:
			return fmt.Errorf("deploy %s: %w", name, err)
		case status/100 == 2:
			return nil
		case status != http.StatusServiceUnavailable:
			return fmt.Errorf("deploy %s: %d: %s", name, status, answer)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("deploy %s: %w: %s", name, ctx.Err(), answer)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// call calls a function once; it must answer with 200.
func (p *provider) call(ctx context.Context, name string) error {
	return get(ctx, p.client, "http://"+p.address+"/function/"+name)
}

func (p *provider) scale(ctx context.Context, name string, replicas int) error {
	return p.tell(ctx, http.MethodPost, "/system/scale-function/"+name, fmt.Sprintf(`{"replicas":%d}`, replicas))
}

// tell asks the provider for what it must do.
func (p *provider) tell(ctx context.Context, method, path, body string) error {
	status, answer, err := p.ask(ctx, method, path, []byte(body))
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%d: %s", status, answer)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (p *provider) isReady(ctx context.Context, name string) bool {
	_, answer, err := p.ask(ctx, http.MethodGet, "/system/function/"+name, nil)
	var status struct {
		AvailableReplicas int `json:"availableReplicas"`
	}
	return err == nil && json.Unmarshal(answer, &status) == nil && status.AvailableReplicas > 0
}

func (p *provider) ask(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+p.address+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// replica returns the address of a function's one replica: its own, or, when it
// shares another container's network, the one that it is labelled with.
func (p *provider) replica(ctx context.Context, name string) (string, error) {
	id, err := output(ctx, "docker", "ps", "--quiet", "--filter", "label=com.openfaas.provider="+p.installation, "--filter", "label=com.openfaas.function="+name)
	if err != nil {
		return "", err
	}
	if len(strings.Fields(id)) != 1 {
		return "", fmt.Errorf("find the replica of %s: want one container, not %q", name, id)
	}
	const format = `{{index .Config.Labels "com.openfaas.address"}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}`
	addresses, err := output(ctx, "docker", "inspect", "--format", format, id)
	if err != nil {
		return "", err
	}
	first := strings.Fields(addresses)
	if len(first) == 0 {
		return "", fmt.Errorf("find the replica of %s: it has no address", name)
	}
	address := net.JoinHostPort(first[0], "8080")
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("reach %s: %w: run the benchmark on the engine's own machine", name, err)
	}
	return address, conn.Close()
}

// openCrowd starts two providers with the same function, one of which has many
// others beside it.
func (s *stage) openCrowd(ctx context.Context) (alone, crowd target, err error) {
	full, err := s.startProvider(ctx, s.options.installation+"-crowd")
	if err != nil {
		return target{}, target{}, err
	}
	if err := full.deployAsleep(ctx, s.options.functions-1); err != nil {
		return target{}, target{}, err
	}
	if _, err := full.deployPinned(ctx, "hello"); err != nil {
		return target{}, target{}, err
	}
	single, err := s.startProvider(ctx, s.options.installation+"-alone")
	if err != nil {
		return target{}, target{}, err
	}
	if _, err := single.deployPinned(ctx, "hello"); err != nil {
		return target{}, target{}, err
	}
	return single.target(ours, "/function/hello"), full.target(crowded, "/function/hello"), nil
}

// deployAsleep deploys functions that have no replica until they are called.
func (p *provider) deployAsleep(ctx context.Context, number int) error {
	deployments, ctx := errgroup.WithContext(ctx)
	deployments.SetLimit(8)
	for i := range number {
		deployments.Go(func() error {
			return p.post(ctx, "asleep-"+strconv.Itoa(i), "faas-docker/bench-hello", map[string]string{"com.openfaas.scale.min": "0"})
		})
	}
	return deployments.Wait()
}
