package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/engine"
	"faas-docker/function"
	"faas-docker/handlers"
)

// config is everything that can be set from outside, read once at start.
type config struct {
	host              string
	port              int
	dataDir           string
	functionNetwork   string
	functionNamespace string
	pullPolicy        engine.PullPolicy
	netnsPool         int
	stackFile         string
	routesFile        string
	dockerConfig      string

	logLevel hclog.Level
	logJSON  bool

	readTimeout     time.Duration
	writeTimeout    time.Duration
	upstreamTimeout time.Duration
	wakeTimeout     time.Duration
	startTimeout    time.Duration
	drainTimeout    time.Duration
	stallTimeout    time.Duration

	maxRequestHeader int
	maxRequestBody   int64 // zero means no limit

	basicAuth       bool
	secretMountPath string
	insecure        bool
	allowedHosts    []string
	trustedProxies  []netip.Prefix
	infoShape       handlers.Behind

	maxIdleConns        int
	maxIdleConnsPerHost int
	ignoreTrailingSlash bool
}

// variable is one environment variable: its name, what it is when unset, what it
// means, and how it is read.
type variable struct {
	name, standard, meaning string
	set                     func(text string) error
}

// readConfig reads the environment. The first bad value is an error that names
// the variable, its value and what is wanted.
func readConfig(getenv func(string) string) (config, error) {
	var c config
	for _, v := range c.variables(getenv) {
		text := strings.TrimSpace(getenv(v.name))
		if text == "" {
			text = v.standard
		}
		if err := v.set(text); err != nil {
			return config{}, fmt.Errorf("%s=%q: %w", v.name, text, err)
		}
	}
	return c, c.refuseOpenDoor()
}

// refuseOpenDoor keeps the system API, which can start any container, from being
// offered to the network without credentials.
func (c config) refuseOpenDoor() error {
	if c.basicAuth || c.insecure || isLoopbackHost(c.host) {
		return nil
	}
	return fmt.Errorf("host=%q: anybody who reaches this address could start containers on this machine: set basic_auth=true, or listen on 127.0.0.1, or set insecure=true if something else guards it", c.host)
}

func isLoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// address is where the provider listens.
func (c config) address() string { return net.JoinHostPort(c.host, strconv.Itoa(c.port)) }

// variables is the one table of the configuration: readConfig and --help read it.
func (c *config) variables(getenv func(string) string) []variable {
	return slices.Concat(c.placeVariables(getenv), c.functionVariables(), c.timeVariables(), c.sizeVariables(), c.accessVariables(), c.logVariables())
}

func (c *config) placeVariables(getenv func(string) string) []variable {
	return []variable{
		{"host", "127.0.0.1", "address to listen on; beyond loopback only with basic_auth=true", setHost(&c.host)},
		{"port", "8080", "port to listen on", setInt(&c.port, 0, 65535)},
		{"data_dir", defaultDataDir(getenv), "folder of the store: what should run, and the secrets; ~/.local/state/faas-docker for users other than root", setText(&c.dataDir)},
		{"docker_config", "", "folder of Docker's config.json with registry credentials; empty means the user's own", setText(&c.dockerConfig)},
		{"stack_file", "", "stack.yml to deploy at start; empty means none", setText(&c.stackFile)},
		{"routes_file", "", "file of routing rules, followed while it changes; empty means none", setText(&c.routesFile)},
		{"routes_ignore_trailing_slash", "false", "take /a/ and /a for the same path in routes", setBool(&c.ignoreTrailingSlash)},
	}
}

func (c *config) functionVariables() []variable {
	return []variable{
		{"function_network", "faas-docker", "bridge network of the functions, made when missing; it also marks whose containers they are", setNetwork(&c.functionNetwork)},
		{"function_namespace", function.DefaultNamespace, "namespace of functions that name none", setNamespace(&c.functionNamespace)},
		{"pull_policy", "IfNotPresent", "Always, IfNotPresent or Never", setPullPolicy(&c.pullPolicy)},
		{"netns_pool", "20", "most network namespaces kept ready, which more than halve a cold start: 4, or one for each function at zero if these are more; 0 keeps none", setInt(&c.netnsPool, 0, 100)},
		{"max_idle_conns", "1024", "idle connections kept to all replicas together", setInt(&c.maxIdleConns, 1, 1<<20)},
		{"max_idle_conns_per_host", "1024", "idle connections kept to one replica", setInt(&c.maxIdleConnsPerHost, 1, 1<<20)},
	}
}

func (c *config) timeVariables() []variable {
	return []variable{
		{"read_timeout", "10s", "longest time to read a request's head, and a system call's body", setDuration(&c.readTimeout)},
		{"write_timeout", "60s", "longest time to answer a system call; logs may take longer", setDuration(&c.writeTimeout)},
		{"upstream_timeout", "60s", "longest time until a function begins to answer; then 504", setDuration(&c.upstreamTimeout)},
		{"wake_timeout", "30s", "longest time a caller is held until a replica is ready; then 503", setDuration(&c.wakeTimeout)},
		{"start_timeout", "60s", "longest time from a replica's start to its first answer", setDuration(&c.startTimeout)},
		{"drain_timeout", "60s", "longest wait for the calls of a replica that is to be stopped, of functions that state no time of their own", setDuration(&c.drainTimeout)},
		{"stall_timeout", "60s", "longest time a client may take to accept a piece of an answer; then it is cut off", setDuration(&c.stallTimeout)},
	}
}

func (c *config) sizeVariables() []variable {
	return []variable{
		{"max_request_header", "64Ki", "largest header of a request, from 4Ki to 16Mi; then 431", setHeaderSize(&c.maxRequestHeader)},
		{"max_request_body", "0", "largest body of a call to functions that state none of their own; then 413; 0 means no limit", setBodySize(&c.maxRequestBody)},
	}
}

func (c *config) accessVariables() []variable {
	return []variable{
		{"basic_auth", "false", "ask for user and password on /system", setBool(&c.basicAuth)},
		{"secret_mount_path", "/run/secrets", "folder of basic-auth-user and basic-auth-password", setText(&c.secretMountPath)},
		{"insecure", "false", "listen beyond loopback without credentials all the same", setBool(&c.insecure)},
		{"allowed_hosts", "", "further host names for /system without credentials, separated by commas", setList(&c.allowedHosts)},
		{"trusted_proxies", "", "networks whose X-Forwarded headers are believed, such as 10.0.0.0/8,192.168.1.5/32", setPrefixes(&c.trustedProxies)},
		{"info_shape", "auto", "who reads /system/info: direct (faas-cli), gateway, or auto", setInfoShape(&c.infoShape)},
	}
}

func (c *config) logVariables() []variable {
	return []variable{
		{"log_level", "info", "trace, debug, info, warn or error", setLevel(&c.logLevel)},
		{"log_format", "text", "text or json", setFormat(&c.logJSON)},
	}
}

// defaultDataDir follows the XDG base directory specification for users, and the
// file system hierarchy standard for root.
func defaultDataDir(getenv func(string) string) string {
	if os.Geteuid() == 0 {
		return "/var/lib/faas-docker"
	}
	if state := getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "faas-docker")
	}
	return filepath.Join(getenv("HOME"), ".local", "state", "faas-docker")
}

// help is what --help prints.
func help(getenv func(string) string) string {
	var out strings.Builder
	out.WriteString(`faas-docker turns a machine with a Docker engine into an OpenFaaS.

Usage:
  faas-docker              serve, configured by the environment
  faas-docker healthcheck  exit with 0 if the one configured alike is healthy
  faas-docker routes check FILE
                           say what is wrong with a file of routing rules; exit
                           with 0 if nothing is, with 1 otherwise
  faas-docker --version
  faas-docker --help

DOCKER_HOST and its relatives choose the engine, as for docker itself. Times are
Go durations (90s, 5m) or whole seconds. Variables:

`)
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, v := range new(config).variables(getenv) {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", v.name, orDash(v.standard), v.meaning)
	}
	table.Flush()
	return out.String()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
