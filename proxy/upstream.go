package proxy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/function"
	"faas-docker/wire"
)

const (
	// dialTimeout bounds one attempt to connect. Replicas are on this machine.
	dialTimeout = 3 * time.Second
	// idleTimeout is how long a connection is kept for the next invocation.
	idleTimeout = 30 * time.Second
	// maxIdle bounds the idle connections to one replica, and to all of them, unless
	// told otherwise.
	maxIdle = 1024
)

// upstreams holds the pools of connections, one per replica. The zero value is
// ready for use.
type upstreams struct {
	mu   sync.RWMutex
	byID map[string]*upstream
	// idle counts the idle connections of all pools.
	idle atomic.Int64
}

// idleLimit is how many idle connections are kept.
type idleLimit struct{ replica, all int }

// of returns the pool of a replica, which the caller must hold a lease on: that
// keeps it from being dropped meanwhile.
func (u *upstreams) of(replica *function.Replica) *upstream {
	u.mu.RLock()
	found := u.byID[replica.ID]
	u.mu.RUnlock()
	if found != nil && found.address == replica.Address {
		return found
	}
	return u.replace(replica)
}

// replace makes the pool of a replica that is new or has moved.
func (u *upstreams) replace(replica *function.Replica) *upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	old := u.byID[replica.ID]
	if old != nil && old.address == replica.Address {
		return old
	}
	if old != nil {
		old.close()
	}
	if u.byID == nil {
		u.byID = map[string]*upstream{}
	}
	u.byID[replica.ID] = &upstream{all: &u.idle, address: replica.Address, host: replica.Address.String()}
	return u.byID[replica.ID]
}

// at returns the pool of what listens at a host and port. Nobody tells when that
// is gone: its idle connections end by themselves.
func (u *upstreams) at(host string) *upstream {
	address, err := netip.ParseAddrPort(host)
	if err == nil {
		return u.of(&function.Replica{ID: host, Address: address})
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byID == nil {
		u.byID = map[string]*upstream{}
	}
	if u.byID[host] == nil {
		u.byID[host] = &upstream{all: &u.idle, host: host}
	}
	return u.byID[host]
}

// drop closes the pool of a replica.
func (u *upstreams) drop(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if gone := u.byID[id]; gone != nil {
		gone.close()
		delete(u.byID, id)
	}
}

// close closes all pools.
func (u *upstreams) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, pool := range u.byID {
		pool.close()
		delete(u.byID, id)
	}
}

// upstream is the pool of connections to one replica.
type upstream struct {
	// address is where the replica listens; invalid when only its host is known.
	address netip.AddrPort
	// host is the same as text, "10.0.0.7:8080" or "figlet:8080".
	host string
	// all counts the idle connections of all pools.
	all *atomic.Int64
	// sockets are all connections, idle or not.
	sockets sockets

	// mu protects the fields below.
	mu     sync.Mutex
	idle   []*conn // the one that was used last is last
	closed bool
	// links are the connections to a replica that speaks HTTP/2; the slice is never
	// changed, but replaced.
	links []*link
	// dialing is the link that is being made; nil while none is.
	dialing *dialing
	// sweeper closes what has been idle for too long; it is set while something is.
	sweeper *time.Timer
}

// connect returns a connection that was used before, or a new one when there is
// none or fresh asks for it.
func (u *upstream) connect(ctx context.Context, fresh bool) (*conn, error) {
	for !fresh {
		c := u.take()
		if c == nil {
			break
		}
		if c.IsQuiet() {
			return c, nil
		}
		c.Close()
	}
	return u.dial(ctx)
}

func (u *upstream) dial(ctx context.Context) (*conn, error) {
	tcp, err := u.dialTCP(ctx)
	if err != nil {
		return nil, err
	}
	return newConn(tcp, &u.sockets), nil
}

func (u *upstream) dialTCP(ctx context.Context) (*wire.Conn, error) {
	tcp, err := u.connectTCP(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	short, err := wire.New(tcp)
	if err != nil {
		tcp.Close()
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	return short, nil
}

func (u *upstream) connectTCP(ctx context.Context) (*net.TCPConn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	if u.address.IsValid() {
		return dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, u.address)
	}
	conn, err := dialer.DialContext(ctx, "tcp", u.host)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// take returns the connection that was used last, or nil.
func (u *upstream) take() *conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	last := len(u.idle) - 1
	if last < 0 {
		return nil
	}
	c := u.idle[last]
	u.idle[last] = nil
	u.idle = u.idle[:last]
	u.all.Add(-1)
	return c
}

// put keeps a connection for the next invocation, unless enough are kept already.
func (u *upstream) put(c *conn, limit idleLimit) {
	c.reused = true
	c.idleSince = time.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || len(u.idle) >= limit.replica {
		c.Close()
		return
	}
	if u.all.Add(1) > int64(limit.all) {
		u.all.Add(-1)
		c.Close()
		return
	}
	u.idle = append(u.idle, c)
	if u.sweeper == nil {
		u.sweeper = time.AfterFunc(idleTimeout, u.sweep)
	}
}

// sweep closes the connections that nobody needed for a while, and comes back
// while others remain.
func (u *upstream) sweep() {
	u.mu.Lock()
	defer u.mu.Unlock()
	old := 0
	for old < len(u.idle) && time.Since(u.idle[old].idleSince) >= idleTimeout {
		u.idle[old].Close()
		old++
	}
	u.idle = slices.Delete(u.idle, 0, old)
	u.all.Add(int64(-old))
	u.sweeper = nil
	if len(u.idle) > 0 && !u.closed {
		u.sweeper = time.AfterFunc(idleTimeout-time.Since(u.idle[0].idleSince), u.sweep)
	}
}

func (u *upstream) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, c := range u.idle {
		c.Close()
	}
	u.all.Add(int64(-len(u.idle)))
	u.idle = nil
	for _, l := range u.links {
		l.retire()
	}
	u.links = nil
	if u.sweeper != nil {
		u.sweeper.Stop()
	}
}
