package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"faas-docker/proxy/compat/pipeline"
)

// named makes policies that write down when they are passed.
func named(name string, passed *[]string) pipeline.Factory {
	return pipeline.FactoryFunc(func(node pipeline.PolicyNode) pipeline.Policy {
		return pipeline.PolicyFunc(func(ctx context.Context, request pipeline.Request) (pipeline.Response, error) {
			*passed = append(*passed, name)
			response, err := node.Do(ctx, request)
			*passed = append(*passed, "/"+name)
			return response, err
		})
	})
}

func newRequest(t *testing.T, options pipeline.RequestOptions) pipeline.Request {
	t.Helper()
	request, err := pipeline.NewRequest("POST", url.URL{Scheme: "http", Host: "example.com", Path: "/"}, options)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func TestPipeline_PassesThePoliciesInOrderAndBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		factories func(passed *[]string) []pipeline.Factory
		method    bool
		want      string
	}{
		{"marker alone", func(*[]string) []pipeline.Factory { return []pipeline.Factory{pipeline.MethodFactoryMarker()} }, false, "sent"},
		{"method alone", func(*[]string) []pipeline.Factory { return []pipeline.Factory{pipeline.MethodFactoryMarker()} }, true, "m sent /m"},
		{"marker first", func(p *[]string) []pipeline.Factory {
			return []pipeline.Factory{pipeline.MethodFactoryMarker(), named("a", p)}
		}, true, "m a sent /a /m"},
		{"marker last", func(p *[]string) []pipeline.Factory {
			return []pipeline.Factory{named("a", p), named("b", p), pipeline.MethodFactoryMarker()}
		}, true, "a b m sent /m /b /a"},
		{"marker between, no method", func(p *[]string) []pipeline.Factory {
			return []pipeline.Factory{named("a", p), pipeline.MethodFactoryMarker(), named("b", p)}
		}, false, "a b sent /b /a"},
		{"the same factory twice", func(p *[]string) []pipeline.Factory {
			a := named("a", p)
			return []pipeline.Factory{a, pipeline.MethodFactoryMarker(), a}
		}, false, "a a sent /a /a"},
	} {
		var passed []string
		sender := pipeline.SenderFunc(func(context.Context, *http.Request) (*http.Response, error) {
			passed = append(passed, "sent")
			return &http.Response{StatusCode: 200}, nil
		})
		var method pipeline.Factory
		if test.method {
			method = named("m", &passed)
		}
		response, err := pipeline.NewPipeline(test.factories(&passed), sender).Do(t.Context(), method, newRequest(t, pipeline.RequestOptions{}))
		if got := strings.Join(passed, " "); err != nil || response.Response().StatusCode != 200 || got != test.want {
			t.Errorf("%s: got %q, %v, want %q", test.name, got, err, test.want)
		}
	}
}

func TestNewPipeline_WantsOneMarker(t *testing.T) {
	t.Parallel()
	var passed []string
	for name, factories := range map[string][]pipeline.Factory{
		"none": {named("a", &passed)}, "no factory": nil,
		"two": {pipeline.MethodFactoryMarker(), named("a", &passed), pipeline.MethodFactoryMarker()},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			pipeline.NewPipeline(factories, nil)
		}()
	}
}

// The standard sender is a client, whose call ends with the context.
func TestNewPipeline_SendsByDefaultOverTheNetwork(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
			return
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d %s", r.Method, r.ContentLength, body)
	}))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := pipeline.NewPipeline([]pipeline.Factory{pipeline.MethodFactoryMarker()}, nil)
	var wait sync.WaitGroup
	for i := range 10 {
		wait.Go(func() {
			text := fmt.Sprint("body ", i)
			request, err := pipeline.NewRequest("PUT", *address, pipeline.RequestOptions{Body: strings.NewReader(text)})
			if err != nil {
				t.Error(err)
				return
			}
			response, err := p.Do(t.Context(), nil, request)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Response().Body.Close()
			if got, _ := io.ReadAll(response.Response().Body); string(got) != "PUT 6 "+text {
				t.Errorf("got %q", got)
			}
		})
	}
	wait.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	request, err := pipeline.NewRequest("GET", *address.JoinPath("slow"), pipeline.RequestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Do(ctx, nil, request); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// unseekable fails to seek.
type unseekable struct{ io.Reader }

func (unseekable) Seek(int64, int) (int64, error) { return 0, errors.New("a pipe") }

func TestNewRequest_BodiesAreSentFromTheirBeginning(t *testing.T) {
	t.Parallel()
	read := bytes.NewReader([]byte("hello"))
	_, _ = read.ReadByte()
	for _, test := range []struct {
		name string
		body io.ReadSeeker
		want string
	}{
		{"none", nil, ""}, {"empty", strings.NewReader(""), ""}, {"text", strings.NewReader("hello"), "hello"},
		{"read before", read, "hello"}, {"binary", bytes.NewReader([]byte{0, 255}), "\x00\xff"},
		{"long", strings.NewReader(strings.Repeat("x", 100_000)), strings.Repeat("x", 100_000)},
	} {
		var told []int64
		var bodies []string
		sender := pipeline.SenderFunc(func(_ context.Context, r *http.Request) (*http.Response, error) {
			var sent []byte
			if r.Body != nil {
				sent, _ = io.ReadAll(r.Body)
				_ = r.Body.Close()
			}
			if int64(len(sent)) != r.ContentLength {
				t.Errorf("%s: got %d bytes with a length of %d", test.name, len(sent), r.ContentLength)
			}
			bodies = append(bodies, string(sent))
			return &http.Response{StatusCode: 200}, nil
		})
		p := pipeline.NewPipeline([]pipeline.Factory{pipeline.MethodFactoryMarker()}, sender)
		request := newRequest(t, pipeline.RequestOptions{Body: test.body, Progress: func(n int64) { told = append(told, n) }})
		for range 2 {
			if _, err := p.Do(t.Context(), nil, request); err != nil {
				t.Fatal(err)
			}
		}
		if bodies[0] != test.want || bodies[1] != test.want {
			t.Errorf("%s: got %d and %d bytes, want %d twice", test.name, len(bodies[0]), len(bodies[1]), len(test.want))
		}
		if len(test.want) > 0 && (len(told) < 2 || told[len(told)-1] != int64(len(test.want))) || len(test.want) == 0 && told != nil {
			t.Errorf("%s: got the progress %v", test.name, told)
		}
	}
	if _, err := pipeline.NewRequest("POST", url.URL{}, pipeline.RequestOptions{Body: unseekable{strings.NewReader("x")}}); err == nil {
		t.Error("a body that cannot seek was taken")
	}
	if _, err := pipeline.NewRequest("BAD METHOD", url.URL{}, pipeline.RequestOptions{}); err == nil {
		t.Error("a method with a blank was taken")
	}
}
