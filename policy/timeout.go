package policy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// errTryOver ends a try that took too long.
var errTryOver = errors.New("the time of the try is over")

// tryTimeout bounds each try until the head of its answer has arrived.
type tryTimeout struct{ limit time.Duration }

// Do sends the request and ends the try when its time is over. The rest of the
// answer may take as long as it likes.
func (p tryTimeout) Do(ctx context.Context, request *Request, next Sender) (Answer, error) {
	try, cancel := context.WithCancelCause(ctx)
	// An answer ends with its try: only the end of the call may end that.
	request.OnEnd(func(End) { cancel(nil) })
	timer := time.AfterFunc(p.limit, func() { cancel(errTryOver) })
	answer, err := next(try, request)
	intime := timer.Stop()
	if intime {
		return answer, err
	}
	if answer != nil {
		answer.Drop()
	}
	if context.Cause(try) != errTryOver {
		return nil, context.Cause(try)
	}
	return nil, &Refusal{Status: http.StatusGatewayTimeout, Err: ErrLate,
		Text: fmt.Sprintf("did not begin to answer within %s, the time of each try (policy tryTimeout)", p.limit)}
}
