package function

import (
	"slices"
	"time"
)

// AnnotationRollback is how long the replicas of a revision that an update has replaced are kept
// frozen, for a way back in milliseconds: a Go duration or whole seconds, up to 720h. What the
// new revision says counts; without it, or with 0, they are stopped.
const AnnotationRollback = "com.openfaas.rollback"

// maxRollback is the longest that a way back is kept.
const maxRollback = 30 * 24 * time.Hour

// Previous is the last deployment of a function that was seen to answer before the present one.
// It serves until the present one answers, and is there for a way back after.
type Previous struct {
	Spec     Spec   `json:"spec"`
	Revision uint64 `json:"revision"`
	ImageID  string `json:"imageID,omitempty"`
	// ImageDigest is a reference under which a registry has the image.
	ImageDigest string `json:"imageDigest,omitempty"`
	// ImageConfig is what its image says of its containers; nil while that is unknown.
	ImageConfig *ImageConfig `json:"imageConfig,omitempty"`
	// Replicas is how many it had.
	Replicas int `json:"replicas"`
	// Until is when the way back ends; zero while the present deployment does not answer yet.
	Until time.Time `json:"until,omitzero"`
}

// Serving reports whether there is one, and the deployment that replaced it has not answered yet.
func (p *Previous) Serving() bool { return p != nil && p.Until.IsZero() }

// Function is the deployment as it was.
func (p Previous) Function() Function {
	return Function{
		Spec: p.Spec, Revision: p.Revision, ImageID: p.ImageID, ImageDigest: p.ImageDigest, ImageConfig: p.ImageConfig,
		Replicas: p.Replicas, Answered: true,
	}
}

// Replaced is what a new deployment has to remember of this one: what served until
// now. That is nil when no revision was ever seen to answer.
func (f Function) Replaced() *Previous {
	if !f.Answered {
		return f.Previous
	}
	return &Previous{
		Spec: f.Spec, Revision: f.Revision, Replicas: f.Replicas,
		ImageID: f.ImageID, ImageDigest: f.ImageDigest, ImageConfig: f.ImageConfig,
	}
}

// RolledBack is the function as it was before the present deployment, with so many
// replicas. The present one is remembered in its turn. f.Previous must not be nil.
func (f Function) RolledBack(replicas int) Function {
	back := f.Previous.Function()
	back.Replicas, back.CreatedAt = replicas, f.CreatedAt
	if f.Answered {
		back.Previous = f.Replaced()
	}
	return back
}

// Reads reports whether replicas of the function, of this deployment or of the one
// before, may be started with a secret.
func (f Function) Reads(secret string) bool {
	return slices.Contains(f.Secrets, secret) || f.Previous != nil && slices.Contains(f.Previous.Spec.Secrets, secret)
}

// RollbackWindow reads AnnotationRollback. A time that cannot be used is an ErrInvalid that names it.
func (s Spec) RollbackWindow() (time.Duration, error) {
	var window time.Duration
	if err := s.Metadata().duration(AnnotationRollback, &window); err != nil {
		return 0, err
	}
	if window > maxRollback {
		_, field, _ := s.Metadata().Find(AnnotationRollback)
		return 0, Invalid(field, "%s: want at most %dh", window, int(maxRollback.Hours()))
	}
	return window, nil
}
