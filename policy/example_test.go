package policy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/policy"
)

// answer is what a sender has received.
type answer int

func (a answer) Status() int       { return int(a) }
func (answer) Field(string) string { return "" }
func (answer) Drop()               {}

// stamp is a policy: it changes the request, a copy of it, and passes it on to the next.
type stamp struct{ tenant string }

func (s stamp) Do(ctx context.Context, request *policy.Request, next policy.Sender) (policy.Answer, error) {
	try := *request
	try.HTTP = request.HTTP.Clone(ctx)
	try.HTTP.Header.Set("X-Tenant", s.tenant)
	answer, err := next(ctx, &try) // forwards the request and gets the answer
	fmt.Println("stamped, and answered", answer, err)
	return answer, err
}

// Chains is the factory: it makes of a function's annotations the policies around its
// calls, once. A Chain is the pipeline. The policy of a single call has its place in it, and
// behind all of them stands a sender, here one that fails the first try.
func Example() {
	var wanted function.Policies
	for name, text := range map[string]string{
		function.PolicyRetry:    "attempts=2 on=503 backoff=1ms",
		function.PolicyProgress: "every=1ns from=1",
	} {
		if err := wanted.Set(name, text); err != nil {
			fmt.Println(err)
			return
		}
	}
	chains := policy.Chains{Logger: hclog.New(&hclog.LoggerOptions{Output: &printer{}, DisableTime: true})}
	chain := chains.Of(function.Name{Name: "upload"}, &wanted, nil)

	tries := 0
	sender := func(_ context.Context, try *policy.Request) (policy.Answer, error) {
		body, err := io.ReadAll(try.Body)
		if err != nil {
			return nil, err
		}
		fmt.Printf("sent %q as %s\n", body, try.HTTP.Header.Get("X-Tenant"))
		if tries++; tries == 1 {
			return answer(http.StatusServiceUnavailable), nil
		}
		return answer(http.StatusOK), nil
	}
	// A PUT may be repeated, and what was read of its body is sent again.
	client := httptest.NewRequest("PUT", "/function/upload", strings.NewReader("twelve bytes"))
	request := policy.NewRequest(policy.Call{HTTP: client, Body: client.Body})
	got, err := chain.Do(context.Background(), request, stamp{"a"}, sender)
	if err == nil {
		request.End(got.Status(), nil)
	}
	fmt.Println("the caller gets", got, err)
	// Output:
	// [INFO] body 12
	// sent "twelve bytes" as a
	// stamped, and answered 503 <nil>
	// sent "twelve bytes" as a
	// stamped, and answered 200 <nil>
	// the caller gets 200 <nil>
}

// printer prints the level, the text and the last value of each line of a log, but for
// those that repeat the last one.
type printer struct{ last string }

func (p *printer) Write(line []byte) (int, error) {
	if words := strings.Fields(string(line)); string(line) != p.last && len(words) > 1 {
		_, value, _ := strings.Cut(words[len(words)-1], "=")
		fmt.Println(words[0], strings.TrimSuffix(words[1], ":"), value)
	}
	p.last = string(line)
	return len(line), nil
}
