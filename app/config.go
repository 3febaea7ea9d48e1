package app

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/front"
	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/handlers"
)

// Environment looks a variable of the environment up, as os.LookupEnv does.
type Environment func(name string) (value string, set bool)

func (e Environment) get(name string) string {
	value, _ := e(name)
	return value
}

// Config is everything that can be set from outside, read once at start.
type Config struct {
	environment       Environment
	host              string
	port              int
	dataDir           string
	functionNetwork   string
	functionNamespace string
	pullPolicy        function.PullPolicy
	netnsPool         int
	stackFile         string
	stackEnvFile      string
	routesFile        string
	routesDir         string
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
	maxSpool         int64 // negative means that nothing is kept

	basicAuth       bool
	secretMountPath string
	insecure        bool
	publishedOn     string // empty where the address that callers use is host's
	allowedHosts    []string
	allowedClients  []string
	allowedOrigins  []string
	metricsAuth     bool
	trustedProxies  grammar.Proxies
	infoShape       handlers.Behind
	underscores     front.Underscores

	maxIdleConns        int
	maxIdleConnsPerHost int
	ignoreTrailingSlash bool
}

// Variable is one environment variable.
type Variable struct {
	// Name is the variable's, Standard its value when it is unset, and Meaning its purpose.
	Name, Standard, Meaning string
	set                     func(text string) error
}

// Variables are all variables that the program reads. Standards depend on the environment.
func Variables(environment Environment) []Variable { return new(Config).variables(environment) }

// ReadConfig reads the environment. The first bad value is an error that names
// the variable, its value and the values that are allowed.
func ReadConfig(environment Environment) (Config, error) {
	c := Config{environment: environment}
	for _, v := range c.variables(environment) {
		text := cmp.Or(strings.TrimSpace(environment.get(v.Name)), v.Standard)
		if err := v.set(text); err != nil {
			return Config{}, fmt.Errorf("%s=%q: %w", v.Name, text, err)
		}
	}
	return c, c.refuseOpenDoor()
}

// Logger writes as the configuration says.
func (c Config) Logger(out io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Name: "faas-docker", Level: c.logLevel, JSONFormat: c.logJSON, Output: out})
}

// refuseOpenDoor keeps the system API, which can start any container, behind credentials.
func (c Config) refuseOpenDoor() error {
	if c.basicAuth || c.insecure || handlers.IsLoopback(cmp.Or(c.publishedOn, c.host)) {
		return nil
	}
	if c.publishedOn != "" {
		return fmt.Errorf("published_on=%q: anyone who reaches this address could start containers on this machine: set basic_auth=true (make up BASIC_AUTH=true), or publish on 127.0.0.1", c.publishedOn)
	}
	return fmt.Errorf("host=%q: anyone who reaches this address could start containers on this machine: set basic_auth=true, or listen on 127.0.0.1, or set insecure=true if something else guards it", c.host)
}

// address is where the provider listens.
func (c Config) address() string { return net.JoinHostPort(c.host, strconv.Itoa(c.port)) }

// variables is the one table of the configuration: ReadConfig and --help read it.
func (c *Config) variables(environment Environment) []Variable {
	return slices.Concat(c.placeVariables(environment), c.functionVariables(), c.timeVariables(), c.sizeVariables(), c.accessVariables(), c.logVariables())
}

func (c *Config) placeVariables(environment Environment) []Variable {
	return []Variable{
		{"host", "127.0.0.1", "address to listen on; one beyond loopback needs basic_auth=true", to(&c.host, parseHost)},
		{"port", "8080", "port to listen on", to(&c.port, number(0, 65535))},
		{"data_dir", defaultDataDir(environment), "folder of the store, which holds the deployed functions and the secrets; ~/.local/state/faas-docker for users other than root", to(&c.dataDir, parseText)},
		{"docker_config", "", "folder of the Docker config.json with registry credentials; empty means the user's own", to(&c.dockerConfig, parseText)},
		{"stack_file", "", "stack file to deploy at every start; empty means none", to(&c.stackFile, parseText)},
		{"stack_env_file", "", "file of NAME=value lines for ${NAME} in stack_file; they override the environment; the file may be missing", to(&c.stackEnvFile, parseText)},
		{"routes_file", "", "file of routing rules, read again when it changes; empty means none", to(&c.routesFile, parseText)},
		{"routes_dir", "", "folder of the files that routing rules may name (keys, passwords, static answers); empty means the folder of routes_file", to(&c.routesDir, parseText)},
		{"routes_ignore_trailing_slash", "false", "let routes treat /a/ and /a as the same path", to(&c.ignoreTrailingSlash, parseBool)},
	}
}

func (c *Config) functionVariables() []Variable {
	return []Variable{
		{"function_network", "faas-docker", "bridge network of the functions, created when missing; its name also marks the containers of this provider", to(&c.functionNetwork, parseNetwork)},
		{"function_namespace", function.DefaultNamespace, "namespace of functions that name none", to(&c.functionNamespace, parseNamespace)},
		{"pull_policy", "IfNewer", "when a deployment asks the registry for its image: Always, IfNewer, IfNotPresent or Never", to(&c.pullPolicy, function.ParsePullPolicy)},
		{"netns_pool", "20", "upper limit of the network namespaces kept ready, which more than halve a cold start: 4, or one for each function at zero if that is more; 0 keeps none", to(&c.netnsPool, number(0, 100))},
		{"max_idle_conns", "1024", "largest number of idle connections to all replicas together", to(&c.maxIdleConns, number(1, 1<<20))},
		{"max_idle_conns_per_host", "1024", "largest number of idle connections to one replica", to(&c.maxIdleConnsPerHost, number(1, 1<<20))},
	}
}

func (c *Config) timeVariables() []Variable {
	return []Variable{
		{"read_timeout", "10s", "time to read the header of a request, and the body of a system call", to(&c.readTimeout, parseTime)},
		{"write_timeout", "60s", "time to answer a system call; logs may take longer", to(&c.writeTimeout, parseTime)},
		{"upstream_timeout", "60s", "time until a function begins to answer; then 504", to(&c.upstreamTimeout, parseTime)},
		{"wake_timeout", "30s", "time that a caller is held until a replica is ready; then 503", to(&c.wakeTimeout, parseTime)},
		{"start_timeout", "60s", "time from the start of a replica to its first answer", to(&c.startTimeout, parseTime)},
		{"drain_timeout", "60s", "time that the calls of a replica have to end before it is stopped, for functions that state no time of their own", to(&c.drainTimeout, parseTime)},
		{"stall_timeout", "60s", "time that a client may take to accept a piece of an answer; then it is cut off", to(&c.stallTimeout, parseTime)},
	}
}

func (c *Config) sizeVariables() []Variable {
	return []Variable{
		{"max_request_header", "64Ki", "largest header of a request, from 4Ki to 16Mi; then 431", to(&c.maxRequestHeader, parseHeaderSize)},
		{"max_spool", "1Gi", "space for all request bodies that retry and hedge keep to send again; a call beyond it is sent once; 0 keeps none", to(&c.maxSpool, amount(-1, "an amount such as 512Mi or 1Gi, or 0 to keep none"))},
		{"max_request_body", "0", "largest body of a call to functions that state no limit of their own; then 413; 0 means no limit", to(&c.maxRequestBody, amount(0, "an amount such as 512Ki or 10Mi, or 0 for no limit"))},
	}
}

func (c *Config) accessVariables() []Variable {
	underscores := map[string]front.Underscores{"keep": front.KeepUnderscores, "drop": front.DropUnderscores, "refuse": front.RefuseUnderscores}
	shapes := map[string]handlers.Behind{"direct": handlers.BehindDirect, "gateway": handlers.BehindGateway, "auto": handlers.BehindAuto}
	return []Variable{
		{"basic_auth", "false", "require user and password on /system", to(&c.basicAuth, parseBool)},
		{"secret_mount_path", "/run/secrets", "folder of the files basic-auth-user and basic-auth-password", to(&c.secretMountPath, parseText)},
		{"insecure", "false", "allow listening beyond loopback without credentials", to(&c.insecure, parseBool)},
		{"published_on", "", "address on which the port of the provider's container is published; it counts instead of host: one beyond loopback needs basic_auth=true", to(&c.publishedOn, parsePublished)},
		{"allowed_hosts", "", "further host names for /system without credentials, separated by commas", to(&c.allowedHosts, listOf(isAllowedHost, "a host such as faas.example.org or 192.168.1.5"))},
		{"allowed_clients", "", "further clients of /system without credentials: networks, addresses or names, separated by commas; functions are never let in", to(&c.allowedClients, listOf(isClient, "a network such as 10.0.0.0/8, an address, or a name"))},
		{"allowed_origins", "", "origins of web pages that may call /system, separated by commas, such as http://127.0.0.1:8081 for the gateway's pages", to(&c.allowedOrigins, listOf(isOrigin, "an origin such as https://faas.example.org or http://127.0.0.1:8081"))},
		{"metrics_auth", "false", "guard /metrics in the same way as /system", to(&c.metricsAuth, parseBool)},
		{"trusted_proxies", "", "networks whose X-Forwarded headers are believed, such as 10.0.0.0/8,192.168.1.5/32", to(&c.trustedProxies, parseProxies)},
		{"underscores_in_headers", "keep", "what to do with request fields such as X_User, which many programs read as X-User: keep, drop, or refuse with 400", to(&c.underscores, oneOf(underscores, "keep, drop or refuse"))},
		{"info_shape", "auto", "the client that reads /system/info: direct (faas-cli), gateway, or auto", to(&c.infoShape, oneOf(shapes, "direct, gateway or auto"))},
	}
}

func (c *Config) logVariables() []Variable {
	return []Variable{
		{"log_level", "info", "trace, debug, info, warn or error", to(&c.logLevel, parseLevel)},
		{"log_format", "text", "text or json", to(&c.logJSON, oneOf(map[string]bool{"text": false, "json": true}, "text or json"))},
	}
}

// defaultDataDir follows the XDG base directory specification, and for root the FHS.
func defaultDataDir(environment Environment) string {
	if os.Geteuid() == 0 {
		return "/var/lib/faas-docker"
	}
	if state := environment.get("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "faas-docker")
	}
	return filepath.Join(environment.get("HOME"), ".local", "state", "faas-docker")
}

// help is what --help prints.
func help(environment Environment) string {
	var out strings.Builder
	out.WriteString(`faas-docker turns a machine with a Docker engine into an OpenFaaS.

Usage:
  faas-docker              serve, configured by the environment
  faas-docker healthcheck  exit with 0 if the one configured alike is healthy
  faas-docker stack        say how the functions of its stack file are; exit with 0 if
                           they are ready, or wait for a secret or a namespace
  faas-docker stack deploy [TIME]
                           have its stack file deployed again, and wait for it
  faas-docker stack check FILE
                           say what is wrong with a stack file, without a provider
  faas-docker routes check FILE
                           say what is wrong with a file of routing rules; exit
                           with 0 if nothing is, with 1 otherwise
  faas-docker --version
  faas-docker --help

DOCKER_HOST and its relatives choose the engine, as for docker itself. Times are
Go durations (90s, 5m) or whole seconds. Variables:

`)
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, v := range Variables(environment) {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", v.Name, cmp.Or(v.Standard, "-"), v.Meaning)
	}
	table.Flush()
	return out.String()
}
