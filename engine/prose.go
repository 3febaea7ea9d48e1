package engine

import (
	"strings"

	"github.com/containerd/errdefs"
)

// meaning is what a refusal of Docker's is about, where its status code does not tell.
type meaning string

const (
	containerGone     meaning = "the container does not exist"
	networkGone       meaning = "the network does not exist"
	noDeviceDriver    meaning = "the machine has no driver for GPUs"
	removalInProgress meaning = "the container is being removed"
	notPaused         meaning = "the container is not frozen"
	nameUnchanged     meaning = "the container has the name already"
)

// saying is a text by which a refusal is told from others.
type saying struct {
	text string
	// status is Docker's for it; nil where it differs, or is that of a failure of Docker's
	// own.
	status func(error) bool
	means  meaning
}

// sayings are the texts of Docker 20.10 and later, the more telling ones first: names of
// containers may have the word network in them.
func sayings() []saying {
	return []saying{
		{"No such container", errdefs.IsNotFound, containerGone},
		{"network", errdefs.IsNotFound, networkGone},
		{"could not select device driver", nil, noDeviceDriver},
		{"already in progress", errdefs.IsConflict, removalInProgress},
		{"is not paused", nil, notPaused},
		{"same name as its current name", nil, nameUnchanged},
	}
}

// meaningOf returns what a refusal is about; empty when no saying matches.
func meaningOf(err error) meaning {
	if err == nil {
		return ""
	}
	text := err.Error()
	for _, s := range sayings() {
		if strings.Contains(text, s.text) && (s.status == nil || s.status(err)) {
			return s.means
		}
	}
	return ""
}

// dockerText is what the engine itself says, without the client's prefix.
func dockerText(err error) string {
	return strings.TrimSpace(strings.TrimPrefix(err.Error(), "Error response from daemon: "))
}

// pullTrouble is one way in which a pull goes wrong.
type pullTrouble struct {
	// signs are texts, in lower case, any of which betrays it. Neither the engine
	// nor registries have a better way to tell one from the other.
	signs []string
	// lasting is set when the same request will fail again.
	lasting bool
	// advice says what to do; %r stands for the registry's host, %c for what is known of
	// the credentials.
	advice string
}

// pullTroubles are the known ones, the more telling signs first: a rate limit
// speaks of authentication too, and a time-out names the manifest it was for.
func pullTroubles() []pullTrouble {
	return []pullTrouble{
		{[]string{"toomanyrequests", "too many requests", "pull rate limit", "http 429", "status: 429", "429 too many"}, false,
			"%r limits how often images are pulled: wait, or log in to it (docker login %r)%c"},
		{[]string{"no space left on device"}, false,
			"the disk of this machine is full: free space (docker system df)"},
		{[]string{"no matching manifest", "does not match the specified platform", "cannot be used on this platform"}, true,
			"it was not built for this machine's architecture: build it for this one (docker buildx build --platform)"},
		{[]string{"server gave http response to https client"}, true,
			"%r speaks plain HTTP: add it to insecure-registries in Docker's daemon.json"},
		{[]string{"x509:", "certificate signed by unknown authority", "tls: failed to verify"}, false,
			"the certificate of %r is not trusted by the Docker engine: put its authority into /etc/docker/certs.d/%r"},
		{[]string{"i/o timeout", "timeout exceeded", "tls handshake timeout", "deadline exceeded", "no such host", "connection refused", "connection reset",
			"network is unreachable", "no route to host", "unexpected eof", "temporary failure", "server misbehaving", "internal server error", "bad gateway", "service unavailable",
			"gateway timeout", "http status: 5", "proxyconnect"}, false,
			"%r cannot be reached from the Docker engine: check the name of the registry, the network and the registry's state"},
		{[]string{"manifest unknown", "name unknown", "manifest invalid", "not found: manifest", "unknown blob"}, true,
			"%r has no such image or tag: check the spelling, or push it first"},
		{[]string{"pull access denied", "denied", "unauthorized", "authentication required", "no basic auth credentials", "may require 'docker login'", "forbidden"}, true,
			"%r has no such image, or does not let this machine have it: check the spelling, or log in (docker login %r) as the user that runs the provider%c"},
		{[]string{"unsupported media type", "unsupported manifest", "mediatype", "schema 1", "schema1"}, true,
			"it is in a format that the Docker engine cannot run: is it an image?"},
		{[]string{"invalid reference format", "invalid tag"}, true,
			"want [registry/]name[:tag]"},
	}
}
