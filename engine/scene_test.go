package engine_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"faas-docker/engine"
	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

// scene is a real engine with the probe's image on it.
type scene struct {
	*engine.Engine
	t       *testing.T
	network string
	docker  *client.Client
	imageID string
	image   string
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, network: enginetest.Network(t), image: enginetest.Image(t, "./testdata/probe")}
	s.Engine = enginetest.DockerOn(t, s.network)
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	s.docker = docker
	s.imageID = enginetest.ImageID(t, s.Engine, s.image)
	return s
}

// function returns the first revision of a function made of the probe.
func (s *scene) function(name string, change ...func(*function.Function)) function.Function {
	f := function.Function{
		Spec:     function.Spec{Name: name, Namespace: "dev", Image: s.image},
		Revision: 1,
		ImageID:  s.imageID,
	}
	for _, apply := range change {
		apply(&f)
	}
	return f
}

// start starts a replica and waits until it accepts connections.
func (s *scene) start(f function.Function) function.Replica {
	s.t.Helper()
	replica, err := s.Start(s.t.Context(), f)
	if err != nil {
		s.t.Fatal(err)
	}
	s.awaitReady(replica)
	return replica
}

func (s *scene) awaitReady(replica function.Replica) {
	s.t.Helper()
	s.eventually("the replica accepts connections", func() bool {
		connection, err := net.DialTimeout("tcp", replica.Address.String(), time.Second)
		if err != nil {
			return false
		}
		_ = connection.Close()
		return true
	})
}

// eventually waits for what nothing announces.
func (s *scene) eventually(what string, holds func() bool) {
	s.t.Helper()
	const limit = time.Minute // for a machine that hardly gets to it, too
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not after %s: %s", limit, what)
		}
	}
}

// call asks the probe for something and returns its answer.
func (s *scene) call(replica function.Replica, path string, query url.Values) (status int, body string) {
	s.t.Helper()
	status, body, err := post(s.t.Context(), replica, path, query, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return status, body
}

// print makes the probe write a text to its output.
func (s *scene) print(replica function.Replica, stream, text string) {
	s.t.Helper()
	if _, _, err := post(s.t.Context(), replica, "/print", url.Values{"stream": {stream}}, text); err != nil {
		s.t.Fatal(err)
	}
}

func post(ctx context.Context, replica function.Replica, path string, query url.Values, body string) (status int, answer string, err error) {
	target := "http://" + replica.Address.String() + path + "?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

func withSecrets(names ...string) func(*function.Function) {
	return func(f *function.Function) { f.Secrets = names }
}

func withEnv(key, value string) func(*function.Function) {
	return func(f *function.Function) {
		if f.EnvVars == nil {
			f.EnvVars = map[string]string{}
		}
		f.EnvVars[key] = value
	}
}

func withRevision(revision uint64) func(*function.Function) {
	return func(f *function.Function) { f.Revision = revision }
}
