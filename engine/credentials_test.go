package engine

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helper installs a credential helper that runs a script, and returns the folder of a
// configuration that names it.
func helper(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for path, content := range map[string]string{
		"docker-credential-scripted": "#!/bin/sh\n" + script + "\n",
		"config.json":                `{"credsStore":"scripted"}`,
	} {
		syscall.ForkLock.RLock() // see enginetest.WriteProgram
		err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o700)
		syscall.ForkLock.RUnlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

func TestCredentials_OfAHelper(t *testing.T) {
	named, err := parseImage("reg.example/figlet")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, script string
		encoded      bool
		origin, says string
	}{
		{"answers", `echo '{"ServerURL":"reg.example","Username":"user","Secret":"pass"}'`, true, `"user"`, ""},
		{"has a token", `echo '{"ServerURL":"reg.example","Username":"<token>","Secret":"t0ken"}'`, true, `"a token"`, ""},
		{"has none", `echo 'credentials not found in native keychain'; exit 1`, false, "has no credentials", ""},
		{"fails", `echo 'the vault is locked'; exit 1`, false, "", "docker-credential-scripted"},
		{"says why it fails", `echo 'the vault is locked'; exit 1`, false, "", "the vault is locked"},
		{"is killed", `kill -9 $$`, false, "", "docker-credential-scripted"},
		{"writes no JSON", `echo secret`, false, "", "docker-credential-scripted"},
		{"hangs", `exec sleep 2`, false, "", "has not answered within"},
	} {
		t.Run(test.name, func(t *testing.T) {
			limit := 20 * time.Second
			if test.name == "hangs" {
				limit = 100 * time.Millisecond
			}
			found := credentialsWithin(limit, helper(t, test.script), named)
			if (found.encoded != "") != test.encoded || !strings.Contains(found.origin, test.origin) {
				t.Errorf("got %t, %q, want %t, %q", found.encoded != "", found.origin, test.encoded, test.origin)
			}
			trouble := ""
			if found.trouble != nil {
				trouble = found.trouble.Error()
			}
			if (trouble != "") != (test.says != "") || !strings.Contains(trouble, test.says) {
				t.Errorf("got the trouble %q, want %q", trouble, test.says)
			}
			if strings.Contains(found.origin+trouble, "t0ken") || strings.Contains(found.origin, "pass") {
				t.Errorf("a secret is in %q or %q", found.origin, trouble)
			}
		})
	}
}
