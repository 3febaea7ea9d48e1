package handlers

import (
	"strings"
	"testing"
)

func TestParseHost_TakesOnlyWhatIsAHost(t *testing.T) {
	t.Parallel()
	const malformed = "malformed"
	for text, want := range map[string]string{
		"":                        "",
		"localhost":               "localhost",
		"LocalHost:8080":          "localhost",
		"localhost.:8080":         "localhost",
		"localhost:":              "localhost",
		"my_provider:80":          "my_provider",
		"127.0.0.1:8080":          "127.0.0.1",
		"xn--bcher-kva.example":   "xn--bcher-kva.example",
		"[::1]":                   "::1",
		"[::1]:8080":              "::1",
		"[::1]:":                  "::1",
		"[0:0:0:0:0:0:0:1]":       "::1",
		"[::ffff:127.0.0.1]:80":   "::ffff:127.0.0.1",
		"[FD00::5]:65535":         "fd00::5",
		"[::1":                    malformed,
		"::1":                     malformed,
		"::1]":                    malformed,
		"[]":                      malformed,
		"[]:80":                   malformed,
		"[localhost]":             malformed,
		"[127.0.0.1]":             malformed,
		"[::1]evil.example":       malformed,
		"[::1].evil.example":      malformed,
		"[::1]:80:90":             malformed,
		"[::1]:80a":               malformed,
		"[::1]:65536":             malformed,
		"[::1]:00000080":          malformed,
		"[::1%25lo]":              malformed,
		"[::1%lo]:80":             malformed,
		"[[::1]]":                 malformed,
		"a[::1]":                  malformed,
		"a:b":                     malformed,
		"a:80:90":                 malformed,
		"a:-1":                    malformed,
		"a:+80":                   malformed,
		"a: 80":                   malformed,
		"a:65536":                 malformed,
		":8080":                   malformed,
		":":                       malformed,
		".":                       malformed,
		"..":                      malformed,
		".localhost":              malformed,
		"localhost..":             malformed,
		"a..b":                    malformed,
		"localhost@evil.example":  malformed,
		"evil.example@localhost":  malformed,
		"localhost/evil":          malformed,
		"localhost?":              malformed,
		"localhost#":              malformed,
		"localhost evil.example":  malformed,
		" localhost":              malformed,
		"localhost\t":             malformed,
		"localhost\x00":           malformed,
		"localhost,evil.example":  malformed,
		"localhost%2eevil":        malformed,
		`localhost\evil`:          malformed,
		"ｌocalhost":               malformed,
		"localhost。":              malformed,
		strings.Repeat("a", 64):   malformed,
		strings.Repeat("a.", 200): malformed,
	} {
		host, ok := parseHost(text)
		if !ok {
			host = malformed
		}
		if host != want {
			t.Errorf("%q: got %q, want %q", text, host, want)
		}
	}
}

func TestParseAllowedHost_TakesWhatPeopleWrite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" provider": "provider", "192.168.1.5:80": "192.168.1.5", "[fd00::5]": "fd00::5", "fd00::5": "fd00::5", "FD00::5": "fd00::5",
		"": "", "http://provider": "", "provider/": "", "*": "", "*.example.org": "", "10.0.0.0/8": "", "fe80::1%eth0": "",
	} {
		host, ok := ParseAllowedHost(text)
		if host != want && ok || ok != (want != "") {
			t.Errorf("%q: got %q, %t, want %q", text, host, ok, want)
		}
	}
}
