package scale

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"

	"faas-docker/function"
)

// The labels, or annotations, by which a user says how a function scales; which of two
// counts is function.Metadata's to say. A duration is written as in Go ("90s", "15m") or as a whole number of seconds.
const (
	// LabelMin is the fewest replicas of a function that is awake: 0 to 1000.
	// Without it 1. Zero means that the first call starts the first one.
	LabelMin = "com.openfaas.scale.min"
	// LabelMax is the most replicas that automatic scaling starts: 1 to 1000.
	// Without it 20, or the minimum if that is more. Equal to the minimum it
	// switches automatic scaling off.
	LabelMax = "com.openfaas.scale.max"
	// LabelFactor is the step of the gateway's own rule, as a percentage of the
	// maximum: 1 to 100, without it 10. Zero switches automatic scaling off.
	LabelFactor = "com.openfaas.scale.factor"
	// LabelType is by what load a function scales: "capacity" (calls in flight),
	// "rps" (calls per second) or "cpu" (thousandths of a core). Any other name is one
	// of OpenFaaS Pro, and counts as "capacity" with its usual target.
	LabelType = "com.openfaas.scale.type"
	// LabelTarget is the load of one replica, in the unit of the type. Without
	// it 50.
	LabelTarget = "com.openfaas.scale.target"
	// LabelProportion is the part of the target at which the next replica is
	// started: more than 0, at most 1, without it 0.9.
	LabelProportion = "com.openfaas.scale.target-proportion"
	// LabelDownWindow is how far back a scale-down looks: a function keeps the
	// most replicas that it needed within it, up to 5m. Without it nothing is
	// kept.
	LabelDownWindow = "com.openfaas.scale.down.window"
	// LabelZero, "true", removes every replica of a function that is not called.
	LabelZero = "com.openfaas.scale.zero"
	// LabelZeroDuration is how long it goes without a call before that: 1s to 720h, without
	// it 15m.
	LabelZeroDuration = "com.openfaas.scale.zero-duration"
	// LabelFreezeDuration is how long a replica goes without a call before it is
	// frozen: 10ms to 720h. Without it, or with 0, only spares are frozen.
	LabelFreezeDuration = "com.openfaas.scale.freeze-duration"
	// LabelReclaim gives the memory of frozen replicas back to the host: how long
	// one stays frozen before that, 1s to 720h, or "true" for 5m. Without it, or
	// with "false", never.
	LabelReclaim = "com.openfaas.scale.reclaim"
	// LabelStandby is how many frozen spares a function keeps beside the replicas
	// that it should have. Without it none. A function at zero keeps none.
	LabelStandby = "com.openfaas.scale.standby"
	// LabelLearn lets a function learn from its idle times when to rest and when to be
	// awake again, see Histogram: how finely they are told apart, 1s to 1m, or "true"
	// for 1m. Without it, or with "false", it does not.
	LabelLearn = "com.openfaas.scale.learn"
)

// reader reads settings and keeps the first failure, so that a list of settings
// reads as a list.
type reader struct {
	function.Metadata
	err error
}

func (r *reader) refuse(err error) { r.err = cmp.Or(r.err, err) }

func (r *reader) count(key string, least, most, otherwise int) int {
	text, field, ok := r.Find(key)
	if !ok {
		return otherwise
	}
	count, err := strconv.Atoi(text)
	if err != nil || count < least || count > most {
		r.refuse(function.Invalid(field, "%q: want a whole number from %d to %d", text, least, most))
		return otherwise
	}
	return count
}

// amount reads a number that is more than zero and at most most.
func (r *reader) amount(key string, most, otherwise float64) float64 {
	text, field, ok := r.Find(key)
	if !ok {
		return otherwise
	}
	amount, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(amount) || amount <= 0 || amount > most {
		r.refuse(function.Invalid(field, "%q: want a number more than 0 and at most %g", text, most))
		return otherwise
	}
	return amount
}

func (r *reader) flag(key string) bool {
	text, field, ok := r.Find(key)
	if !ok {
		return false
	}
	flag, err := strconv.ParseBool(text)
	if err != nil {
		r.refuse(function.Invalid(field, "%q: want true or false", text))
	}
	return flag
}

// span is a setting that is a duration.
type span struct {
	key         string
	least, most time.Duration
	otherwise   time.Duration
	// orZero allows 0 beside least to most, and orFlag is set where true and false do,
	// too.
	orZero, orFlag bool
}

func (r *reader) duration(s span) time.Duration {
	text, field, ok := r.Find(s.key)
	if !ok {
		return s.otherwise
	}
	d, err := function.ParseDuration(text)
	if err == nil && (d == 0 && s.orZero || d >= s.least && d <= s.most) {
		return d
	}
	wanted := fmt.Sprintf("a duration from %s to %s", brief(s.least), brief(s.most))
	switch {
	case s.orFlag:
		wanted = "true, false or " + wanted
	case s.orZero:
		wanted += ", or 0"
	}
	r.refuse(function.Invalid(field, "%q: want %s", text, wanted))
	return s.otherwise
}
