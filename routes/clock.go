package routes

import (
	"fmt"
	"net/http"
	"time"
)

// clockSpecs make the conditions on the time of the request. The beginning of a span
// belongs to it, its end does not.
func (o Options) clockSpecs() []PredicateSpec {
	return []PredicateSpec{
		maker{"After", "t", `After("2026-01-31T18:00:00Z")`, func(args []any) (Predicate, error) {
			return o.createSpan(args[0], nil)
		}},
		maker{"Before", "t", `Before("2026-01-31T18:00:00Z")`, func(args []any) (Predicate, error) {
			return o.createSpan(nil, args[0])
		}},
		maker{"Between", "tt", `Between("2026-01-31T18:00:00Z", "2026-02-01T06:00:00Z")`, func(args []any) (Predicate, error) {
			return o.createSpan(args[0], args[1])
		}},
	}
}

func (o Options) now() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// createSpan makes the condition that a request comes from begin on and before end;
// nil leaves that side open.
func (o Options) createSpan(begin, end any) (Predicate, error) {
	p := span{now: o.now()}
	var err error
	if begin != nil {
		if p.begin, err = moment(begin); err != nil {
			return nil, err
		}
	}
	if end != nil {
		if p.end, err = moment(end); err != nil {
			return nil, err
		}
	}
	if begin != nil && end != nil && !p.begin.Before(p.end) {
		return nil, fmt.Errorf("%s is not before %s", printArg(begin), printArg(end))
	}
	p.open, p.endless = begin == nil, end == nil
	return p, nil
}

// span is a piece of time.
type span struct {
	begin, end time.Time
	// open has no begin, endless no end.
	open, endless bool
	now           func() time.Time
}

func (p span) Match(*http.Request) bool {
	now := p.now()
	return (p.open || !now.Before(p.begin)) && (p.endless || now.Before(p.end))
}
