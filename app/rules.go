package app

import (
	"net/netip"
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

// ruleFiles is the folder of the files that rules may name. The whole of the machine is
// never meant.
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
