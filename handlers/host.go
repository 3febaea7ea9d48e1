package handlers

import (
	"net/netip"
	"strconv"
	"strings"
)

// parseHost reads a Host header: a name or an address, perhaps with a port. It returns the host in
// lower case, without port, brackets and the root's dot, and false for what no client sends.
func parseHost(text string) (host string, ok bool) {
	if rest, bracketed := strings.CutPrefix(text, "["); bracketed {
		literal, port, closed := strings.Cut(rest, "]")
		address, err := netip.ParseAddr(literal)
		if !closed || err != nil || !address.Is6() || address.Zone() != "" || !isPortSuffix(port) {
			return "", false
		}
		return address.String(), true
	}
	host, _, found := strings.Cut(text, ":")
	if found && host == "" || !isPortSuffix(text[len(host):]) {
		return "", false
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host, text == "" || isHostName(host)
}

// isPortSuffix reports whether text can follow a host: nothing, a colon, or a colon and a port.
func isPortSuffix(text string) bool {
	port, found := strings.CutPrefix(text, ":")
	if port == "" {
		return true
	}
	_, err := strconv.ParseUint(port, 10, 16)
	return found && err == nil && len(port) <= len("65535")
}

// isHostName takes names in lower case, those of containers with underscores, and IPv4 addresses.
func isHostName(text string) bool {
	if len(text) > 253 { // bytes, the most that the domain name system has
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// ParseAllowedHost reads an entry of LocalGuard.AllowedHosts: what a Host header has, or an IPv6
// address without brackets.
func ParseAllowedHost(text string) (host string, ok bool) {
	text = strings.TrimSpace(text)
	if address, err := netip.ParseAddr(text); err == nil && address.Is6() && address.Zone() == "" {
		return address.String(), true
	}
	host, ok = parseHost(text)
	return host, ok && host != ""
}

// IsLoopback reports whether a host, in lower case, is a name or an address of this machine's loopback.
func IsLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}
