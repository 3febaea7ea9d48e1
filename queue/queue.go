// Package queue has the words for calls that are made later, and says what a store of them promises.
package queue

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"faas-docker/function"
)

// ID names one accepted call. It is a UUID of version 7 (RFC 9562, 5.7): IDs grow with time.
type ID = uuid.UUID

// State is where a call stands. The zero value is no state.
type State uint8

// The states. Ready is left by Claim, which nobody writes down: after a restart the call is ready again.
const (
	// Ready calls wait for their time and for a free place.
	Ready State = iota + 1
	// Started calls are being made, and must not be made twice: one that is claimed was being made when the last
	// process ended.
	Started
	// Done calls have succeeded.
	Done
	// Dead calls are given up.
	Dead
	// Cancelled calls are no longer wanted.
	Cancelled
)

// IsOver reports whether nothing more happens to a call by itself.
func (s State) IsOver() bool { return s == Done || s == Dead || s == Cancelled }

// String is the state as the API words it.
func (s State) String() string {
	switch s {
	case Ready:
		return "ready"
	case Started:
		return "started"
	case Done:
		return "done"
	case Dead:
		return "dead"
	case Cancelled:
		return "cancelled"
	}
	return "unknown"
}

// Call is a call that is made later. A Backend shares none with its callers.
type Call struct {
	// Version is the Backend's: it changes with all that is written about the call.
	Version uint64 `json:"-"`
	// ID is given by Accept, and Accepted with it.
	ID ID
	// CallID is what X-Call-Id says. Calls that belong together share one; a call without one gets its ID.
	CallID string
	// Lane is the line that the call stands in: calls of one lane are claimed in their order.
	Lane string `json:"-"`
	// Function is who is called; a call without one goes to URL.
	Function function.Name
	URL      string `json:",omitempty"`
	Request  Request
	// Callback is the URL that is told of the end; empty for none.
	Callback string `json:",omitempty"`
	// Key is the client's Idempotency-Key; empty for none. Digest tells requests of one key apart.
	Key, Digest string `json:",omitempty"`
	// Accepted is when the call was, and Due when it is to be made; Accept sets both, a later Due excepted.
	Accepted time.Time
	Due      time.Time `json:"-"`
	State    State     `json:"-"`
	// Tries is how often it was made so far, and Last how that went.
	Tries int
	Last  Try
}

// Request is what is sent.
type Request struct {
	// Path has the query. Remote is the address of the client, with its port.
	Method, Path, Host string
	Remote             string
	Header             http.Header `json:"-"`
	Body               Body
}

// Try is how one try of a call went. The zero value is that there was none.
type Try struct {
	Ended time.Time
	// Status is what was answered; 0 when nothing was, and Error says why.
	Status int
	Error  string `json:",omitempty"`
	Took   time.Duration
}

// Body is the body of a call. It is kept inline where that is short, else in a file of its own.
type Body struct {
	Inline []byte `json:"-"`
	// File is the name of its file; empty for none.
	File string `json:",omitempty"`
	Size int64
}

// Settlement is what becomes of a call.
type Settlement struct {
	// Call is the call as it stands now: its State, Due, Tries and Last are written.
	Call *Call
	// Then are accepted with it, or not at all: a callback, the call of a dead letter.
	Then []*Call
}

// Lane is how a lane stands.
type Lane struct {
	Name string
	// Waiting are the calls in it that are not over, those claimed included.
	Waiting int
	// Claimed are those that were claimed, and are not settled yet.
	Claimed int
	// Next is when the first call that is not claimed is due; zero when there is none.
	Next time.Time
}

// Query says which calls are wanted.
type Query struct {
	// Lane and State are those of the calls; empty, or zero, means any.
	Lane  string
	State State
	// Before is the ID behind which the list goes on, to older calls; zero begins with the youngest.
	Before ID
	// Limit is how many there may be; it must be positive.
	Limit int
}

// What a Backend answers besides.
var (
	// ErrFull: there is no room for more calls. Nothing was accepted.
	ErrFull = errors.New("the queue is full")
	// ErrUnknown: there is no such call, or no longer.
	ErrUnknown = errors.New("there is no such call")
	// ErrKeyTaken: a call with the same Idempotency-Key has another content.
	ErrKeyTaken = errors.New("the Idempotency-Key was used for another call")
	// ErrChanged: the call is not what it was, as when it was settled meanwhile.
	ErrChanged = errors.New("the call has changed meanwhile")
	// ErrClosed: the Backend was closed.
	ErrClosed = errors.New("the queue is closed")
)

// Backend keeps calls. What Accept and Settle have returned from without an error outlives a kill of the
// process and a loss of power. All methods are safe for concurrent use.
type Backend interface {
	Bodies
	Lines
	Records
	// Accept takes all calls or none, and gives them IDs. A call whose Key is known becomes the call that
	// has it, and is not accepted again.
	Accept(ctx context.Context, calls ...*Call) error
	// Settle writes down what became of calls, claimed or not: all or none. ErrChanged says that something was
	// written about one since its Version, such as a cancellation. A call that is Done or Cancelled keeps neither header nor body.
	Settle(ctx context.Context, settlements ...Settlement) error
	Close() error
}

// Bodies keeps the bodies of calls.
type Bodies interface {
	// Keep reads a body, to its end, for a call to be accepted. One that no call takes is removed by Drop,
	// or at the next start. An error of the reader is returned as it is; ErrFull says that there is no room.
	Keep(body io.Reader) (Body, error)
	Drop(Body)
	// Open reads the body of a call.
	Open(Body) (io.ReadCloser, error)
}

// Lines are the lanes, and who stands in them.
type Lines interface {
	// Claim takes calls of a lane that are due, the first due first, at most so many. Nobody else gets them
	// until they are settled or given back. What is due goes by a clock that never goes back.
	Claim(lane string, most int) ([]*Call, error)
	// GiveBack returns claimed calls that were not made.
	GiveBack(calls ...*Call)
	// Lanes tells of every lane with calls that are not over, in the order of their names.
	Lanes() []Lane
}

// Records are what is known of calls.
type Records interface {
	// Find returns one call, or ErrUnknown.
	Find(ID) (*Call, error)
	// FindAll returns calls with an X-Call-Id, the oldest first, from behind an ID on, at most so many.
	FindAll(callID string, after ID, most int) ([]*Call, error)
	// List returns calls, the youngest first.
	List(Query) ([]*Call, error)
	// Sweep forgets calls that ended before a time, at most so many at once, and returns how many.
	Sweep(state State, ended time.Time, most int) (int, error)
}
