package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"

	"faas-docker/proxy/compat/pipeline"
)

// logPolicy mutates nothing: it tells what passes.
type logPolicy struct{ node pipeline.PolicyNode }

func (p *logPolicy) Do(ctx context.Context, request pipeline.Request) (pipeline.Response, error) {
	fmt.Println("sending", request.Method, request.URL.Path, "as", request.Header.Get("X-Tenant"))
	response, err := p.node.Do(ctx, request) // Forward HTTP request to next Policy & get HTTP response
	if err != nil {
		fmt.Println("failed:", err)
		return response, err
	}
	fmt.Println("received", response.Response().StatusCode)
	return response, err // Return response/error to previous Policy
}

type logPolicyFactory struct{}

func (f *logPolicyFactory) New(node pipeline.PolicyNode) pipeline.Policy {
	return &logPolicy{node: node}
}

// retryPolicy has a setting, which its factory gives it.
type retryPolicy struct {
	node  pipeline.PolicyNode
	tries int
}

func (p *retryPolicy) Do(ctx context.Context, request pipeline.Request) (response pipeline.Response, err error) {
	for range p.tries {
		if response, err = p.node.Do(ctx, request); err == nil {
			break
		}
	}
	return response, err
}

type retryPolicyFactory struct{ tries int }

func (f *retryPolicyFactory) New(node pipeline.PolicyNode) pipeline.Policy {
	return &retryPolicy{node: node, tries: f.tries}
}

// sum is a response with its body decoded.
type sum struct {
	response *http.Response
	Bytes    int `json:"bytes"`
}

func (s *sum) Response() *http.Response { return s.response }

// decodeSum is the factory of one method alone: its policy deserializes the body of the
// response.
func decodeSum(node pipeline.PolicyNode) pipeline.Policy {
	return pipeline.PolicyFunc(func(ctx context.Context, request pipeline.Request) (pipeline.Response, error) {
		response, err := node.Do(ctx, request)
		if err != nil {
			return response, err
		}
		decoded := &sum{response: response.Response()}
		return decoded, json.NewDecoder(response.Response().Body).Decode(decoded)
	})
}

// A request passes through policies to a sender of one's own, which fails the first time,
// and its response passes back.
func Example() {
	tries := 0
	sender := pipeline.SenderFunc(func(_ context.Context, request *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		if tries++; tries == 1 {
			return nil, fmt.Errorf("connection reset after %d bytes", len(body))
		}
		answer := fmt.Sprintf(`{"bytes":%d}`, len(body))
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer)), Request: request}, nil
	})
	p := pipeline.NewPipeline([]pipeline.Factory{
		&retryPolicyFactory{tries: 3},
		pipeline.FactoryFunc(func(node pipeline.PolicyNode) pipeline.Policy { // mutates each request
			return pipeline.PolicyFunc(func(ctx context.Context, request pipeline.Request) (pipeline.Response, error) {
				request.Header.Set("X-Tenant", "a")
				return node.Do(ctx, request)
			})
		}),
		pipeline.MethodFactoryMarker(), // the method-specific policy goes here
		&logPolicyFactory{},
	}, sender)

	request, err := pipeline.NewRequest("PUT", url.URL{Scheme: "http", Host: "example.com", Path: "/upload"}, pipeline.RequestOptions{
		Body:     strings.NewReader("twelve bytes"),
		Progress: func(bytesTransferred int64) { fmt.Println("uploaded", bytesTransferred) },
	})
	if err != nil {
		log.Fatal(err)
	}
	response, err := p.Do(context.Background(), pipeline.FactoryFunc(decodeSum), request)
	if err != nil {
		log.Fatal(err)
	}
	if decoded, ok := response.(*sum); ok {
		fmt.Println("the server counted", decoded.Bytes)
	}
	// Output:
	// sending PUT /upload as a
	// uploaded 12
	// failed: connection reset after 12 bytes
	// sending PUT /upload as a
	// uploaded 12
	// received 200
	// the server counted 12
}
