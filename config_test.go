package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestReadConfig_Defaults(t *testing.T) {
	c, err := readConfig(env("HOME", "/home/alex"))
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
		{"function_namespace", "Dev"}, {"trusted_proxies", "10.0.0.1"}, {"info_shape", "round"}, {"max_idle_conns", "-1"},
		{"routes_ignore_trailing_slash", "perhaps"}, {"stall_timeout", "0"}, {"max_request_header", "0"},
		{"max_request_header", "4095"}, {"max_request_header", "17Mi"}, {"max_request_body", "-1"}, {"max_request_body", "much"},
	}
	for _, pair := range tests {
		_, err := readConfig(env(pair...))
		if err == nil || !strings.HasPrefix(err.Error(), pair[0]+"=") || !strings.Contains(err.Error(), pair[1]) {
			t.Errorf("%s=%s: got %v, want an error with the name and the value", pair[0], pair[1], err)
		}
	}
}

func TestReadConfig_Durations(t *testing.T) {
	for text, want := range map[string]time.Duration{"90": 90 * time.Second, "1m30s": 90 * time.Second, "250ms": 250 * time.Millisecond} {
		c, err := readConfig(env("upstream_timeout", text))
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
	}
	for _, test := range tests {
		if _, err := readConfig(env(test.env...)); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestHelp_NamesEveryVariable(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, env(), &out, &out); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, v := range new(config).variables(env()) {
		if !strings.Contains(out.String(), "  "+v.name+" ") {
			t.Errorf("--help does not name %s", v.name)
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
		if code := run(t.Context(), test.args, env(test.env...), &out, &out); code != test.code || !strings.Contains(out.String(), test.text) {
			t.Errorf("%s: exit code %d, %q", test.name, code, out.String())
		}
	}
}
