package routes

// Filter changes a request before it is passed on, and the answer before it is sent. Both methods are
// called by many goroutines at once; what belongs to one request is kept in its Context.
type Filter interface {
	// Request sees the request after the filters before it. To answer in the backend's place it calls Serve
	// or Handled on the Context: neither the filters behind it nor the backend see the request then.
	Request(*Context)
	// Response sees the head of the final answer after the filters behind it, wherever it comes from, if
	// this filter's Request was called. Before a connection is taken over to switch protocols the Status is
	// 101, and only the Header can be changed. It is not called for a Handled answer or an aborted call.
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

// RequestOnly is embedded by filters that leave answers alone and have no Response of their own, which may
// not be called: where all filters leave answers alone, the backend writes to the client directly.
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
