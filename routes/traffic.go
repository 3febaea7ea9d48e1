package routes

import (
	"fmt"
	"math/rand/v2"
	"net/http"
)

// chanceSpecs make the conditions that do not look at the request, or not only.
func (o Options) chanceSpecs() []PredicateSpec {
	always := func(met bool) func([]any) (Predicate, error) {
		return func([]any) (Predicate, error) {
			return PredicateFunc(func(*http.Request) bool { return met }), nil
		}
	}
	return []PredicateSpec{
		maker{"True", "", `True()`, always(true)},
		maker{"False", "", `False()`, always(false)},
		maker{predicateTraffic, "n?ss", `Traffic(0.1) or Traffic(0.1, "cookie", "group")`, o.createTraffic},
	}
}

func (o Options) createTraffic(args []any) (Predicate, error) {
	part, err := share(args[0])
	if err != nil {
		return nil, err
	}
	if len(args) == 2 {
		return nil, fmt.Errorf(`want Traffic(0.1, "cookie", "group"): with a cookie the group that it names`)
	}
	p := traffic{share: part, random: o.random()}
	if len(args) == 3 {
		p.cookie, p.group = pattern(args[1]), pattern(args[2])
	}
	return p, nil
}

func (o Options) random() func() float64 {
	if o.Random == nil {
		return rand.Float64
	}
	return o.Random
}

// traffic lets a share of the requests through. A client that has the cookie is
// bound by it: it is let through when the cookie names this group, and only then.
type traffic struct {
	share  float64
	random func() float64
	// cookie is empty where clients are not bound.
	cookie, group string
}

func (p traffic) Match(r *http.Request) bool {
	if p.cookie != "" {
		if c, err := r.Cookie(p.cookie); err == nil {
			return c.Value == p.group
		}
	}
	return p.random() < p.share
}
