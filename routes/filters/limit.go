package filters

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"faas-docker/grammar"
	"faas-docker/routes"
	"faas-docker/routes/argument"
)

// newPace makes limiters of so many requests in so much time, all of which may come at once.
func newPace(args []any) (func() *rate.Limiter, error) {
	count, err := argument.Count(args[0])
	if err != nil {
		return nil, err
	}
	period, err := argument.DurationIn(args[1], time.Second)
	limit := rate.Limit(float64(count) / period.Seconds())
	return func() *rate.Limiter { return rate.NewLimiter(limit, count) }, err
}

// admit lets a request pass, or tells the client how long to wait.
func admit(c *routes.Context, l *rate.Limiter, now time.Time) {
	reservation := l.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait <= 0 {
		return
	}
	reservation.CancelAt(now)
	refusal := c.Refuse(http.StatusTooManyRequests, fmt.Sprintf("too many requests: try again in %s", wait.Round(time.Millisecond)))
	refusal.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
}

func (o Options) newRateLimit(args []any) (routes.RequestFunc, error) {
	create, err := newPace(args)
	if err != nil {
		return nil, err
	}
	limiter := create()
	return func(c *routes.Context) { admit(c, limiter, o.Now()) }, nil
}

// newClientRatelimit bounds the requests of each client of a route. A client is an address,
// or, where the rule names fields of the header, all that send the same values.
func (o Options) newClientRatelimit(args []any) (routes.RequestFunc, error) {
	create, err := newPace(args)
	if err != nil {
		return nil, err
	}
	var headers []string
	if len(args) > 2 {
		for name := range strings.SplitSeq(argument.Text(args[2]), ",") {
			key, err := argument.Header(grammar.Trim(name))
			if err != nil {
				return nil, err
			}
			headers = append(headers, key)
		}
	}
	clients := limiters{create: create}
	return func(c *routes.Context) {
		client := digestOf(c.Request, headers)
		if client == "" {
			client = networkOf(o.ClientIP(c.Request))
		}
		admit(c, clients.of(client), o.Now())
	}, nil
}

// digestOf is a short name for the values of these fields; empty where none was sent.
func digestOf(r *http.Request, headers []string) string {
	said := ""
	for _, key := range headers {
		if value := r.Header.Get(key); value != "" {
			said += key + ": " + value + "\n"
		}
	}
	if said == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(said))
	return string(sum[:])
}

// networkOf names the client at an address: the owner of one IPv6 address has all of its network.
func networkOf(address netip.Addr) string {
	address = address.Unmap()
	if address.Is6() {
		prefix, _ := address.Prefix(64)
		return prefix.String()
	}
	return address.String()
}

// mostClients bounds how many clients are remembered: twice as many at most.
const mostClients = 10000

// limiters are those of the last clients: when the younger half is full, the older is forgotten.
type limiters struct {
	create         func() *rate.Limiter
	mu             sync.Mutex
	younger, older map[string]*rate.Limiter
}

func (s *limiters) of(client string) *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.younger[client]; l != nil {
		return l
	}
	l := s.older[client]
	if l == nil {
		l = s.create()
	}
	if s.younger == nil || len(s.younger) >= mostClients {
		s.younger, s.older = map[string]*rate.Limiter{}, s.younger
	}
	s.younger[client] = l
	return l
}

func newRequestSize(args []any) (routes.RequestFunc, error) {
	limit, err := argument.Bytes(args[0])
	return func(c *routes.Context) {
		if c.Request.ContentLength > limit {
			c.Refuse(http.StatusRequestEntityTooLarge, "the request's body is larger than "+argument.Text(args[0]))
			return
		}
		if c.Request.ContentLength < 0 && c.Request.Body != nil {
			c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, limit)
		}
	}, err
}
