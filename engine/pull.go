package engine

import (
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"faas-docker/function"
)

func (t pullTrouble) advise(registry string, auth credentials) string {
	advice := t.advice
	if !strings.Contains(advice, "%c") {
		advice += auth.remark(false)
	}
	return strings.NewReplacer("%r", registry, "%c", auth.remark(true)).Replace(advice)
}

// classifyPull tells lasting trouble, an ErrInvalid, from what may pass, an
// ErrUnavailable. What is not known may pass, except where the engine says that
// there is no such thing.
func classifyPull(ref, registry string, auth credentials, err error) error {
	text := dockerText(err)
	lower := strings.ToLower(text)
	betrays := func(sign string) bool { return strings.Contains(lower, sign) }
	for _, trouble := range pullTroubles() {
		if !slices.ContainsFunc(trouble.signs, betrays) {
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
