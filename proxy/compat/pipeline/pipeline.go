// Package pipeline sends HTTP requests through a list of policies, each of which may
// change the request, pass it on or not, and look at the response.
//
// A Policy does one thing around the sending of a request: it logs, retries, bounds the
// time, injects a failure, or decodes the body of the response. A Factory makes a Policy
// for each request and tells it who comes next. A Pipeline is a list of factories with a
// sender behind them. One place in the list, MethodFactoryMarker, is for a policy that
// belongs to a single request.
//
// The calls of functions pass through package policy, which has the same parts in another
// shape: a policy.Policy is made once per deployment and serves all calls, the answer's
// body does not pass through it, and policy.Chain.Do takes the policy of a single call.
package pipeline

import (
	"context"
	"net/http"
)

// Policy does something to a request, or around it.
type Policy interface {
	// Do sends the request, as a rule by calling its PolicyNode's Do, and returns the response.
	Do(ctx context.Context, request Request) (Response, error)
}

// PolicyFunc is a Policy that is a function.
type PolicyFunc func(ctx context.Context, request Request) (Response, error)

// Do calls the function.
func (f PolicyFunc) Do(ctx context.Context, request Request) (Response, error) {
	return f(ctx, request)
}

// Factory makes policies. It must be safe for concurrent use: pipelines share it among all requests.
type Factory interface {
	// New makes the policy for one request. It passes the request on with the node's Do.
	New(node PolicyNode) Policy
}

// FactoryFunc is a Factory that is a function.
type FactoryFunc func(node PolicyNode) Policy

// New calls the function.
func (f FactoryFunc) New(node PolicyNode) Policy { return f(node) }

// PolicyNode is a policy's place in the list: it knows what comes next.
type PolicyNode struct{ next Policy }

// Do has the next policy, or behind the last one the sender, do its work.
func (n PolicyNode) Do(ctx context.Context, request Request) (Response, error) {
	return n.next.Do(ctx, request)
}

// Pipeline sends requests. It is safe for concurrent use.
type Pipeline interface {
	// Do makes a policy of each factory and has the first one do its work. methodFactory
	// takes the place of MethodFactoryMarker; nil leaves it empty.
	Do(ctx context.Context, methodFactory Factory, request Request) (Response, error)
}

// HTTPSender sends a request over the network, or acts as if it did. It must be safe for
// concurrent use.
type HTTPSender interface {
	Do(ctx context.Context, request *http.Request) (*http.Response, error)
}

// SenderFunc is an HTTPSender that is a function.
type SenderFunc func(ctx context.Context, request *http.Request) (*http.Response, error)

// Do calls the function.
func (f SenderFunc) Do(ctx context.Context, request *http.Request) (*http.Response, error) {
	return f(ctx, request)
}

// NewPipeline returns a pipeline of the policies that the factories make, in their order,
// before a sender. Without one an http.Client sends. It panics unless exactly one of the
// factories is MethodFactoryMarker.
func NewPipeline(factories []Factory, sender HTTPSender) Pipeline {
	markers := 0
	for _, factory := range factories {
		if _, marked := factory.(marker); marked {
			markers++
		}
	}
	if markers != 1 {
		panic("pipeline: the factories must have MethodFactoryMarker among them exactly once")
	}
	if sender == nil {
		client := &http.Client{}
		sender = SenderFunc(func(ctx context.Context, request *http.Request) (*http.Response, error) {
			return client.Do(request.WithContext(ctx))
		})
	}
	return &pipeline{factories: append([]Factory(nil), factories...), sender: sender}
}

// MethodFactoryMarker marks the place of the policy of a single request.
func MethodFactoryMarker() Factory { return marker{} }

type marker struct{}

// New is not called: the factory of the request takes the marker's place.
func (marker) New(node PolicyNode) Policy { return PolicyFunc(node.Do) }

type pipeline struct {
	factories []Factory
	sender    HTTPSender
}

func (p *pipeline) Do(ctx context.Context, methodFactory Factory, request Request) (Response, error) {
	var next Policy = PolicyFunc(p.send)
	for i := len(p.factories) - 1; i >= 0; i-- {
		factory := p.factories[i]
		if _, marked := factory.(marker); marked && methodFactory != nil {
			factory = methodFactory
		}
		next = factory.New(PolicyNode{next: next})
	}
	return next.Do(ctx, request)
}

// send is behind the last policy. A request that was sent before is sent from the
// beginning of its body.
func (p *pipeline) send(ctx context.Context, request Request) (Response, error) {
	if err := request.RewindBody(); err != nil {
		return nil, err
	}
	response, err := p.sender.Do(ctx, request.Request)
	if err != nil {
		return nil, err
	}
	return NewHTTPResponse(response), nil
}
