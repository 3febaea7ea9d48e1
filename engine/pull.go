package engine

import (
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/client"

	"faas-docker/function"
)

// advise completes the advice.
func (t pullTrouble) advise(registry string, auth credentials) string {
	advice := t.advice
	if !strings.Contains(advice, "%c") {
		advice += auth.remark(false)
	}
	return strings.NewReplacer("%r", registry, "%c", auth.remark(true)).Replace(advice)
}

// explainPull says what a failed pull means for the person who named the image.
func (i *Images) explainPull(ref string, named reference.Named, auth credentials, err error) error {
	if client.IsErrConnectionFailed(err) {
		return i.explainUnreachable(err)
	}
	return classifyPull(ref, reference.Domain(named), auth, err)
}

// classifyPull tells lasting trouble, an ErrInvalid, from what may pass, an
// ErrUnavailable. What is not known may pass, except where the engine says that
// there is no such thing.
func classifyPull(ref, registry string, auth credentials, err error) error {
	text := dockerText(err)
	lower := strings.ToLower(text)
	for _, trouble := range pullTroubles() {
		if !containsAny(lower, trouble.signs) {
			continue
		}
		advice := trouble.advise(registry, auth)
		if trouble.lasting {
			return function.Invalid("image", "%q: %s (Docker says: %s)", ref, advice, text)
		}
		return function.Unavailable(err, "image: %q: %s (Docker says: %s)", ref, advice, text)
	}
	if errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err) {
		return function.Invalid("image", "%q: cannot be pulled from %s: %s%s", ref, registry, text, auth.remark(true))
	}
	return function.Unavailable(err, "image: %q: cannot be pulled from %s now: %s%s", ref, registry, text, auth.remark(false))
}
