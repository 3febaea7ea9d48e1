package handlers

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// interfacesAge is how old a list of this machine's addresses may be.
const interfacesAge = time.Second

// Interfaces lists the interfaces of this machine, at most once a second. The zero
// value is ready; it is safe for concurrent use.
type Interfaces struct {
	mu    sync.Mutex // protects the fields below
	known []Interface
	asked time.Time
}

// List returns the interfaces. One that cannot be read has no addresses.
func (o *Interfaces) List() []Interface {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.asked) < interfacesAge {
		return o.known
	}
	o.asked, o.known = time.Now(), nil
	interfaces, _ := net.Interfaces() // without them, only loopback is this machine
	for _, i := range interfaces {
		addresses, _ := i.Addrs()
		o.known = append(o.known, Interface{Name: i.Name, Addresses: addressesOf(addresses)})
	}
	return o.known
}

func addressesOf(list []net.Addr) []netip.Addr {
	var addresses []netip.Addr
	for _, a := range list {
		if of, ok := a.(*net.IPNet); ok {
			if address, ok := netip.AddrFromSlice(of.IP); ok {
				addresses = append(addresses, address.Unmap())
			}
		}
	}
	return addresses
}

// Addresses returns the addresses of all interfaces.
func (o *Interfaces) Addresses() []netip.Addr {
	var all []netip.Addr
	for _, i := range o.List() {
		all = append(all, i.Addresses...)
	}
	return all
}
