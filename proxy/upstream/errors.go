package upstream

import "errors"

// What can go wrong on the way to a function and back.
var (
	// ErrUnreachable says that the replica has certainly seen nothing of the request.
	ErrUnreachable = errors.New("replica cannot be reached")
	// ErrExhausted says the same, but that the fault is ours.
	ErrExhausted = errors.New("no descriptors left for another connection")
	// ErrStale says that a connection which had been used before ended without any answer, in
	// a way that lets the request be sent again.
	ErrStale = errors.New("stale connection")
	// ErrUnanswered says that the request may be sent again.
	ErrUnanswered = errors.New("no byte of an answer to a request that may be repeated")
	// ErrDied says that the connection ended before the answer did.
	ErrDied = errors.New("connection to the replica ended")
	// ErrReset says that a function which lives on has ended a call without an answer.
	ErrReset = errors.New("function reset the stream")
	// ErrRefused says that the function has begun nothing.
	ErrRefused = errors.New("replica takes no more calls")
	// ErrBadAnswer says that the answer breaks the rules.
	ErrBadAnswer = errors.New("malformed answer")
	// ErrTooSlow says that the function did not answer, or go on with its answer, in time.
	ErrTooSlow = errors.New("no answer in time")
	// ErrLargeHead says that the function takes no head of that size.
	ErrLargeHead = errors.New("request head too large")
	// ErrBadField says that a field would be more than one line.
	ErrBadField = errors.New("field that cannot be sent")

	// ErrClientGone says that the client left.
	ErrClientGone = errors.New("client went away")
	// ErrBadBody says that the client's body breaks the rules.
	ErrBadBody = errors.New("malformed request body")
	// ErrSlowClient says that the client's body took too long.
	ErrSlowClient = errors.New("request body did not arrive in time")
	// ErrShortBody says that the client's body was not all there.
	ErrShortBody = errors.New("request body ended early")
	// ErrLargeBody says that the client's body was longer than allowed.
	ErrLargeBody = errors.New("request body too large")
	// ErrPanicked says that what somebody put around a request's body has panicked.
	ErrPanicked = errors.New("panic while the body of the request was read")
)
