package engine

import (
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/client"

	"faas-docker/function"
)

// pullTrouble is one way in which a pull goes wrong.
type pullTrouble struct {
	// signs are texts, in lower case, any of which betrays it. Neither the engine
	// nor registries have a better way to tell one from the other.
	signs []string
	// lasting is set when the same request will fail again.
	lasting bool
	// advice says what to do; %r stands for the registry's host.
	advice string
}

// pullTroubles lists what is known, the more telling signs first: a rate limit
// speaks of authentication too, and a time-out names the manifest it was for.
func pullTroubles() []pullTrouble {
	return []pullTrouble{
		{[]string{"toomanyrequests", "too many requests", "pull rate limit", "http 429", "status: 429", "429 too many"}, false,
			"%r limits how often images are pulled: wait, or log in to it (docker login %r)"},
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
			"%r has no such image, or does not let this machine have it: check the spelling, or log in (docker login %r) as the user that runs the provider"},
		{[]string{"unsupported media type", "unsupported manifest", "mediatype", "schema 1", "schema1"}, true,
			"it is in a format that the Docker engine cannot run: is it an image?"},
		{[]string{"invalid reference format", "invalid tag"}, true,
			"want [registry/]name[:tag]"},
	}
}

// explainPull says what a failed pull means for the person who named the image.
func (e *Engine) explainPull(ref string, named reference.Named, err error) error {
	if client.IsErrConnectionFailed(err) {
		return e.explainUnreachable(err)
	}
	return classifyPull(ref, reference.Domain(named), err)
}

// classifyPull tells lasting trouble, an ErrInvalid, from what may pass, an
// ErrUnavailable. What is not known may pass, except where the engine says that
// there is no such thing.
func classifyPull(ref, registry string, err error) error {
	text := dockerText(err)
	lower := strings.ToLower(text)
	for _, trouble := range pullTroubles() {
		if !containsAny(lower, trouble.signs) {
			continue
		}
		advice := strings.ReplaceAll(trouble.advice, "%r", registry)
		if trouble.lasting {
			return function.Invalid("image", "%q: %s (Docker says: %s)", ref, advice, text)
		}
		return function.Unavailable(err, "image: %q: %s (Docker says: %s)", ref, advice, text)
	}
	if errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err) {
		return function.Invalid("image", "%q: cannot be pulled from %s: %s", ref, registry, text)
	}
	return function.Unavailable(err, "image: %q: cannot be pulled from %s now: %s", ref, registry, text)
}

func containsAny(text string, signs []string) bool {
	for _, sign := range signs {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
