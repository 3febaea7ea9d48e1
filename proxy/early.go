package proxy

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"faas-docker/function/clock"
	"faas-docker/grammar"
	"faas-docker/proxy/upstream"
	"faas-docker/resolver"
)

// errEarly says that a watchdog has answered for a process that has seen nothing of the call.
var errEarly = errors.New("the process behind the watchdog does not listen yet")

// errDiedEarly says that a replica has ended whose watchdog had answered so: perhaps of the call.
var errDiedEarly = errors.New("the process behind the watchdog has ended")

// openUnproven is openLent for a replica that has not answered for itself yet. An answer that may only
// mean that it is too early is not passed on, if the body can be sent again. Such a replica is not lent
// again until it has been seen to be ready; what it answers then counts. But a process that has died
// of the call looks the same: when the replica ends, no other gets the call.
func (a *attempt) openUnproven(lease resolver.Lease) (upstream.Answer, error) {
	c := a.call
	record := &recording{Body: a.out.Body}
	if a.out.Body != nil {
		a.out.Body = record
	}
	got, err := a.openLent(lease)
	if err != nil {
		return nil, err
	}
	if !isEarly(got) && !a.isUnheard(got) {
		if isProof(got, c.target.path) {
			lease.Prove()
		}
		return got, nil
	}
	if a.early.HasDied() || record.Body != nil && (c.isInterrupted() || !record.rewind(a)) {
		return got, nil
	}
	got.Drop()
	c.handler.Resolver.Deny(c.target.name, lease.Replica().ID)
	a.early = lease
	return nil, errEarly
}

// earlyWatch is how long a replica is watched whose watchdog has answered for its process, and
// earlyPause the time between two looks. A process that a call has ended is gone within that.
const (
	earlyWatch = 250 * time.Millisecond
	earlyPause = 25 * time.Millisecond
)

// watchEarly waits for a moment whether the replica ends whose watchdog has answered for its process. If so the
// call may have ended it, and no other replica is to get it.
func (a *attempt) watchEarly() error {
	replica, h := a.early.Replica(), a.call.handler
	if replica == nil {
		return nil
	}
	for end := time.Now().Add(earlyWatch); ; {
		if a.early.HasDied() || h.HasEnded != nil && h.HasEnded(a.out.Context, *replica) {
			return a.diedEarly()
		}
		if h.HasEnded == nil || time.Now().After(end) || clock.Sleep(a.out.Context, earlyPause) != nil {
			return nil
		}
	}
}

// diedEarly is the end of a call that may have ended its replica.
func (a *attempt) diedEarly() error {
	return &upstream.CutOff{After: time.Since(a.call.began), Gone: true, Err: errDiedEarly}
}

// isEarly reports whether an answer may say that the process behind a watchdog does not
// listen. A process that ends without an answer looks the same.
func isEarly(got upstream.Answer) bool {
	return got.Status() == http.StatusInternalServerError && got.Field(internalField) == "of-watchdog"
}

// isUnheard reports whether an answer is of-watchdog's to a WebSocket or an event stream while its process
// does not listen: its proxy for such calls answers with an empty 200 when it cannot connect. Any other
// function may mean it, so that a POST to one is not sent again.
func (a *attempt) isUnheard(got upstream.Answer) bool {
	if !isEmpty(got) || !a.out.IsReplayable() && !a.call.policy.HasWatchdog {
		return false
	}
	header := a.call.r.Header
	return grammar.HasToken(header["Upgrade"], "websocket") || acceptsStream(header)
}

// acceptsStream reports whether a request wants events that of-watchdog passes on by that proxy.
func acceptsStream(header http.Header) bool {
	types := grammar.Lower(strings.Join(header["Accept"], ","))
	return strings.Contains(types, "text/event-stream") || strings.Contains(types, "application/x-ndjson")
}

// isEmpty reports whether an answer is a 200 that says nothing.
func isEmpty(got upstream.Answer) bool {
	return got.Status() == http.StatusOK && got.Field("Content-Length") == "0" && got.Field("Content-Type") == ""
}

// isProof reports whether an answer comes from the function itself, and not from what
// stands before it in its container. A watchdog answers paths below /_/ by itself.
func isProof(got upstream.Answer, path string) bool {
	code := got.Status()
	return !strings.HasPrefix(path, "/_/") && got.Field(internalField) == "" && code != http.StatusUnauthorized && code != http.StatusTooManyRequests
}

// internalField is what a watchdog marks its own answers with.
const internalField = "X-Openfaas-Internal"

// retryUntil is how long after its beginning a call that failed so is sent again.
func (c *call) retryUntil(err error) time.Duration {
	if errors.Is(err, errEarly) {
		return c.handler.wakeTimeout()
	}
	return c.repeats.until
}

// checkEarly is watchEarly for the replica that the short lane sent a call to.
func (a *attempt) checkEarly(c *call) error {
	if a.early.Replica() == nil {
		return nil
	}
	a.call, a.out.Context = c, c.r.Context()
	return a.watchEarly()
}
