package routes

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limitFilters bound how much is asked, and how often.
func (o Options) limitFilters() []FilterSpec {
	return []FilterSpec{
		filterMaker{"rateLimit", "ns", `rateLimit(100, "1s")`, o.newRateLimit},
		filterMaker{"clientRatelimit", "ns?s", `clientRatelimit(10, "1m") or clientRatelimit(10, "1m", "X-Api-Key")`, o.newClientRatelimit},
		filterMaker{"requestSize", "s", `requestSize("10Mi")`, newRequestSize},
	}
}

// pace is so many requests in so much time, all of which may come at once.
type pace struct {
	burst int
	limit rate.Limit
}

func newPace(args []any) (pace, error) {
	count, err := counted(args[0])
	if err != nil {
		return pace{}, err
	}
	period, err := duration(args[1])
	if err != nil {
		return pace{}, err
	}
	return pace{count, rate.Limit(float64(count) / period.Seconds())}, nil
}

func (p pace) limiter() *rate.Limiter { return rate.NewLimiter(p.limit, p.burst) }

// admit lets a request pass, or tells the client how long to wait.
func admit(c *Context, l *rate.Limiter, now time.Time) {
	reservation := l.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait <= 0 {
		return
	}
	reservation.CancelAt(now)
	c.Refuse(http.StatusTooManyRequests, fmt.Sprintf("too many requests: try again in %s", wait.Round(time.Millisecond)))
	if c.served != nil {
		c.served.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
}

// rateLimit bounds the requests of a route.
type rateLimit struct {
	RequestOnly
	limiter *rate.Limiter
	now     func() time.Time
}

func (o Options) newRateLimit(args []any) (Filter, error) {
	p, err := newPace(args)
	return rateLimit{limiter: p.limiter(), now: o.now()}, err
}

func (f rateLimit) Request(c *Context) { admit(c, f.limiter, f.now()) }

// clientRatelimit bounds the requests of each client of a route. A client is an address,
// or, where the rule names a field of the header, whoever sends its value.
type clientRatelimit struct {
	RequestOnly
	pace
	header  string
	address func(*http.Request) netip.Addr
	now     func() time.Time
	clients *limiters
}

func (o Options) newClientRatelimit(args []any) (Filter, error) {
	p, err := newPace(args)
	if err != nil {
		return nil, err
	}
	f := clientRatelimit{pace: p, address: o.clientIP(), now: o.now(), clients: &limiters{}}
	if len(args) > 2 {
		f.header, err = headerKey(args[2])
	}
	return f, err
}

func (f clientRatelimit) Request(c *Context) {
	admit(c, f.clients.of(f.client(c.Request), f.limiter), f.now())
}

// client names who asks. Whoever has one IPv6 address has all of its network.
func (f clientRatelimit) client(r *http.Request) string {
	if f.header != "" {
		if value := r.Header.Get(f.header); value != "" {
			return digestOf(value)
		}
	}
	address := f.address(r).Unmap()
	if address.Is6() {
		prefix, _ := address.Prefix(64)
		return prefix.String()
	}
	return address.String()
}

// mostClients bounds how many clients are remembered: twice as many at most.
const mostClients = 10000

// limiters are those of the clients that were seen last: the younger half, and the
// older, which is forgotten when the younger is full. The zero value is empty.
type limiters struct {
	mu             sync.Mutex
	younger, older map[string]*rate.Limiter
}

func (s *limiters) of(client string, create func() *rate.Limiter) *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.younger[client]; l != nil {
		return l
	}
	l := s.older[client]
	if l == nil {
		l = create()
	}
	if s.younger == nil || len(s.younger) >= mostClients {
		s.younger, s.older = map[string]*rate.Limiter{}, s.younger
	}
	s.younger[client] = l
	return l
}

// requestSize bounds the body of a request.
type requestSize struct {
	RequestOnly
	limit int64
	text  string
}

func newRequestSize(args []any) (Filter, error) {
	limit, err := amount(args[0])
	return requestSize{limit: limit, text: pattern(args[0])}, err
}

func (f requestSize) Request(c *Context) {
	if c.Request.ContentLength > f.limit {
		c.Refuse(http.StatusRequestEntityTooLarge, "the request's body is larger than "+f.text)
		return
	}
	if c.Request.ContentLength < 0 && c.Request.Body != nil {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, f.limit)
	}
}
