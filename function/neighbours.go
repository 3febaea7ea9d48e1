package function

import "net/netip"

// Neighbours is what surrounds this process in the engine's networks.
type Neighbours struct {
	// Functions are the prefixes that containers on the function network have addresses
	// of.
	Functions []netip.Prefix
	// Gateways are the addresses from which the engine's machine calls this process. They
	// are empty when the process runs in no container of the engine's. No function has one.
	Gateways []netip.Addr
	// Shared is set when others come from the gateways, too: a port of the process's
	// container is published beyond the machine's loopback.
	Shared bool
	// Joined is set when functions can be reached from here: the network exists, and the
	// container that this process runs in, if it does, is on it.
	Joined bool
}
