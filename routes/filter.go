package routes

// Filter changes a request before it is passed on, and the answer before it is sent.
// Both methods are called from many goroutines at once; what belongs to one request
// is kept in its Context.
type Filter interface {
	// Request sees the request on its way to the backend, after the filters before
	// it. To answer in the backend's place it calls Serve or Handled on the Context:
	// then neither the filters behind it nor the backend see the request.
	Request(*Context)
	// Response sees the head of the final answer on its way to the client, after the
	// filters behind it. It is called for every filter whose Request was called, whether
	// the backend or a filter answered, also before a connection is taken over to switch
	// protocols: the Status is 101 then, and only the Header can be changed. It is not
	// called when the answer was Handled or the call was aborted.
	Response(*Context)
}

// FilterSpec makes the filters of one name.
type FilterSpec interface {
	// Name is how rules call it.
	Name() string
	// Create makes a filter for arguments of the types float64, string and Regexp.
	// Its error tells the writer of the rule what is wanted.
	Create(args []any) (Filter, error)
}

// FilterCloser is a Filter that holds something. Close is called once: when its
// rule is no longer in force and no request that was given it is under way.
type FilterCloser interface {
	Filter
	Close() error
}

// RequestOnly is embedded by filters that leave answers alone; they must not have a
// Response of their own, for it may not be called: where all of a route's filters
// leave answers alone, the backend writes to the client directly.
type RequestOnly struct{}

// Response does nothing.
func (RequestOnly) Response(*Context) {}

func (RequestOnly) leavesAnswersAlone() {}

// RequestFunc is a Filter that leaves answers alone.
type RequestFunc func(*Context)

// Request calls the function.
func (f RequestFunc) Request(c *Context) { f(c) }

// Response does nothing.
func (RequestFunc) Response(*Context) {}

func (RequestFunc) leavesAnswersAlone() {}

// ResponseFunc is a Filter that leaves requests alone.
type ResponseFunc func(*Context)

// Request does nothing.
func (ResponseFunc) Request(*Context) {}

// Response calls the function.
func (f ResponseFunc) Response(c *Context) { f(c) }
