package app

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func env(pairs ...string) Environment {
	return func(name string) (value string, set bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestReadConfig_Defaults(t *testing.T) {
	c, err := ReadConfig(env("HOME", "/home/alex"))
	if err != nil {
		t.Fatal(err)
	}
	if c.address() != "127.0.0.1:8080" || c.functionNamespace != "openfaas-fn" || c.functionNetwork != "faas-docker" || c.upstreamTimeout != time.Minute {
		t.Errorf("defaults: %+v", c)
	}
}

func TestReadConfig_RefusesBadValuesByName(t *testing.T) {
	tests := [][]string{
		{"port", "abc"}, {"port", "70000"}, {"host", "example.com"}, {"upstream_timeout", "soon"},
		{"upstream_timeout", "-1s"}, {"wake_timeout", "0"}, {"basic_auth", "maybe"}, {"pull_policy", "sometimes"},
		{"log_level", "loud"}, {"log_format", "xml"}, {"function_network", "bridge"}, {"function_network", "a b"},
		{"function_namespace", "Dev"}, {"trusted_proxies", "10.0.0.1"}, {"info_shape", "round"}, {"underscores_in_headers", "off"}, {"max_idle_conns", "-1"},
		{"published_on", "example.com"}, {"published_on", "127.0.0.1:8080"},
		{"routes_ignore_trailing_slash", "perhaps"}, {"stall_timeout", "0"}, {"max_request_header", "0"},
		{"max_request_header", "4095"}, {"max_request_header", "17Mi"}, {"max_spool", "-1"}, {"max_spool", "much"}, {"max_request_body", "-1"}, {"max_request_body", "much"},
		{"allowed_hosts", "http://faas"}, {"allowed_hosts", "[::1"}, {"allowed_clients", "10.0.0.0/33"}, {"allowed_clients", "gate way"},
		{"allowed_clients", "gateway:80"}, {"allowed_origins", "127.0.0.1:8081"}, {"allowed_origins", "http://faas/ui/"}, {"metrics_auth", "perhaps"},
	}
	for _, pair := range tests {
		_, err := ReadConfig(env(pair...))
		if err == nil || !strings.HasPrefix(err.Error(), pair[0]+"=") || !strings.Contains(err.Error(), pair[1]) {
			t.Errorf("%s=%s: got %v, want an error with the name and the value", pair[0], pair[1], err)
		}
	}
}

func TestReadConfig_Durations(t *testing.T) {
	for text, want := range map[string]time.Duration{"90": 90 * time.Second, "1m30s": 90 * time.Second, "250ms": 250 * time.Millisecond} {
		c, err := ReadConfig(env("upstream_timeout", text))
		if err != nil || c.upstreamTimeout != want {
			t.Errorf("upstream_timeout=%s is %v, %v; want %v", text, c.upstreamTimeout, err, want)
		}
	}
}

func TestReadConfig_RefusesAnOpenDoor(t *testing.T) {
	tests := []struct {
		name string
		env  []string
		ok   bool
	}{
		{"everywhere without credentials", []string{"host", "0.0.0.0"}, false},
		{"a LAN address without credentials", []string{"host", "192.168.1.2"}, false},
		{"everywhere with credentials", []string{"host", "0.0.0.0", "basic_auth", "true"}, true},
		{"everywhere, insecure on purpose", []string{"host", "0.0.0.0", "insecure", "true"}, true},
		{"loopback", []string{"host", "127.0.0.1"}, true},
		{"loopback, version 6", []string{"host", "::1"}, true},
		{"localhost", []string{"host", "localhost"}, true},
		{"published on loopback", []string{"host", "0.0.0.0", "published_on", "127.0.0.1"}, true},
		{"published on all of loopback", []string{"host", "0.0.0.0", "published_on", "127.8.9.1"}, true},
		{"published on loopback, version 6", []string{"host", "0.0.0.0", "published_on", "[::1]"}, true},
		{"published everywhere without credentials", []string{"host", "0.0.0.0", "published_on", "0.0.0.0"}, false},
		{"published everywhere, version 6", []string{"host", "0.0.0.0", "published_on", "[::]"}, false},
		{"published on a LAN address without credentials", []string{"host", "0.0.0.0", "published_on", "192.168.1.2"}, false},
		{"published on a LAN address, on loopback inside", []string{"host", "127.0.0.1", "published_on", "192.168.1.2"}, false},
		{"published on a link-local address", []string{"host", "0.0.0.0", "published_on", "fe80::1"}, false},
		{"published everywhere with credentials", []string{"host", "0.0.0.0", "published_on", "0.0.0.0", "basic_auth", "true"}, true},
		{"published everywhere, insecure on purpose", []string{"host", "0.0.0.0", "published_on", "0.0.0.0", "insecure", "true"}, true},
	}
	for _, test := range tests {
		if _, err := ReadConfig(env(test.env...)); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestHelp_NamesEveryVariable(t *testing.T) {
	var out bytes.Buffer
	if code := Run(t.Context(), []string{"--help"}, env(), &out, &out); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if len(Variables(env())) < 20 {
		t.Fatalf("only %d variables are known", len(Variables(env())))
	}
	for _, v := range Variables(env()) {
		if !strings.Contains(out.String(), "  "+v.Name+" ") {
			t.Errorf("--help does not name %s", v.Name)
		}
	}
}

func TestRun_SaysWhatIsWrongAndStops(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  []string
		code int
		text string
	}{
		{"bad variable", nil, []string{"port", "x"}, 2, `port="x"`},
		{"unknown command", []string{"dance"}, nil, 1, "dance"},
		{"unhealthy", []string{"healthcheck"}, []string{"port", "1"}, 1, "health check"},
	}
	for _, test := range tests {
		var out bytes.Buffer
		if code := Run(t.Context(), test.args, env(test.env...), &out, &out); code != test.code || !strings.Contains(out.String(), test.text) {
			t.Errorf("%s: exit code %d, %q", test.name, code, out.String())
		}
	}
}
