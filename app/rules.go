package app

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"

	"faas-docker/function"
	"faas-docker/handlers"
	"faas-docker/routes"
	"faas-docker/routes/files"
	"faas-docker/routes/filters"
	"faas-docker/routes/servers"
)

// routeOptions are how rules are read, as far as the configuration says.
func (c Config) routeOptions(f filters.Options) routes.Options {
	f.World = routes.World{DefaultNamespace: c.functionNamespace, ClientIP: c.trustedProxies.Client}
	f.Arrival = filters.ArrivalBehind(c.trustedProxies)
	f.Files = c.ruleFiles()
	return routes.Options{
		IgnoreTrailingSlash: c.ignoreTrailingSlash,
		World:               f.World,
		RefuseURL:           c.ownAddress().Refuse,
		Filters:             filters.All(f),
	}
}

// ownAddress is where the provider will listen.
func (c Config) ownAddress() servers.OwnAddress {
	host, err := netip.ParseAddr(c.host)
	if err != nil {
		host = netip.IPv6Unspecified() // localhost, of either family
	}
	return servers.OwnAddress{Listener: netip.AddrPortFrom(host, uint16(c.port)), Interfaces: new(handlers.Interfaces).Addresses}
}

// ruleFiles is the folder of the files that rules may name, never the whole of the machine.
func (c Config) ruleFiles() files.Folder {
	if c.routesDir != "" {
		return files.Folder(c.routesDir)
	}
	folder := filepath.Dir(c.routesFile)
	if c.routesFile == "" || folder == "/" {
		return ""
	}
	return files.Folder(folder)
}

// specs are all functions as they are stored.
func (a *App) specs() []function.Spec {
	functions := a.store.Functions("")
	specs := make([]function.Spec, len(functions))
	for i, f := range functions {
		specs[i] = f.Spec
	}
	return specs
}

// checkRoutes is the command "routes check FILE": it says what is wrong with a file of rules, a line
// for each problem, and fails if anything is. FILE may be -, standard input.
func checkRoutes(cfg Config, args []string, stdout io.Writer) error {
	if len(args) != 2 || args[0] != "check" {
		return fmt.Errorf("want: faas-docker routes check FILE")
	}
	text, err := readRules(args[1])
	if err != nil {
		return fmt.Errorf("read routes: %w", err)
	}
	if args[1] != "-" {
		cfg.routesFile = args[1] // whose folder has the files that the rules name
	}
	count, problems := routes.Check(string(text), cfg.routeOptions(filters.Options{}))
	for _, problem := range problems {
		fmt.Fprintf(stdout, "%s: %s\n", args[1], problem)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s: %d of %d rules cannot be used", args[1], len(problems), count)
	}
	fmt.Fprintf(stdout, "%s: nothing is wrong with it (rules: %d)\n", args[1], count)
	return nil
}

// mostChecked bounds a file of rules, in bytes.
const mostChecked = 16 << 20

// readRules reads a file that was named at a terminal: it may well be a pipe.
func readRules(path string) ([]byte, error) {
	file := os.Stdin
	if path != "-" {
		var err error
		if file, err = os.Open(path); err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
	}
	text, err := io.ReadAll(io.LimitReader(file, mostChecked+1))
	if err == nil && len(text) > mostChecked {
		err = fmt.Errorf("%s is larger than %d MiB", path, mostChecked>>20)
	}
	return text, err
}
