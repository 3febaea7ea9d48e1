package upstream

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"faas-docker/function"
	"faas-docker/wire"
)

const (
	// dialTimeout bounds one attempt to connect. Replicas are on this machine.
	dialTimeout = 3 * time.Second
	// idleTimeout is how long a connection is kept for the next invocation.
	idleTimeout = 30 * time.Second
	// maxIdle bounds the idle connections to one replica, and to all of them, unless told otherwise.
	maxIdle = 1024
)

// Pools holds the pools of connections, one per replica. The zero value is ready for use.
type Pools struct {
	// MaxIdle bounds the idle connections that are kept to all replicas together, and
	// MaxIdlePerReplica those to one. Zero means 1024; a negative number, that none is kept.
	MaxIdle, MaxIdlePerReplica int
	// Buffers are what long bodies are copied with.
	Buffers Buffers

	scratches scratches
	// batching lets calls that come together do their system calls together.
	batching wire.Batching

	mu   sync.RWMutex
	byID map[string]*Pool
	// idle counts the idle connections of all pools.
	idle atomic.Int64
}

// Of returns the pool of a replica, which the caller must hold a lease on: that
// keeps it from being dropped meanwhile.
func (u *Pools) Of(replica *function.Replica) *Pool {
	u.mu.RLock()
	found := u.byID[replica.ID]
	u.mu.RUnlock()
	if found != nil && found.address == replica.Address {
		return found
	}
	return u.replace(replica)
}

// replace makes the pool of a replica that is new or has moved.
func (u *Pools) replace(replica *function.Replica) *Pool {
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
		u.byID = map[string]*Pool{}
	}
	made := &Pool{all: u, address: replica.Address, host: replica.ID}
	if replica.Address.IsValid() {
		made.host = replica.Address.String()
	}
	u.byID[replica.ID] = made
	return made
}

// At returns the pool of what listens at a host and port. Nobody drops such a pool: the idle
// connections of it end by themselves.
func (u *Pools) At(host string) *Pool {
	address, _ := netip.ParseAddrPort(host)
	return u.Of(&function.Replica{ID: host, Address: address})
}

// Drop closes the pool of a replica.
func (u *Pools) Drop(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.drop(id)
}

// Close closes all pools.
func (u *Pools) Close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range u.byID {
		u.drop(id)
	}
}

// drop requires mu.
func (u *Pools) drop(id string) {
	if gone := u.byID[id]; gone != nil {
		gone.close()
		delete(u.byID, id)
	}
}

// Counts is how many connections there are: Open ones, the Idle ones among them that wait for
// calls in HTTP/1, and how many are Kept by the count that MaxIdle bounds.
type Counts struct{ Open, Idle, Kept int }

// Counts counts the connections.
func (u *Pools) Counts() Counts {
	u.mu.RLock()
	defer u.mu.RUnlock()
	counts := Counts{Kept: int(u.idle.Load())}
	for _, pool := range u.byID {
		counts.Open += len(pool.sockets.all())
		pool.mu.Lock()
		counts.Idle += len(pool.idle)
		pool.mu.Unlock()
	}
	return counts
}

// shed closes the idle connections of all pools, and reports whether there were any.
func (u *Pools) shed() bool {
	if u == nil || u.idle.Load() == 0 {
		return false
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	for _, pool := range u.byID {
		pool.mu.Lock()
		pool.closeIdle()
		pool.mu.Unlock()
	}
	return true
}

// Pool is the pool of connections to one replica.
type Pool struct {
	// address is where the replica listens; invalid when only its host is known.
	address netip.AddrPort
	// host is the same as text, "10.0.0.7:8080" or "figlet:8080".
	host string
	// all are the pools that this is one of; nil for one that stands alone, and can only connect.
	all *Pools
	// sockets are all connections, idle or not.
	sockets sockets
	// dialing makes links, one at a time.
	dialing singleflight.Group

	// mu protects the fields below.
	mu     sync.Mutex
	idle   []*Conn // the one that was used last is last
	closed bool
	// links are the connections in HTTP/2; the slice is never changed, but replaced.
	links []*link
	// sweeper closes what has been idle for too long; it is set while something is.
	sweeper *time.Timer
}

// connect returns a connection that was used before, or a new one if there is none or fresh is set.
func (u *Pool) connect(ctx context.Context, fresh bool) (*Conn, error) {
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
	tcp, err := u.DialTCP(ctx)
	if err != nil {
		return nil, err
	}
	return newConn(tcp, &u.sockets), nil
}

// DialTCP connects to the replica, within 3 s. The connection is not counted among the pool's. Without
// descriptors for it the idle ones of all pools are closed, and it is tried once more. An error is
// ErrExhausted or ErrUnreachable; the latter when ctx has ended, too.
func (u *Pool) DialTCP(ctx context.Context) (*wire.Conn, error) {
	tcp, err := u.connectTCP(ctx)
	if function.IsExhausted(err) && u.all.shed() {
		tcp, err = u.connectTCP(ctx)
	}
	if function.IsExhausted(err) {
		return nil, fmt.Errorf("%w: %w", ErrExhausted, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	conn, err := wire.New(tcp)
	if err != nil {
		tcp.Close()
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return conn, nil
}

func (u *Pool) connectTCP(ctx context.Context) (*net.TCPConn, error) {
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
func (u *Pool) take() *Conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	last := len(u.idle) - 1
	if last < 0 {
		return nil
	}
	c := u.idle[last]
	u.idle[last] = nil
	u.idle = u.idle[:last]
	u.all.idle.Add(-1)
	return c
}

// put keeps a connection for the next invocation, unless enough are kept already.
func (u *Pool) put(c *Conn) {
	c.reused = true
	c.idleSince = time.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || len(u.idle) >= cmp.Or(u.all.MaxIdlePerReplica, maxIdle) {
		c.Close()
		return
	}
	if u.all.idle.Add(1) > int64(cmp.Or(u.all.MaxIdle, maxIdle)) {
		u.all.idle.Add(-1)
		c.Close()
		return
	}
	u.idle = append(u.idle, c)
	if u.sweeper == nil {
		u.sweeper = time.AfterFunc(idleTimeout, u.sweep)
	}
}

// sweep closes the connections that no call needed for a while, and comes back while others remain.
func (u *Pool) sweep() {
	u.mu.Lock()
	defer u.mu.Unlock()
	old := 0
	for old < len(u.idle) && time.Since(u.idle[old].idleSince) >= idleTimeout {
		u.idle[old].Close()
		old++
	}
	u.idle = slices.Delete(u.idle, 0, old)
	u.all.idle.Add(int64(-old))
	u.sweeper = nil
	if len(u.idle) > 0 && !u.closed {
		u.sweeper = time.AfterFunc(idleTimeout-time.Since(u.idle[0].idleSince), u.sweep)
	}
}

// closeIdle closes what is idle. It is called with mu held.
func (u *Pool) closeIdle() {
	for _, c := range u.idle {
		c.Close()
	}
	u.all.idle.Add(int64(-len(u.idle)))
	u.idle = nil
}

func (u *Pool) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	u.closeIdle()
	for _, l := range u.links {
		l.retire()
	}
	u.links = nil
	if u.sweeper != nil {
		u.sweeper.Stop()
	}
}
