package scale

import "faas-docker/function"

// MaxReplicas is the most replicas a function can have: a Linux bridge has 1,023
// ports, and the functions of one provider share one.
const MaxReplicas = 1000

// The bounds of a function whose labels name none, as in OpenFaaS.
const (
	defaultMin = 1
	defaultMax = 20
)

// Bounds is between how many replicas a function is kept.
type Bounds struct {
	// Min is how many run after a deployment; zero means that the first call
	// starts the first one.
	Min int
	// Max is the most that automatic scaling may start.
	Max int
}

// Woken returns how many replicas a function at zero gets when somebody calls it.
func (b Bounds) Woken() int { return max(1, b.Min) }

// Deployed returns how many replicas a function has after a deployment, given how
// many it had before; zero before the first one.
func (b Bounds) Deployed(before int) int { return max(b.Min, before) }

// clamp brings the count of a function that is awake between the bounds: at
// least one, because only rest takes a function to zero.
func (b Bounds) clamp(count int) int {
	return min(max(count, b.Woken()), max(b.Max, b.Woken()))
}

func (r *reader) bounds() Bounds {
	b := Bounds{Min: r.count(LabelMin, 0, MaxReplicas, defaultMin)}
	b.Max = r.count(LabelMax, 1, MaxReplicas, max(defaultMax, b.Min))
	if b.Max < b.Min {
		_, field, _ := r.find(LabelMax)
		r.refuse(function.Invalid(field, "%d is less than %s, %d", b.Max, LabelMin, b.Min))
	}
	return b
}
