package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"faas-docker/function"
)

func TestClassifyPull_TellsLastingFromPassing(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text string
		want error
		says string
	}{
		{"manifest for alpine:nope not found: manifest unknown: manifest unknown", function.ErrInvalid, "no such image or tag"},
		{"pull access denied for nope, repository does not exist or may require 'docker login': denied: requested access to the resource is denied", function.ErrInvalid, "docker login reg.example"},
		{"Head \"https://ghcr.io/v2/x/y/manifests/latest\": unauthorized", function.ErrInvalid, "docker login"},
		{"Head \"https://ghcr.io/v2/x/y/manifests/latest\": denied: denied", function.ErrInvalid, "docker login"},
		{"no matching manifest for linux/amd64 in the manifest list entries", function.ErrInvalid, "architecture"},
		{"invalid reference format", function.ErrInvalid, "name[:tag]"},
		{"Get \"https://10.0.0.1:5000/v2/\": http: server gave HTTP response to HTTPS client", function.ErrInvalid, "insecure-registries"},
		{"missing signature key: unsupported manifest media type", function.ErrInvalid, "format"},
		{"toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating", function.ErrUnavailable, "limits how often"},
		{"toomanyrequests: You have reached your unauthenticated pull rate limit.", function.ErrUnavailable, "limits how often"},
		{"Get \"https://reg.example/v2/\": dial tcp: lookup reg.example: no such host", function.ErrUnavailable, "cannot be reached"},
		{"Get \"https://reg.example/v2/\": dial tcp 10.0.0.1:443: connect: connection refused", function.ErrUnavailable, "cannot be reached"},
		{"Get \"https://reg.example/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)", function.ErrUnavailable, "cannot be reached"},
		{"Head \"https://reg.example/v2/x/manifests/latest\": net/http: TLS handshake timeout", function.ErrUnavailable, "cannot be reached"},
		{"received unexpected HTTP status: 503 Service Unavailable", function.ErrUnavailable, "cannot be reached"},
		{"Head \"http://127.0.0.1:42429/v2/figlet/manifests/nope\": no basic auth credentials", function.ErrInvalid, "docker login"},
		{"error parsing HTTP 429 response body: Too Many Requests", function.ErrUnavailable, "limits how often"},
		{"read the pull's progress: unexpected EOF", function.ErrUnavailable, "cannot be reached"},
		{"Get \"https://reg.example/v2/\": x509: certificate signed by unknown authority", function.ErrUnavailable, "certificate"},
		{"failed to register layer: write /usr/lib/x.so: no space left on device", function.ErrUnavailable, "disk"},
		{"something nobody has seen before", function.ErrUnavailable, "something nobody"},
	}
	for _, c := range cases {
		err := classifyPull("reg.example/x:1", "reg.example", credentials{}, errors.New("Error response from daemon: "+c.text))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), `image: "reg.example/x:1"`) {
			t.Errorf("%s:\ngot %v\nwant %v that says %q", c.text, err, c.want, c.says)
		}
	}
}

func TestClassifyPull_BelievesTheEngineThatThereIsNone(t *testing.T) {
	t.Parallel()
	err := classifyPull("x:1", "docker.io", credentials{}, errdefs.ErrNotFound.WithMessage("Error response from daemon: said differently"))
	if !errors.Is(err, function.ErrInvalid) || !strings.Contains(err.Error(), "said differently") {
		t.Errorf("got %v, want an ErrInvalid with what Docker said", err)
	}
}

func TestDrainPull_FindsTheErrorInsideTheProgress(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, progress, want string }{
		{"success", `{"status":"Pulling"}` + "\n" + `{"status":"Done"}`, ""},
		{"failure", `{"status":"Pulling"}{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}`, "manifest unknown"},
		{"cut off", `{"status":"Pul`, "read the pull's progress: unexpected EOF"},
	}
	for _, c := range cases {
		got := ""
		if err := drainPull(strings.NewReader(c.progress)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestParseImage_SaysWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ ref, want string }{
		{"figlet", "docker.io/library/figlet:latest"},
		{"ghcr.io/openfaas/figlet:1.2", "ghcr.io/openfaas/figlet:1.2"},
		{"localhost:5000/a/b", "localhost:5000/a/b:latest"},
	} {
		got, err := parseImage(c.ref)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: got %v, %v, want %s", c.ref, got, err, c.want)
		}
	}
	for _, ref := range []string{"", "Figlet", "a b", "figlet:", "figlet@sha256:12", "http://x/y", "../x"} {
		_, err := parseImage(ref)
		if !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), "image: ") {
			t.Errorf("%q: got %v, want an ErrInvalid of the field image", ref, err)
		}
	}
}
