package handlers

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

// row is one call with the answer that clients of OpenFaaS expect.
type row struct {
	name    string
	scene   func(*scene)
	request string
	body    string

	status int
	header map[string]string
	// answer is the whole body; with a trailing "…" its beginning.
	answer string
	// log must be part of the log; empty means that nothing may be logged.
	log string
}

func runRows(t *testing.T, rows []row) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newScene()
			if row.scene != nil {
				row.scene(s)
			}
			w := s.call(t, row.request, row.body)
			if w.Code != row.status {
				t.Errorf("got status %d, want %d", w.Code, row.status)
			}
			for key, want := range row.header {
				if got := w.Header().Get(key); got != want {
					t.Errorf("got header %s: %q, want %q", key, got, want)
				}
			}
			checkText(t, "body", w.Body.String(), row.answer)
			if got := s.log.String(); !strings.Contains(got, row.log) || (row.log == "") != (got == "") {
				t.Errorf("got log %q, want %q in it", got, row.log)
			}
		})
	}
}

func checkText(t *testing.T, what, got, want string) {
	t.Helper()
	if start, cut := strings.CutSuffix(want, "…"); cut {
		if !strings.HasPrefix(got, start) {
			t.Errorf("got %s %q, want it to begin with %q", what, got, start)
		}
		return
	}
	if got != want {
		t.Errorf("got %s %q, want %q", what, got, want)
	}
}

// The answers of fakes that do one thing.

func creates(ready bool, err error) func(*scene) {
	return func(s *scene) { s.fleet.create = func(function.Spec) (bool, error) { return ready, err } }
}

func updates(ready bool, err error) func(*scene) {
	return func(s *scene) { s.fleet.update = func(function.Spec) (bool, error) { return ready, err } }
}

func deletes(err error) func(*scene) {
	return func(s *scene) { s.fleet.delete = func(function.Name) error { return err } }
}

func scales(err error) func(*scene) {
	return func(s *scene) { s.fleet.scale = func(function.Name, int) error { return err } }
}

// knows has one function, figlet, in the default namespace.
func knows(s *scene) {
	s.fleet.status = func(name function.Name) (function.Status, error) {
		if name != (function.Name{Name: "figlet", Namespace: function.DefaultNamespace}) {
			return function.Status{}, function.UnknownFunction(name)
		}
		status := function.Status{Load: function.Load{Ready: 1, Invocations: 7}}
		status.Spec = function.Spec{Name: name.Name, Namespace: name.Namespace, Image: "figlet:1"}
		status.Replicas = 2
		status.CreatedAt = time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
		status.Reason = "replica 2 of 2 is starting"
		return status, nil
	}
}

const (
	figlet       = `{"service":"figlet","image":"figlet:1"}`
	figletStatus = `{"name":"figlet","image":"figlet:1","namespace":"openfaas-fn","labels":{"faas_function":"figlet"},"annotations":{},` +
		`"invocationCount":7,"replicas":2,"availableReplicas":1,"createdAt":"2026-01-31T08:00:00Z"`
	figletReason = `,"reason":"replica 2 of 2 is starting"}`
)

func TestFunctions_AnswerAsTheContractSays(t *testing.T) {
	t.Parallel()
	unknown := function.UnknownFunction(function.Name{Name: "figlet", Namespace: "openfaas-fn"})
	slow := &function.Failure{Kind: function.ErrUnavailable, Text: "registry unreachable", Cause: errors.New("dial tcp: refused"), RetryAfter: 1500 * time.Millisecond}
	plain := map[string]string{"Content-Type": "text/plain; charset=utf-8"}
	runRows(t, []row{
		{name: "deploy, image in place", scene: creates(true, nil), request: "POST /system/functions", body: figlet, status: 202},
		{name: "deploy, image being fetched", scene: creates(false, nil), request: "POST /system/functions", body: figlet, status: 202, header: plain,
			answer: "the image is still being fetched: GET /system/function/figlet?namespace=openfaas-fn tells when the function is ready\n"},
		{name: "deploy, exists", scene: creates(false, function.Conflict(`function "figlet" exists: update it`)), request: "POST /system/functions", body: figlet,
			status: 409, header: plain, answer: "function \"figlet\" exists: update it\n", log: "[DEBUG] request refused: method=POST path=/system/functions status=409"},
		{name: "deploy, not valid", request: "POST /system/functions", body: `{"service":"Figlet","image":"x"}`,
			status: 400, header: plain, answer: `service: "Figlet": want lower-case…`, log: "[DEBUG] request refused"},
		{name: "deploy, missing secret", scene: creates(false, function.Invalid("secrets[0]", "%q does not exist", "key")), request: "POST /system/functions", body: figlet,
			status: 400, answer: "secrets[0]: \"key\" does not exist\n", log: "status=400"},
		{name: "deploy, registry away", scene: creates(false, slow), request: "POST /system/functions", body: figlet,
			status: 503, header: map[string]string{"Retry-After": "2"}, answer: "registry unreachable\n",
			log: `[WARN]  request failed: method=POST path=/system/functions status=503 err="registry unreachable" cause="dial tcp: refused"`},
		{name: "update, image in place", scene: updates(true, nil), request: "PUT /system/functions", body: figlet, status: 200},
		{name: "update, image being fetched", scene: updates(false, nil), request: "PUT /system/functions", body: figlet, status: 202, answer: "the image is still…"},
		{name: "update, new", scene: updates(false, unknown), request: "PUT /system/functions", body: figlet,
			status: 404, answer: "function \"figlet\" is not deployed in namespace \"openfaas-fn\"\n", log: "status=404"},
		{name: "delete", scene: deletes(nil), request: "DELETE /system/functions", body: `{"functionName":"figlet"}`, status: 202},
		{name: "delete, unknown", scene: deletes(unknown), request: "DELETE /system/functions", body: `{"functionName":"figlet"}`, status: 404, answer: "function \"figlet\" is not…", log: "status=404"},
		{name: "delete, empty name", request: "DELETE /system/functions", body: `{"functionName":""}`, status: 400,
			answer: "functionName: missing: want the name of the function to delete\n", log: "status=400"},
		{name: "delete, no body", request: "DELETE /system/functions", status: 400, answer: "body: missing: want a JSON object\n", log: "status=400"},
		{name: "list, empty", scene: func(s *scene) { s.fleet.list = func(string) []function.Status { return nil } },
			request: "GET /system/functions?namespace=nobody", status: 200, header: map[string]string{"Content-Type": "application/json"}, answer: "[]"},
		{name: "status", scene: knows, request: "GET /system/function/figlet", status: 200,
			header: map[string]string{"Content-Type": "application/json"}, answer: figletStatus + figletReason},
		{name: "status, gateway's usage=false", scene: knows, request: "GET /system/function/figlet?namespace=openfaas-fn&usage=false", status: 200, answer: figletStatus + figletReason},
		{name: "status with usage", scene: func(s *scene) {
			knows(s)
			s.engine.usage = func() (function.Usage, error) { return function.Usage{Millicores: 12, MemoryBytes: 4096}, nil }
		}, request: "GET /system/function/figlet?usage=1", status: 200, answer: figletStatus + `,"usage":{"cpu":12,"totalMemoryBytes":4096}` + figletReason},
		{name: "status, usage cannot be measured", scene: func(s *scene) {
			knows(s)
			s.engine.usage = func() (function.Usage, error) { return function.Usage{}, errors.New("stats: gone") }
		}, request: "GET /system/function/figlet?usage=true", status: 200, answer: figletStatus + figletReason,
			log: `[WARN]  usage not measured: function=figlet.openfaas-fn err="stats: gone"`},
		{name: "status, unknown", scene: knows, request: "GET /system/function/nobody", status: 404, answer: "function \"nobody\" is not…", log: "status=404"},
		{name: "status, other namespace", scene: knows, request: "GET /system/function/figlet.dev", status: 404, answer: "function \"figlet\" is not deployed in namespace \"dev\"\n", log: "status=404"},
		{name: "scale", scene: scales(nil), request: "POST /system/scale-function/figlet", body: `{"serviceName":"figlet","replicas":3}`, status: 202},
		{name: "scale, unknown", scene: scales(unknown), request: "POST /system/scale-function/figlet", body: `{"replicas":0}`, status: 404, answer: "function \"figlet\"…", log: "status=404"},
		{name: "scale, count missing", request: "POST /system/scale-function/figlet", body: `{"serviceName":"figlet"}`, status: 400, answer: "replicas: missing: want a whole number from 0 to 1000\n", log: "status=400"},
		{name: "scale, negative", request: "POST /system/scale-function/figlet", body: `{"replicas":-1}`, status: 400, answer: "replicas: -1: want…", log: "status=400"},
		{name: "scale, too many", request: "POST /system/scale-function/figlet", body: `{"replicas":1001}`, status: 400, answer: "replicas: 1001: want…", log: "status=400"},
		{name: "scale, half", request: "POST /system/scale-function/figlet", body: `{"replicas":1.5}`, status: 400, answer: "replicas: found JSON number where a whole number is wanted\n", log: "status=400"},
		{name: "scale, in words", request: "POST /system/scale-function/figlet", body: `{"replicas":"2"}`, status: 400, answer: "replicas: found JSON string where a whole number is wanted\n", log: "status=400"},
	})
}

func TestSecrets_AnswerAsTheContractSays(t *testing.T) {
	t.Parallel()
	stores := func(err error) func(*scene) {
		return func(s *scene) {
			s.secrets.create = func(function.Secret) error { return err }
			s.secrets.update = func(function.Secret) error { return err }
			s.secrets.delete = func(string, string) error { return err }
			s.fleet.secretChanged = noSecretChange
		}
	}
	gone := stores(function.NotFound(`secret "key" does not exist in namespace "openfaas-fn"`))
	runRows(t, []row{
		{name: "list", scene: func(s *scene) { s.secrets.names = func(string) []string { return []string{"a", "b"} } },
			request: "GET /system/secrets?namespace=dev", status: 200, header: map[string]string{"Content-Type": "application/json"},
			answer: `[{"name":"a","namespace":"dev"},{"name":"b","namespace":"dev"}]`},
		{name: "list, empty", scene: func(s *scene) { s.secrets.names = func(string) []string { return nil } }, request: "GET /system/secrets", status: 200, answer: "[]"},
		{name: "create", scene: stores(nil), request: "POST /system/secrets", body: `{"name":"key","value":"x"}`, status: 201},
		{name: "create, exists", scene: stores(function.Conflict("exists")), request: "POST /system/secrets", body: `{"name":"key","value":"x"}`, status: 409, answer: "exists\n", log: "status=409"},
		{name: "create, no name", request: "POST /system/secrets", body: `{"value":"x"}`, status: 400, answer: `name: "" is not a secret name…`, log: "status=400"},
		{name: "create, path as name", request: "POST /system/secrets", body: `{"name":"../key","value":"x"}`, status: 400, answer: `name: "../key" is not a secret name…`, log: "status=400"},
		{name: "create, path as namespace", request: "POST /system/secrets", body: `{"name":"key","namespace":"../x","value":"x"}`, status: 400, answer: `namespace: "../x"…`, log: "status=400"},
		{name: "create, no value", request: "POST /system/secrets", body: `{"name":"key"}`, status: 400, answer: "value: missing: send…", log: "status=400"},
		{name: "create, not base64", request: "POST /system/secrets", body: `{"name":"key","rawValue":"a*b"}`, status: 400, answer: "rawValue: not base64 at byte 1\n", log: "status=400"},
		{name: "create, value too large", request: "POST /system/secrets", body: `{"name":"key","value":"` + strings.Repeat("x", maxSecret+1) + `"}`, status: 400,
			answer: "value: has 1048577 bytes: at most 1048576 are allowed\n", log: "status=400"},
		{name: "create, functions not reached", scene: func(s *scene) {
			stores(nil)(s)
			s.fleet.secretChanged = failSecretChange
		}, request: "POST /system/secrets", body: `{"name":"key","value":"x"}`, status: 503,
			answer: "secret \"key\" is stored, but running functions still have its old value: internal error…", log: `cause="volume: busy"`},
		{name: "update", scene: stores(nil), request: "PUT /system/secrets", body: `{"name":"key","value":"x"}`, status: 200},
		{name: "update, unknown", scene: gone, request: "PUT /system/secrets", body: `{"name":"key","value":"x"}`, status: 404, answer: "secret \"key\" does not…", log: "status=404"},
		{name: "delete", scene: stores(nil), request: "DELETE /system/secrets", body: `{"name":"key"}`, status: 200},
		{name: "delete, unknown", scene: gone, request: "DELETE /system/secrets", body: `{"name":"key"}`, status: 404, answer: "secret \"key\" does not…", log: "status=404"},
		{name: "other method", request: "PATCH /system/secrets", status: 405, header: map[string]string{"Allow": "GET, POST, PUT, DELETE"}, answer: "method PATCH…", log: "status=405"},
	})
}

func TestNamespaces_AnswerAsTheContractSays(t *testing.T) {
	t.Parallel()
	stores := func(err error) func(*scene) {
		return func(s *scene) {
			s.namespaces.create = func(function.Namespace) error { return err }
			s.namespaces.update = func(function.Namespace) error { return err }
			s.fleet.deleteNamespace = func(string) error { return err }
			s.namespaces.get = func(name string) (function.Namespace, error) {
				return function.Namespace{Name: name, Labels: map[string]string{"openfaas": "1"}}, err
			}
		}
	}
	gone := stores(function.NotFound("no such namespace"))
	runRows(t, []row{
		{name: "list", scene: func(s *scene) { s.namespaces.all = []function.Namespace{{Name: "dev"}, {Name: "openfaas-fn"}} },
			request: "GET /system/namespaces", status: 200, header: map[string]string{"Content-Type": "application/json"}, answer: `["dev","openfaas-fn"]`},
		{name: "list, empty", request: "GET /system/namespaces", status: 200, answer: "[]"},
		{name: "get", scene: stores(nil), request: "GET /system/namespace/dev", status: 200, answer: `{"name":"dev","labels":{"openfaas":"1"}}`},
		{name: "get, unknown", scene: gone, request: "GET /system/namespace/dev", status: 404, answer: "no such namespace\n", log: "status=404"},
		{name: "get, no name", request: "GET /system/namespace/", status: 400, answer: "name: missing…", log: "status=400"},
		{name: "create", scene: stores(nil), request: "POST /system/namespace/", body: `{"name":"dev"}`, status: 201},
		{name: "create, name in path alone", scene: stores(nil), request: "POST /system/namespace/dev", status: 201},
		{name: "create, exists", scene: stores(function.Conflict("exists")), request: "POST /system/namespace/", body: `{"name":"dev"}`, status: 409, answer: "exists\n", log: "status=409"},
		{name: "create, two names", request: "POST /system/namespace/dev", body: `{"name":"prod"}`, status: 400, answer: "name: the path says \"dev\" and the body \"prod\": name one\n", log: "status=400"},
		{name: "create, bad name", request: "POST /system/namespace/", body: `{"name":"De_v"}`, status: 400, answer: `namespace: "De_v"…`, log: "status=400"},
		{name: "create, nothing", request: "POST /system/namespace/", status: 400, answer: "body: missing…", log: "status=400"},
		{name: "update", scene: stores(nil), request: "PUT /system/namespace/dev", body: `{"name":"dev","labels":{"a":"b"}}`, status: 200},
		{name: "update, unknown", scene: gone, request: "PUT /system/namespace/dev", body: `{"name":"dev"}`, status: 404, answer: "no such namespace\n", log: "status=404"},
		{name: "update, nothing", request: "PUT /system/namespace/dev", status: 400, answer: "body: missing…", log: "status=400"},
		{name: "delete", scene: stores(nil), request: "DELETE /system/namespace/dev", body: `{"name":"dev","labels":{"openfaas":"1"}}`, status: 202},
		{name: "delete, unknown", scene: gone, request: "DELETE /system/namespace/dev", status: 404, answer: "no such namespace\n", log: "status=404"},
		{name: "delete, default", request: "DELETE /system/namespace/openfaas-fn", status: 409, answer: `namespace "openfaas-fn" is the default one…`, log: "status=409"},
		{name: "other method", request: "PATCH /system/namespace/dev", status: 405, header: map[string]string{"Allow": "GET, POST, PUT, DELETE"}, answer: "method PATCH…", log: "status=405"},
	})
}

func TestHealth_IsTheEngines(t *testing.T) {
	t.Parallel()
	pings := func(err error) func(*scene) {
		return func(s *scene) { s.engine.ping = func() error { return err } }
	}
	runRows(t, []row{
		{name: "well", scene: pings(nil), request: "GET /healthz", status: 200, answer: "OK"},
		{name: "engine away", scene: pings(function.Unavailable(errors.New("dial"), "is dockerd running?")), request: "GET /healthz", status: 503,
			answer: "is dockerd running?\n", log: "status=503"},
		{name: "engine odd", scene: pings(errors.New("EOF")), request: "GET /healthz", status: 503,
			answer: "the container engine does not answer: see whether its daemon runs\n", log: "cause=EOF"},
	})
	s := newScene()
	pings(nil)(s)
	s.API.Health.Joined = func() bool { return false }
	if got := s.call(t, "GET /healthz", ""); got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "network is not joined") {
		t.Errorf("before the function network is joined: got %d %q", got.Code, got.Body)
	}
	s.API.Health.Joined = func() bool { return true }
	if got := s.call(t, "HEAD /healthz", "").Code; got != http.StatusOK {
		t.Errorf("got %d for HEAD, want 200", got)
	}
}

func TestInfo_ComesInTwoShapes(t *testing.T) {
	t.Parallel()
	const (
		raw    = `{"provider":"faas-docker","version":{"sha":"abc123","release":"1.2.3"},"orchestration":"docker"}`
		direct = `{"provider":` + raw + `,"version":{"sha":"abc123","release":"1.2.3"},"orchestration":"docker","arch":"…`
	)
	for _, test := range []struct {
		name   string
		behind Behind
		host   string // X-Forwarded-Host
		client string // X-Forwarded-For
		want   string
	}{
		{"client, by default", "", "", "", direct},
		{"gateway, by default", "", "gateway:8080", "172.18.0.1:40312", raw},
		{"client", BehindAuto, "", "", direct},
		{"gateway", BehindAuto, "127.0.0.1:8081", "172.18.0.1:40312", raw},
		{"gateway of IPv6", BehindAuto, "[::1]:8081", "[fd00::1]:40312", raw},
		{"nginx", BehindAuto, "faas.example.org", "192.0.2.7", direct},
		{"nginx without X-Forwarded-For", BehindAuto, "faas.example.org", "", direct},
		{"nginx without X-Forwarded-Host", BehindAuto, "", "192.0.2.7", direct},
		{"two proxies", BehindAuto, "faas.example.org", "192.0.2.7, 10.0.0.2", direct},
		{"nginx of IPv6", BehindAuto, "faas.example.org", "2001:db8::7", direct},
		{"nginx before a gateway", BehindAuto, "faas.example.org", "192.0.2.7", direct},
		{"unknown client", BehindAuto, "faas.example.org", "unknown", direct},
		{"port without a host", BehindAuto, "", "192.0.2.7:4711", direct},
		{"proxy that does as the gateway", BehindDirect, "faas.example.org", "192.0.2.7:4711", direct},
		{"always a gateway", BehindGateway, "", "", raw},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScene()
			s.Behind = test.behind
			w, r := newExchange(t, http.MethodGet, "/system/info")
			for key, value := range map[string]string{"X-Forwarded-Host": test.host, "X-Forwarded-For": test.client} {
				if value != "" {
					r.Header.Set(key, value)
				}
			}
			s.routes().ServeHTTP(w, r)
			checkText(t, "body", w.Body.String(), test.want)
		})
	}
}
