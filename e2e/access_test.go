package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"faas-docker/engine/enginetest"
	"faas-docker/wire/wiretest"
)

// systemRoutes are all routes that must stand behind a guard.
func systemRoutes() []request {
	var routes []request
	for path, methods := range map[string]string{
		"/system/functions":            "GET POST PUT DELETE",
		"/system/function/echo":        "GET",
		"/system/scale-function/echo":  "POST",
		"/system/alert":                "POST",
		"/system/info":                 "GET",
		"/system/secrets":              "GET POST PUT DELETE",
		"/system/logs?name=echo":       "GET",
		"/system/namespaces":           "GET",
		"/system/routes":               "GET PUT",
		"/system/routes/shop":          "GET PUT DELETE",
		"/system/namespace/":           "POST",
		"/system/namespace/dev":        "GET POST PUT DELETE",
		"/system/namespace/dev?x=/../": "DELETE",
	} {
		for method := range strings.FieldsSeq(methods) {
			routes = append(routes, request{method: method, path: path, body: `{}`})
		}
	}
	return routes
}

func TestAccess_EverySystemRouteAsksForCredentials(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, content := range map[string]string{"basic-auth-user": "admin\n", "basic-auth-password": "pass word:1\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := startHost(t, enginetest.Network(t), map[string]string{"basic_auth": "true", "secret_mount_path": folder})
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	for _, tc := range []struct {
		name, authorization string
		open                bool
	}{
		{"none", "", false},
		{"wrong password", basic("admin:wrong"), false},
		{"wrong user", basic("root:pass word:1"), false},
		{"empty", basic(":"), false},
		{"no base64", "Basic §", false},
		{"bearer", "Bearer ", false},
		{"right", basic("admin:pass word:1"), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, r := range systemRoutes() {
				if tc.authorization != "" {
					r.header = map[string]string{"Authorization": tc.authorization}
				}
				got := h.do(t, r)
				if (got.StatusCode != http.StatusUnauthorized) != tc.open {
					t.Errorf("%s %s: status %d", r.method, r.path, got.StatusCode)
				}
				if !tc.open && (got.body != "invalid credentials" || got.Header.Get("WWW-Authenticate") != `Basic realm="Restricted"`) {
					t.Errorf("%s %s: %q, %v", r.method, r.path, got.body, got.Header)
				}
			}
		})
	}
	for name, header := range map[string]map[string]string{
		"page of another site":   {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
		"old browser":            {"Origin": "https://evil.example"},
		"page of a function":     {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Origin": h.url},
		"form of a function":     {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Origin": h.url},
		"page in an old browser": {"Origin": h.url, "Referer": h.url + "/ui/"},
	} {
		header["Authorization"] = basic("admin:pass word:1")
		for _, r := range systemRoutes() {
			if r.method == http.MethodGet && header["Sec-Fetch-Dest"] == "document" {
				continue // it is shown to the user, and to no page
			}
			r.header = header
			got := h.do(t, r)
			if got.StatusCode != http.StatusForbidden || !strings.HasPrefix(got.Header.Get("Content-Security-Policy"), "sandbox") {
				t.Errorf("%s: %s %s: status %d, %v", name, r.method, r.path, got.StatusCode, got.Header)
			}
		}
	}
	for _, open := range []struct {
		path   string
		status int
	}{{"/healthz", 200}, {"/metrics", 200}, {"/function/nobody-knows-it", 404}} {
		h.get(t, open.path).wants(t, open.status)
	}
}

func TestAccess_WithoutCredentialsOnlyThisMachineMayEnter(t *testing.T) {
	t.Parallel()
	h := patient(t)
	const host = "evil.example"
	for _, tc := range []struct {
		name   string
		r      request
		status int
	}{
		{"name that was bent to point here", request{method: http.MethodGet, path: "/system/functions", host: host}, http.StatusForbidden},
		{"the same with a port", request{method: http.MethodGet, path: "/system/functions", host: host + ":8080"}, http.StatusForbidden},
		{"page of another site", request{method: http.MethodPost, path: "/system/functions", header: map[string]string{"Origin": "http://" + host}}, http.StatusForbidden},
		{"the same in a newer browser", request{method: http.MethodDelete, path: "/system/functions", header: map[string]string{"Sec-Fetch-Site": "cross-site"}}, http.StatusForbidden},
		{"page of another port", request{method: http.MethodPost, path: "/system/namespace/", header: map[string]string{"Sec-Fetch-Site": "same-site"}}, http.StatusForbidden},
		{"page of a function", request{method: http.MethodPost, path: "/system/functions", header: map[string]string{"Sec-Fetch-Site": "same-origin", "Referer": h.url + "/function/evil/"}}, http.StatusForbidden},
		{"page of a function without TLS", request{method: http.MethodDelete, path: "/system/functions", header: map[string]string{"Origin": h.url}}, http.StatusForbidden},
		{"page of a function that reads", request{method: http.MethodGet, path: "/system/functions", header: map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}}, http.StatusForbidden},
		{"address that the user has typed", request{method: http.MethodGet, path: "/system/functions", header: map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}}, http.StatusOK},
		{"malformed host", request{method: http.MethodGet, path: "/system/functions", host: "[::1]evil.example"}, http.StatusBadRequest},
		{"localhost", request{method: http.MethodGet, path: "/system/functions", host: "localhost:8080"}, http.StatusOK},
		{"loopback of IPv6", request{method: http.MethodGet, path: "/system/functions", host: "[::1]:8080"}, http.StatusOK},
		{"function under another name", request{method: http.MethodGet, path: "/function/nobody-knows-it", host: host}, http.StatusNotFound},
		{"function from another page", request{method: http.MethodPost, path: "/function/nobody-knows-it", header: map[string]string{"Origin": "http://" + host}}, http.StatusNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.do(t, tc.r).wants(t, tc.status)
		})
	}
}

func TestAccess_FunctionMayNotControlTheProvider(t *testing.T) {
	t.Parallel()
	h := startHost(t, enginetest.Network(t), map[string]string{"host": "0.0.0.0", "insecure": "true"})
	spec := h.spec(t, "caller")
	h.deploy(t, spec)
	gateway := docker(t, "network", "inspect", h.network, "--format", "{{(index .IPAM.Config 0).Gateway}}")
	port := portOf(h.url)
	for _, tc := range []struct {
		name, method, path, host, want string
	}{
		{"list", http.MethodGet, "/system/functions", "localhost", "403 "},
		{"list by address", http.MethodGet, "/system/functions", gateway, "403 "},
		{"deploy", http.MethodPost, "/system/functions", "localhost", "403 "},
		{"namespace", http.MethodDelete, "/system/namespace/dev", "127.0.0.1", "403 "},
		{"another function", http.MethodGet, "/function/nobody-knows-it", gateway, "404 "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := h.do(t, request{method: http.MethodPost, path: "/function/" + spec.Service, header: map[string]string{
				"X-Method": tc.method, "X-Host": tc.host, "X-Url": "http://" + gateway + ":" + port + tc.path,
			}}).wants(t, http.StatusOK).body
			if !strings.HasPrefix(got, tc.want) {
				t.Errorf("the function was answered %q, want %q", got, tc.want)
			}
		})
	}
}

// intruder is a container beside a provider's functions, which calls what it is told to
// and is called past the provider.
type intruder struct {
	url    string
	client *http.Client
	remove func()
	// id is the container's, address what it has on its network.
	id, address string
}

// intrude starts a container on a network that exists.
func intrude(t *testing.T, network string) intruder {
	t.Helper()
	id := docker(t, "run", "-d", "--network", network, image(t, "caller"))
	remove := sync.OnceFunc(func() {
		if _, err := runDocker(context.Background(), "rm", "-f", id); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(remove)
	address := docker(t, "inspect", id, "--format", `{{(index .NetworkSettings.Networks "`+network+`").IPAddress}}`)
	in := intruder{id: id, address: address, url: "http://" + address + ":8080/", client: &http.Client{Transport: &http.Transport{}, Timeout: soon}, remove: remove}
	t.Cleanup(in.client.CloseIdleConnections)
	eventually(t, "the intruder listens", func() (bool, string) {
		_, err := in.try(t.Context(), http.MethodGet, "http://127.0.0.1:8080/_/health", "localhost")
		return err == nil, fmt.Sprint(err)
	})
	return in
}

// try has the container call somebody; the answer is "<status> <body>" or "none <error>".
func (in intruder) try(ctx context.Context, method, target, host string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, in.url, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("X-Method", method)
	request.Header.Set("X-Url", target)
	request.Header.Set("X-Host", host)
	response, err := in.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// hammer calls somebody until the returned function is called, which counts the answers
// by their first word.
func (in intruder) hammer(t *testing.T, target string) (stop func() map[string]int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	counts, ended := map[string]int{}, make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if got, err := in.try(ctx, http.MethodGet, target, "localhost"); err == nil {
				word, _, _ := strings.Cut(got, " ")
				counts[word]++
			}
		}
	}()
	stop = sync.OnceValue(func() map[string]int {
		cancel()
		<-ended
		return counts
	})
	t.Cleanup(func() { stop() })
	return stop
}

// freePort is a port that a provider can be started on again and again.
func freePort(t *testing.T) string {
	t.Helper()
	return portOf(wiretest.Vacant(t, "0.0.0.0").String()) // it may listen on every address
}

func gatewaysOn(t *testing.T, network string) []string {
	t.Helper()
	return strings.Fields(docker(t, "network", "inspect", network, "--format", "{{range .IPAM.Config}}{{.Gateway}} {{end}}"))
}

func TestAccess_FunctionNeverEntersWhileTheProviderStarts(t *testing.T) {
	t.Parallel()
	network, dataDir, port := enginetest.Network(t), t.TempDir(), freePort(t)
	settings := []string{"host=0.0.0.0", "insecure=true", "port=" + port, "netns_pool=0"}
	c := spawn(t, network, dataDir, settings...)
	healthy := func() (bool, string) {
		got, err := c.try(t.Context(), request{method: http.MethodGet, path: "/healthz"})
		return err == nil && got.StatusCode == http.StatusOK, got.body
	}
	eventually(t, "the network is there", healthy)
	in := intrude(t, network)
	target := "http://" + gatewaysOn(t, network)[0] + ":" + port + "/system/functions"
	stop := in.hammer(t, target)
	for range 3 {
		c.kill()
		c = spawn(t, network, dataDir, settings...)
		c.get(t, "/system/functions").wants(t, http.StatusOK) // this machine enters at once
		eventually(t, "the provider knows functions", func() (bool, string) {
			got, err := in.try(t.Context(), http.MethodGet, target, "localhost")
			return err == nil && strings.HasPrefix(got, "403 functions may not"), got
		})
	}
	counts := stop()
	for answer, count := range counts {
		if answer != "none" && answer != "403" && answer != "503" {
			t.Errorf("the function was answered %s, %d times", answer, count)
		}
	}
	if counts["403"]+counts["503"]+counts["none"] < 10 {
		t.Errorf("got %v: the function has not called throughout", counts)
	}
}

func TestAccess_FunctionStaysOutWhileTheEngineIsSilent(t *testing.T) {
	t.Parallel()
	g, network := openGate(t), enginetest.Network(t)
	docker(t, "network", "create", "--label", "com.openfaas.provider="+network, network)
	in := intrude(t, network)
	g.close()
	c := spawn(t, network, t.TempDir(), "host=0.0.0.0", "insecure=true", "netns_pool=0", g.environment())
	c.get(t, "/system/functions").wants(t, http.StatusOK)
	target := "http://" + gatewaysOn(t, network)[0] + ":" + portOf(c.url) + "/system/functions"
	enter := func(want string) {
		t.Helper()
		got, err := in.try(t.Context(), http.MethodGet, target, "localhost")
		if err != nil || !strings.HasPrefix(got, want) {
			t.Fatalf("the function was answered %q, %v, want %q", got, err, want)
		}
	}
	enter("503 the provider is starting")
	g.open(t)
	eventually(t, "the networks are known", func() (bool, string) {
		got, err := in.try(t.Context(), http.MethodGet, target, "localhost")
		return err == nil && strings.HasPrefix(got, "403 functions may not"), got
	})
	g.close()
	enter("403 functions may not")
}

func TestAccess_FollowsTheFunctionNetwork(t *testing.T) {
	t.Parallel()
	network := enginetest.Network(t)
	// allowed_clients names every address: functions stay outside all the same.
	h := startHost(t, network, map[string]string{"host": "::", "insecure": "true", "netns_pool": "0", "allowed_clients": "0.0.0.0/0,::/0"})
	port := portOf(h.url)
	for gateways, subnets := range map[int][]string{
		1: {"--subnet", "10.213.77.0/24"},
		3: {"--ipv6", "--subnet", "10.213.78.0/24", "--subnet", "fd00:213:78::/64"},
	} {
		docker(t, "network", "rm", network)
		docker(t, append([]string{"network", "create", "--label", "com.openfaas.provider=" + network, network}, subnets...)...)
		in := intrude(t, network)
		targets := strings.Fields(docker(t, "inspect", in.id, "--format", "{{range .NetworkSettings.Networks}}{{.Gateway}} {{.IPv6Gateway}}{{end}}"))
		if len(targets) == 2 {
			targets = append(targets, "fe80::1%25eth0")
		}
		if len(targets) != gateways {
			t.Fatalf("the network of %v has the gateways %v", subnets, targets)
		}
		for _, gateway := range targets {
			target := "http://" + net.JoinHostPort(gateway, port) + "/system/functions"
			eventually(t, gateway+" refuses", func() (bool, string) {
				got, err := in.try(t.Context(), http.MethodGet, target, "localhost")
				if strings.HasPrefix(got, "200") {
					t.Fatalf("a function entered by %s", gateway)
				}
				return err == nil && strings.HasPrefix(got, "403 functions may not"), got
			})
		}
		h.get(t, "/system/functions").wants(t, http.StatusOK)
		in.remove()
	}
}
