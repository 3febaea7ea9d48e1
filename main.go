// Command faas-docker turns a machine with a Docker engine into an OpenFaaS:
// faas-cli, the OpenFaaS gateway and curl use it directly.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/handlers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without its surroundings. It returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "-h", "--help", "help":
		fmt.Fprint(stdout, help(getenv))
		return 0
	case "-v", "--version", "version":
		fmt.Fprintln(stdout, versionLine(version()))
		return 0
	}
	cfg, err := readConfig(getenv)
	if err != nil {
		fmt.Fprintln(stderr, "faas-docker: "+err.Error())
		return 2
	}
	switch command {
	case "serve":
		err = serve(ctx, cfg, stderr)
	case "healthcheck":
		err = healthcheck(ctx, cfg)
	case "routes":
		err = checkRoutes(cfg, args[1:], stdout)
	default:
		err = fmt.Errorf("unknown command %q: see faas-docker --help", command)
	}
	if err != nil {
		fmt.Fprintln(stderr, "faas-docker: "+err.Error())
		return 1
	}
	return 0
}

func serve(ctx context.Context, cfg config, stderr io.Writer) error {
	if os.Getenv("GOGC") == "" {
		paceCollector()
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processorsFor(runtime.GOMAXPROCS(0)))
	}
	logger := hclog.New(&hclog.LoggerOptions{Name: "faas-docker", Level: cfg.logLevel, JSONFormat: cfg.logJSON, Output: stderr})
	p, err := open(cfg, logger)
	if err != nil {
		return err
	}
	return p.run(ctx)
}

// healthcheck asks the provider that is configured alike how it is.
func healthcheck(ctx context.Context, cfg config) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host := cfg.host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(cfg.port)) + "/healthz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	why, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
	return fmt.Errorf("health check: %s: %s", response.Status, why)
}

// version is what the Go toolchain stamped into the binary: the module's version
// and the commit it was built from.
func version() handlers.Version {
	v := handlers.Version{Release: "dev"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Release = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.SHA = setting.Value
		}
	}
	return v
}

func versionLine(v handlers.Version) string {
	return fmt.Sprintf("faas-docker %s (commit %s)", v.Release, orDash(v.SHA))
}
