package main

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
)

// target is one way to the function.
type target struct {
	name string
	// base is the URL of the function, without a slash at its end.
	base string
	// h2c is the URL for HTTP/2 without TLS, where it is another.
	h2c string
	// rpc is where gRPC calls go; empty means it carries none.
	rpc string
	// pid is the process whose processor time is counted; 0 means none.
	pid int
}

// stage is everything that runs during the rounds. Containers and networks are
// scripts/bench.sh's to remove, because it outlives this process.
type stage struct {
	options   options
	folder    string
	processes []*process
	targets   []target
	main      *provider
}

func openStage(ctx context.Context, o options) (*stage, error) {
	folder, err := os.MkdirTemp("", "faas-docker-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	s := &stage{options: o, folder: folder}
	if err := s.build(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) build(ctx context.Context) error {
	// nginx' workers are another user, who must be able to pass.
	if err := os.Chmod(s.folder, 0o711); err != nil {
		return fmt.Errorf("open the folder: %w", err)
	}
	var err error
	if s.main, err = s.startProvider(ctx, s.options.installation); err != nil {
		return err
	}
	hello, err := s.main.deployPinned(ctx, "hello")
	if err != nil {
		return err
	}
	rpc, err := s.main.deployPinned(ctx, "rpc")
	if err != nil {
		return err
	}
	s.targets = []target{{name: direct, base: "http://" + hello, rpc: rpc}}
	if err := s.startNginx(ctx, hello, rpc); err != nil {
		return err
	}
	if err := s.startCaddy(ctx, hello); err != nil {
		return err
	}
	for _, name := range []string{stock, reverse} {
		if err := s.startReference(ctx, name, hello); err != nil {
			return err
		}
	}
	return s.addOurs(ctx)
}

//go:embed routes.eskip
var routes string

// addOurs adds this program's ways to the function.
func (s *stage) addOurs(ctx context.Context) error {
	if err := s.main.deploy(ctx, "hello-free", benchImage, nil); err != nil {
		return err
	}
	if err := s.main.tell(ctx, http.MethodPut, "/system/routes", routes); err != nil {
		return err
	}
	for _, way := range []struct{ name, path string }{
		{ours, "/function/hello"}, {free, "/function/hello-free"},
		{routed0, "/filters-0"}, {routed3, "/filters-3"}, {routed9, "/filters-9"},
	} {
		s.targets = append(s.targets, s.main.target(way.name, way.path))
	}
	return nil
}

// chosen are the targets of these names.
func (s *stage) chosen(names []string) []target {
	var found []target
	for _, t := range s.targets {
		if slices.Contains(names, t.name) {
			found = append(found, t)
		}
	}
	return found
}

// startReference starts one of the proxies under bench/, whose folder is called
// as in programs.
func (s *stage) startReference(ctx context.Context, name, upstream string) error {
	program := map[string]string{stock: "stock", reverse: "reverse"}[name]
	address, err := freeAddress()
	if err != nil {
		return err
	}
	p, err := s.start(ctx, address, nil, filepath.Join(s.options.programs, program), "-listen", address, "-upstream", upstream)
	if err != nil {
		return err
	}
	s.targets = append(s.targets, target{name: name, base: "http://" + address + "/function/hello", pid: p.pid()})
	return nil
}

// close ends all processes, the last first. It may be called again.
func (s *stage) close() {
	for _, p := range slices.Backward(s.processes) {
		p.stop()
	}
	s.processes = nil
	_ = os.RemoveAll(s.folder)
}

// freeAddress returns a free loopback address.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
