package main

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"faas-docker/engine/enginetest"
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
