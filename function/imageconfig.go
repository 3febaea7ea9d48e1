package function

import (
	"slices"
	"strconv"
	"strings"
)

// ImageConfig is what an image says of the containers that are made of it, as far as
// the provider acts on it. It is kept with the function, because the image may be gone
// when it is needed. Once stored it is shared and never modified.
type ImageConfig struct {
	// Env are those of its variables that are settings (see Settings), and those whose
	// name speaks of a port and whose value ends with one.
	Env map[string]string `json:"env,omitempty"`
	// Ports are the TCP ports that it EXPOSEs, sorted.
	Ports []int `json:"ports,omitempty"`
}

// NewImageConfig reads an image's environment ("name=value") and the ports that it
// EXPOSEs ("8080/tcp"). What cannot be read is left out.
func NewImageConfig(env, exposed []string) *ImageConfig {
	config := &ImageConfig{}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		if !isSetting(name) && portAtEnd(name, value) == 0 {
			continue
		}
		if config.Env == nil {
			config.Env = map[string]string{}
		}
		config.Env[name] = value
	}
	for _, text := range exposed {
		number, protocol, _ := strings.Cut(text, "/")
		if port := parsePort(number); port > 0 && (protocol == "" || strings.EqualFold(protocol, "tcp")) {
			config.Ports = append(config.Ports, port)
		}
	}
	slices.Sort(config.Ports)
	config.Ports = slices.Compact(config.Ports)
	return config
}

// parsePort reads a TCP port; zero is none.
func parsePort(text string) int {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return int(port)
}

// portAtEnd is the port that a variable whose name speaks of one ends with, as
// "http_port=3000" and "LISTEN_PORT=0.0.0.0:3000" do; zero is none.
func portAtEnd(name, value string) int {
	if !strings.Contains(strings.ToLower(name), "port") {
		return 0
	}
	return parsePort(value[strings.LastIndexByte(value, ':')+1:])
}
