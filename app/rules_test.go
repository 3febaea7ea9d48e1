package app

import "testing"

// The folder of the files of rules is never guessed too wide.
func TestConfig_TheFolderOfTheFilesOfRules(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ dir, file, want string }{
		{"", "", ""}, {"/etc/keys", "", "/etc/keys"}, {"/etc/keys", "/etc/faas/routes.eskip", "/etc/keys"},
		{"", "/etc/faas/routes.eskip", "/etc/faas"}, {"", "/routes.eskip", ""}, {"", "routes.eskip", "."},
	} {
		if got := (Config{routesDir: test.dir, routesFile: test.file}).ruleFiles(); string(got) != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}
