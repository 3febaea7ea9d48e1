package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

func TestDoors_AClosedFunctionIsReachedByRoutesAndFunctionsOnly(t *testing.T) {
	t.Parallel()
	h := startHost(t, enginetest.Network(t), map[string]string{"host": "0.0.0.0", "insecure": "true"})
	h.explainFailure(t)
	closed, caller := h.spec(t, "echo"), h.spec(t, "caller")
	closed.Annotations = &map[string]string{
		function.KeyExpose: function.ExposeRoutes, "com.openfaas.host": closed.Service + ".example.org",
		"com.openfaas.route.r" + closed.Service: `Path("/r/` + closed.Service + `") -> setPath("/")`,
	}
	h.deploy(t, closed)
	h.deploy(t, caller)
	name, encoded := closed.Service, "%65"+strings.TrimPrefix(closed.Service, "e")
	unknown := h.get(t, "/function/unknown")
	for _, path := range []string{
		"/function/" + name, "/function/" + name + "/", "/function/" + name + "." + defaultNS, "/function/" + name + "." + defaultNS + "/a/b",
		"/function/" + name + "?describe=1", "/function/" + encoded, "/function/" + name + "/../" + name, "/function/" + name + "%2e" + defaultNS,
		"/function/./" + name, "//function/" + name, "/function/" + strings.ToUpper(name), "/function/" + name + "/admin",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
			got := h.do(t, request{method: method, path: path, header: map[string]string{"X-Forwarded-For": "172.18.0.9"}})
			got.wants(t, http.StatusNotFound)
		}
	}
	got := h.get(t, "/function/"+name)
	if want := strings.ReplaceAll(unknown.body, "unknown", name); got.body != want || len(got.Header) != len(unknown.Header) {
		t.Errorf("got %q %v, which tells it from a function that is not there: %q %v", got.body, got.Header, want, unknown.Header)
	}
	h.do(t, request{method: http.MethodPost, path: "/", body: "by host", host: name + ".example.org"}).wants(t, http.StatusOK, "by host")
	h.do(t, request{method: http.MethodPost, path: "/r/" + name, body: "by rule"}).wants(t, http.StatusOK, "by rule")
	gateway := docker(t, "network", "inspect", h.network, "--format", "{{(index .IPAM.Config 0).Gateway}}")
	for _, path := range []string{"/function/" + name, "/function/" + name + "." + defaultNS} {
		inside := h.do(t, request{method: http.MethodPost, path: "/function/" + caller.Service, body: "by function", header: map[string]string{
			"X-Method": http.MethodPost, "X-Url": "http://" + gateway + ":" + portOf(h.url) + path,
		}})
		inside.wants(t, http.StatusOK, "200 by function")
	}
	// Opened again, and closed, within the deployment's own answer.
	for _, step := range []struct {
		expose string
		status int
	}{{function.ExposeEverywhere, http.StatusOK}, {function.ExposeRoutes, http.StatusNotFound}} {
		(*closed.Annotations)[function.KeyExpose] = step.expose
		if _, err := h.sdk.Update(t.Context(), closed); err != nil {
			t.Fatal(err)
		}
		h.get(t, "/function/"+name).wants(t, step.status)
	}
	(*closed.Annotations)[function.KeyExpose] = "rotues"
	h.send(t, http.MethodPut, "/system/functions", closed).wants(t, http.StatusBadRequest, function.KeyExpose, "want routes or everywhere")
}

func TestDoors_AClosedFunctionIsNotNamedByGRPC(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "talker")
	spec.Annotations = &map[string]string{function.KeyExpose: function.ExposeRoutes}
	h.deploy(t, spec)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	call := func(ctx context.Context, authority string) codes.Code {
		_, err := testpb.NewTestServiceClient(h.dialGRPC(t, authority)).EmptyCall(ctx, &testpb.Empty{})
		return grpcstatus.Code(err)
	}
	named := func(name string) context.Context { return metadata.AppendToOutgoingContext(ctx, "x-function", name) }
	for what, got := range map[string]codes.Code{
		"authority":                  call(ctx, spec.Service+"."+defaultNS),
		"authority with more":        call(ctx, spec.Service+"."+defaultNS+".example.org"),
		"metadata":                   call(named(spec.Service), "localhost"),
		"metadata with namespace":    call(named(spec.Service+"."+defaultNS), "localhost"),
		"metadata against authority": call(named(spec.Service), "other."+defaultNS),
	} {
		if got != codes.Unimplemented {
			t.Errorf("%s: got %s, want what a function that is not there gets", what, got)
		}
	}
	health := func() codes.Code {
		_, err := healthpb.NewHealthClient(h.dialGRPC(t, "localhost")).Check(ctx, &healthpb.HealthCheckRequest{Service: spec.Service})
		return grpcstatus.Code(err)
	}
	if got := health(); got != codes.NotFound {
		t.Errorf("its health: got %s, want what a function that is not there gets", got)
	}
	(*spec.Annotations)[function.KeyExpose] = function.ExposeEverywhere
	if _, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if got := health(); got != codes.OK {
		t.Errorf("the health of an open one: got %s", got)
	}
	if got := call(named(spec.Service), "localhost"); got != codes.OK {
		t.Errorf("open: got %s", got)
	}
}

func TestDoors_CredentialsAreAskedForOnEveryWay(t *testing.T) {
	t.Parallel()
	h := patient(t)
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("k1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := h.spec(t, "echo")
	spec.Annotations = &map[string]string{
		function.KeyAuth: `apiKey("X-Api-Key", "` + keys + `")`, "com.openfaas.host": spec.Service + ".example.org",
		"com.openfaas.route.r" + spec.Service: `Path("/r/` + spec.Service + `") -> setPath("/")`,
		"com.openfaas.route.v" + spec.Service: `Path("/v/` + spec.Service + `") -> setRequestHeader("X-Api-Key", "k1") -> setPath("/")`,
		"com.openfaas.route.p" + spec.Service: `Path("/p/` + spec.Service + `") -> setPath("/") -> "function:` + spec.Service + `@previous"`,
	}
	h.deploy(t, spec)
	key := map[string]string{"X-Api-Key": "k1"}
	for _, r := range []request{
		{path: "/function/" + spec.Service}, {path: "/function/" + spec.Service + "." + defaultNS + "/x"}, {path: "/function/%65" + spec.Service[1:]},
		{path: "/", host: spec.Service + ".example.org"}, {path: "/r/" + spec.Service}, {path: "/p/" + spec.Service},
	} {
		r.method, r.body = http.MethodPost, "hello"
		h.do(t, r).wants(t, http.StatusUnauthorized)
		r.header = map[string]string{"X-Api-Key": "k2"}
		h.do(t, r).wants(t, http.StatusUnauthorized)
		r.header = key
		h.do(t, r).wants(t, http.StatusOK, "hello")
	}
	h.do(t, request{method: http.MethodPost, path: "/v/" + spec.Service, body: "the rule has the key"}).wants(t, http.StatusOK)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, err := testpb.NewTestServiceClient(h.dialGRPC(t, spec.Service+"."+defaultNS)).EmptyCall(ctx, &testpb.Empty{})
	if got := grpcstatus.Code(err); got != codes.Unauthenticated {
		t.Errorf("a gRPC call without credentials: got %s, %v", got, err)
	}
	(*spec.Annotations)[function.KeyAuth] = `apiKey("X-Api-Key", "/does/not/exist")`
	h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusBadRequest, function.KeyAuth)
	(*spec.Annotations)[function.KeyAuth] = ""
	h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusBadRequest, function.KeyAuth, "empty")
	delete(*spec.Annotations, function.KeyAuth)
	if _, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK)
}
