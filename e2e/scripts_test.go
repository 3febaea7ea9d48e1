package e2e

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"faas-docker/engine/enginetest"
)

// clone is a copy of what the scripts need, in a folder with blanks in its name, and the
// only programs that they find.
type clone struct {
	folder, programs string
	environ          []string
}

// stubDocker answers as the engine of a machine where all is well, and writes down what
// Compose is called with.
const stubDocker = `#!/bin/bash
case "$1 $2" in
"info --format") echo "$STUB_SYSTEM" ;;
"info "*) [ -z "$STUB_INFO" ] || { echo "$STUB_INFO" >&2; exit 1; } ;;
"compose version") [ -z "$STUB_NO_COMPOSE" ] || exit 1 ;;
"compose "*) { echo "$@"; env; } >"$STUB_CALLED" ;;
"context inspect") echo "$STUB_CONTEXT" ;;
"ps --all") [ -z "$STUB_PORT" ] || echo 0123456789ab ;;
"ps --filter") [ -z "$STUB_HOLDER" ] || echo "$STUB_HOLDER" ;;
"port "*) echo "127.0.0.1:$STUB_PORT" ;;
"inspect "*) echo 0 ;;
"exec "*) case "$4" in stack) echo "${STUB_STACK:-echo.openfaas-fn: ready}" ;; esac ;;
esac
`

func newClone(t *testing.T) *clone {
	t.Helper()
	c := &clone{folder: filepath.Join(t.TempDir(), "a clone with blanks"), programs: t.TempDir()}
	for _, pattern := range []string{"scripts/*.sh", "stack.yml", "docker-compose.yml", "go.mod"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", pattern, paths, err)
		}
		for _, path := range paths {
			c.copy(t, path)
		}
	}
	for _, name := range strings.Fields("bash basename cat chmod cut dirname env grep head id mkdir mktemp od printf readlink rm rmdir sed sleep sort tail tr uname wc") {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(c.programs, name)); err != nil {
			t.Fatal(err)
		}
	}
	c.provide(t, "docker", stubDocker)
	c.environ = []string{"PATH=" + c.programs, "HOME=" + t.TempDir(), "STUB_CALLED=" + filepath.Join(c.programs, "called"), "WAIT_SECONDS=1"}
	return c
}

func (c *clone) copy(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(c.folder, path)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	enginetest.WriteProgram(t, to, raw)
}

// provide makes a program that the scripts find; one without text is missing.
func (c *clone) provide(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(c.programs, name)
	_ = os.Remove(path)
	if text == "" {
		return
	}
	enginetest.WriteProgram(t, path, []byte(text))
}

// run runs a script, and returns all that it printed.
func (c *clone) run(t *testing.T, script string, environ ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	words := strings.Fields(script)
	command := exec.CommandContext(ctx, filepath.Join(c.folder, "scripts", words[0]), words[1:]...)
	command.Env = append(slices.Clone(c.environ), environ...)
	command.WaitDelay = time.Second
	out, err := command.CombinedOutput()
	return string(out), err
}

// A script that cannot go on ends, and says why and what to do.
func TestScripts_SayWhatIsWrong(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() })
	port := portOf(busy.Addr().String())
	user := map[string]string{"id": "#!/bin/bash\ncase $* in -u) echo 1000 ;; *) echo alex ;; esac\n"}
	for _, tc := range []struct {
		name, script string
		programs     map[string]string
		environ      []string
		want         []string
	}{
		{"no Go", "toolchain.sh", nil, nil, []string{"Go is not installed", "Install Go 1.", "go.dev/dl"}},
		{"an old Go", "toolchain.sh", map[string]string{"go": "#!/bin/bash\n[ $1 = version ] && echo go version go1.19.8 linux/amd64 || { echo 'go: errors parsing go.mod:' >&2; echo \"go.mod:3: invalid go version '1.26.0': must match format 1.23\" >&2; exit 1; }\n"}, nil, []string{"This Go cannot build faas-docker: go version go1.19.8", "invalid go version", "Install Go 1."}},
		{"a Go that may not fetch a newer one", "toolchain.sh", map[string]string{"go": "#!/bin/bash\n[ $1 = version ] && echo go version go1.22.1 linux/amd64 || { echo 'go: go.mod requires go >= 1.26.0 (running go 1.22.1; GOTOOLCHAIN=local)' >&2; exit 1; }\n"}, nil, []string{"go1.22.1", "requires go >= 1.26.0"}},
		{"no C compiler", "toolchain.sh race", map[string]string{"id": user["id"], "go": "#!/bin/bash\n[ \"$1 $2\" != 'env CC' ] || echo no-such-compiler\n"}, nil, []string{"C compiler", "sudo apt-get install gcc"}},
		{"no Docker", "engine.sh", map[string]string{"docker": "", "id": user["id"]}, nil, []string{"Docker is not installed", "docs.docker.com/engine/install"}},
		{"no right to use Docker", "engine.sh", user, []string{"STUB_INFO=permission denied while trying to connect to the Docker daemon socket"}, []string{"You may not talk to the Docker engine", "sudo usermod -aG docker alex"}},
		{"a silent engine", "engine.sh", user, []string{"STUB_INFO=Cannot connect to the Docker daemon"}, []string{"No Docker engine answers", "sudo systemctl start docker", "Cannot connect to the Docker daemon"}},
		{"a silent engine elsewhere", "engine.sh", nil, []string{"STUB_INFO=no such host", "DOCKER_HOST=tcp://10.0.0.7:2375"}, []string{"DOCKER_HOST=tcp://10.0.0.7:2375", "no such host"}},
		{"no Compose", "engine.sh compose", user, []string{"STUB_NO_COMPOSE=1"}, []string{"Docker Compose is not installed", "docs.docker.com/compose/install"}},
		{"no Compose, later", "compose.sh ps", nil, []string{"STUB_NO_COMPOSE=1"}, []string{"Docker Compose is not installed"}},
		{"published everywhere without credentials", "up.sh", nil, []string{"FAAS_HOST=0.0.0.0"}, []string{"FAAS_HOST=0.0.0.0", "make up FAAS_HOST=0.0.0.0 BASIC_AUTH=true"}},
		{"published everywhere, version 6", "up.sh", nil, []string{"FAAS_HOST=::"}, []string{"BASIC_AUTH=true"}},
		{"published on the LAN", "up.sh", nil, []string{"FAAS_HOST=192.168.1.5"}, []string{"BASIC_AUTH=true"}},
		{"published on what looks like loopback", "up.sh", nil, []string{"FAAS_HOST=127.0.0.1.example.com"}, []string{"an address"}},
		{"published on what begins like loopback", "up.sh", nil, []string{"FAAS_HOST=[::1:2]"}, []string{"BASIC_AUTH=true"}},
		{"published on a name", "up.sh", nil, []string{"FAAS_HOST=example.com", "BASIC_AUTH=true"}, []string{"FAAS_HOST=example.com", "an address"}},
		{"a port that is a word", "up.sh", nil, []string{"FAAS_PORT=http"}, []string{"FAAS_PORT=http", "1 to 65535"}},
		{"port 0", "up.sh", nil, []string{"FAAS_PORT=0"}, []string{"1 to 65535"}},
		{"a port beyond the last", "up.sh", nil, []string{"FAAS_PORT=65536"}, []string{"1 to 65535"}},
		{"a wait that is no number", "up.sh", nil, []string{"WAIT_SECONDS=2m"}, []string{"WAIT_SECONDS=2m"}},
		{"neither true nor false", "up.sh", nil, []string{"BASIC_AUTH=yes"}, []string{"BASIC_AUTH=yes", "true or false"}},
		{"an unknown profile", "up.sh", nil, []string{"PROFILES=grafana", "FAAS_PORT=1"}, []string{"PROFILES=grafana", "monitoring, gateway"}},
		{"no such stack file", "up.sh", nil, []string{"STACK_FILE=none.yml"}, []string{"STACK_FILE=none.yml"}},
		{"no such folder of routes' files", "up.sh", nil, []string{"ROUTES_DIR=none"}, []string{"ROUTES_DIR=none: there is no such folder"}},
		{"a name that is no project's", "up.sh", nil, []string{"COMPOSE_PROJECT_NAME=../other"}, []string{"COMPOSE_PROJECT_NAME=../other", "lower-case"}},
		{"a name with capitals", "down.sh", nil, []string{"COMPOSE_PROJECT_NAME=Mine"}, []string{"COMPOSE_PROJECT_NAME=Mine", "lower-case"}},
		{"no such file of variables", "up.sh", nil, []string{"ENV_FILE=none.env"}, []string{"ENV_FILE=none.env"}},
		{"a stack file that cannot be mounted", "up.sh", nil, []string{"STACK_FILE=a:b/stack.yml"}, []string{"has a colon"}},
		{"an engine elsewhere", "up.sh", nil, []string{"DOCKER_HOST=ssh://alex@server"}, []string{"ssh://alex@server", "on this machine", "make build"}},
		{"an engine elsewhere, by context", "up.sh", nil, []string{"STUB_CONTEXT=tcp://10.0.0.7:2376"}, []string{"tcp://10.0.0.7:2376"}},
		{"the port taken by a container", "up.sh", nil, []string{"FAAS_PORT=" + port, "STUB_HOLDER=container web of image nginx"}, []string{"Port " + port + " on 127.0.0.1 is in use by container web of image nginx", "make up FAAS_PORT="}},
		{"the port taken by the first installation", "up.sh", nil, []string{"FAAS_PORT=" + port, "COMPOSE_PROJECT_NAME=nc2", "STUB_HOLDER=container faas-docker_provider_1 of image x"}, []string{"make up FAAS_PORT=8090 COMPOSE_PROJECT_NAME=nc2"}},
		{"the port taken by a process", "up.sh", map[string]string{"ss": "#!/bin/bash\necho 'LISTEN 0 4096 127.0.0.1:80 0.0.0.0:* users:((\"faasd\",pid=4711,fd=7))'\n"}, []string{"FAAS_PORT=" + port}, []string{"in use by process faasd, pid 4711"}},
		{"the port taken by another user's process", "up.sh", map[string]string{"ss": "#!/bin/bash\necho 'LISTEN 0 4096 127.0.0.1:80 0.0.0.0:*'\n"}, []string{"FAAS_PORT=" + port}, []string{"a process that this user may not see"}},
		{"the port taken, without tools", "up.sh", nil, []string{"FAAS_PORT=" + port}, []string{"in use by a process", "make up FAAS_PORT="}},
		{"down without an engine", "down.sh", nil, []string{"STUB_INFO=Cannot connect"}, []string{"No Docker engine answers"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newClone(t)
			if err := os.MkdirAll(filepath.Join(c.folder, "a:b"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(c.folder, "a:b/stack.yml"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			for name, text := range tc.programs {
				c.provide(t, name, text)
			}
			said, err := c.run(t, tc.script, tc.environ...)
			if err == nil {
				t.Errorf("it goes on: %s", said)
			}
			for _, want := range tc.want {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q:\n%s", want, said)
				}
			}
			if strings.Contains(said, "line ") && strings.Contains(said, ".sh: ") {
				t.Errorf("the shell itself complains:\n%s", said)
			}
		})
	}
}

// What make up gives to Compose, and so to the provider.
func TestScripts_UpPassesOnWhatIsThere(t *testing.T) {
	for _, tc := range []struct {
		name    string
		environ []string
		files   map[string]string
		want    map[string]string
		said    []string
	}{
		{"nothing said", nil, nil, map[string]string{
			"FAAS_HOST": "127.0.0.1", "BASIC_AUTH": "false", "ENGINE_FOLDER": "/var/run", "ENGINE_ADDRESS": "unix:///run/engine/docker.sock",
			"STACK_DIR": "{clone}", "STACK_NAME": "stack.yml", "SECRETS_DIR": "{clone}/.secrets", "COMPOSE_PROJECT_NAME": "faas-docker", "ROUTES_DIR": "{clone}/.secrets/no-route-files",
		}, []string{"curl http://127.0.0.1:{port}/function/echo", "\n  scripts/compose.sh logs -f provider\n", "\nmake down takes all", "faas-cli is not installed"}},
		{"a second installation", []string{"COMPOSE_PROJECT_NAME=nc2", "BASIC_AUTH=true"}, nil, map[string]string{
			"SECRETS_DIR": "{clone}/.secrets-nc2", "COMPOSE_PROJECT_NAME": "nc2", "file basic-auth-user": "admin", "file stack.env": "",
		}, []string{"\n  COMPOSE_PROJECT_NAME=nc2 scripts/compose.sh logs -f provider\n", "\nmake down COMPOSE_PROJECT_NAME=nc2 takes all"}},
		{"a second installation with secrets elsewhere", []string{"COMPOSE_PROJECT_NAME=nc-3", "SECRETS_DIR={clone}/own"}, nil, map[string]string{
			"SECRETS_DIR": "{clone}/own", "file stack.env": "",
		}, []string{"\n  COMPOSE_PROJECT_NAME=nc-3 scripts/compose.sh logs", "\nmake down COMPOSE_PROJECT_NAME=nc-3 SECRETS_DIR=", "own takes all"}},
		{"files of routes", []string{"ROUTES_DIR={clone}/my keys"}, map[string]string{"my keys/users": "", "route-files/users": ""}, map[string]string{"ROUTES_DIR": "{clone}/my keys"}, nil},
		{"files of routes beside the stack file", nil, map[string]string{"route-files/users": ""}, map[string]string{"ROUTES_DIR": "{clone}/route-files"}, nil},
		{"files of routes beside a stack file elsewhere", []string{"STACK_FILE={clone}/my stacks/all.yml"}, map[string]string{"my stacks/all.yml": "", "my stacks/route-files/users": ""}, map[string]string{"ROUTES_DIR": "{clone}/my stacks/route-files"}, nil},
		{"variables of the provider", []string{"pull_policy=Never"}, nil, map[string]string{"pull_policy": "Never"}, nil},
		{"a rootless engine, by context", []string{"STUB_CONTEXT=unix:///run/user/1000/docker.sock"}, nil, map[string]string{
			"ENGINE_FOLDER": "/run/user/1000", "ENGINE_ADDRESS": "unix:///run/engine/docker.sock",
		}, nil},
		{"an engine by DOCKER_HOST", []string{"DOCKER_HOST=unix:///tmp/my engine/d.sock", "STUB_CONTEXT=tcp://10.0.0.7:2376"}, nil, map[string]string{
			"ENGINE_FOLDER": "/tmp/my engine", "ENGINE_ADDRESS": "unix:///run/engine/d.sock",
		}, nil},
		{"a socket that was named", []string{"DOCKER_SOCK=/run/docker-api/api.sock", "DOCKER_HOST=tcp://127.0.0.1:2375"}, nil, map[string]string{
			"ENGINE_FOLDER": "/run/docker-api", "ENGINE_ADDRESS": "unix:///run/engine/api.sock",
		}, nil},
		{"a socket behind a link", []string{"DOCKER_SOCK={clone}/link.sock"}, map[string]string{"link.sock": "-> {clone}/real/engine.sock", "real/engine.sock": ""}, map[string]string{
			"ENGINE_FOLDER": "{clone}/real", "ENGINE_ADDRESS": "unix:///run/engine/engine.sock",
		}, nil},
		{"Docker Desktop on macOS", []string{"STUB_CONTEXT=unix:///Users/alex/.docker/run/docker.sock", "uname=Darwin", "STUB_SYSTEM=Docker Desktop"}, nil, map[string]string{
			"ENGINE_FOLDER": "/var/run/docker.sock", "ENGINE_ADDRESS": "unix:///run/engine",
		}, []string{"Docker Desktop: make up was never tried with it"}},
		{"Docker Desktop on Linux", []string{"STUB_CONTEXT=unix:///home/alex/.docker/desktop/docker.sock", "STUB_SYSTEM=Docker Desktop"}, nil, map[string]string{
			"ENGINE_FOLDER": "/var/run/docker.sock", "ENGINE_ADDRESS": "unix:///run/engine",
		}, []string{"Docker Desktop: make up was never tried with it"}},
		{"another machine on macOS", []string{"STUB_CONTEXT=unix:///Users/alex/.colima/default/docker.sock", "uname=Darwin", "STUB_SYSTEM=Ubuntu 24.04 LTS"}, nil, map[string]string{
			"ENGINE_FOLDER": "/var/run", "ENGINE_ADDRESS": "unix:///run/engine/docker.sock",
		}, []string{"macOS: make up was never tried here"}},
		{"a socket that was named, with Docker Desktop", []string{"DOCKER_SOCK=/run/own/d.sock", "STUB_SYSTEM=Docker Desktop"}, nil, map[string]string{
			"ENGINE_FOLDER": "/run/own", "ENGINE_ADDRESS": "unix:///run/engine/d.sock",
		}, nil},
		{"localhost", []string{"FAAS_HOST=localhost"}, nil, map[string]string{"FAAS_HOST": "127.0.0.1"}, nil},
		{"everywhere, with credentials", []string{"FAAS_HOST=0.0.0.0", "BASIC_AUTH=true"}, nil, map[string]string{
			"FAAS_HOST": "0.0.0.0", "BASIC_AUTH": "true", "file basic-auth-user": "admin",
		}, []string{"The credentials are in {clone}/.secrets", "faas-cli login -g http://127.0.0.1:{port}", "--password-stdin <'{clone}/.secrets/basic-auth-password'"}},
		{"credentials of one's own", []string{"BASIC_AUTH=true", "SECRETS_DIR={clone}/my own"}, map[string]string{"my own/basic-auth-user": "me", "my own/basic-auth-password": "mine"}, map[string]string{
			"SECRETS_DIR": "{clone}/my own", "file basic-auth-user": "me", "file basic-auth-password": "mine", "file made-by-make-up": "-",
		}, nil},
		{"a stack file in the clone", nil, map[string]string{"stack.yml": "provider: {name: openfaas}\n"}, map[string]string{"STACK_DIR": "{clone}", "STACK_NAME": "stack.yml"}, nil},
		{"what faas-cli new makes", nil, map[string]string{"stack.yaml": "", "stack.yml": ""}, map[string]string{"STACK_DIR": "{clone}", "STACK_NAME": "stack.yaml"}, nil},
		{"a stack file elsewhere", []string{"STACK_FILE={clone}/my stacks/all.yml"}, map[string]string{"my stacks/all.yml": "", "stack.yml": ""}, map[string]string{
			"STACK_DIR": "{clone}/my stacks", "STACK_NAME": "all.yml",
		}, nil},
		{"variables", []string{"TAG=1.2", "SPACED=a b \"c\" $d \\", "LINES=a\nb", "EMPTY=", "OTHER=x"}, map[string]string{
			"stack.yml": "image: a:${TAG}${EMPTY:-}${SPACED}${LINES}${UNSET}${FROM_ENV}${#LENGTH}\n", ".env": "FROM_ENV=1\nTAG=old",
		}, map[string]string{"file stack.env": "FROM_ENV=1\nTAG=old\nEMPTY=\"\"\nLINES=\"a\\nb\"\nSPACED=\"a b \\\"c\\\" $d \\\\\"\nTAG=\"1.2\"\n"}, nil},
		{"a file of variables elsewhere", []string{"ENV_FILE=my.env"}, map[string]string{"my.env": "A=1\n", ".env": "B=2\n"}, map[string]string{"file stack.env": "A=1\n\n"}, nil},
		{"logins of the user", []string{"DOCKER_CONFIG={clone}/docker config"}, map[string]string{"docker config/config.json": "{}"}, map[string]string{"DOCKER_CONFIG_DIR": "{clone}/docker config"}, nil},
		{"no logins", nil, nil, map[string]string{"DOCKER_CONFIG_DIR": "{clone}/.secrets/no-docker-config"}, nil},
		{"profiles", []string{"PROFILES=monitoring gateway"}, nil, map[string]string{"command": "compose --profile monitoring --profile gateway up -d --no-build"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0") // the provider's port, which Compose would publish
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			c, port := newClone(t), portOf(listener.Addr().String())
			place := strings.NewReplacer("{clone}", c.folder, "{port}", port)
			c.put(t, tc.files, place)
			environ := []string{"FAAS_PORT=" + port, "STUB_PORT=" + port}
			for _, variable := range tc.environ {
				if name, found := strings.CutPrefix(variable, "uname="); found {
					c.provide(t, "uname", "#!/bin/bash\necho "+name+"\n")
				}
				environ = append(environ, place.Replace(variable))
			}
			said, err := c.run(t, "up.sh", environ...)
			if err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			got := c.called(t)
			for name, want := range tc.want {
				if name, isFile := strings.CutPrefix(name, "file "); isFile {
					c.wantFile(t, filepath.Join(got["SECRETS_DIR"], name), place.Replace(want))
				} else if got[name] != place.Replace(want) {
					t.Errorf("%s is %q, want %q", name, got[name], place.Replace(want))
				}
			}
			for _, want := range tc.said {
				if !strings.Contains(said, place.Replace(want)) {
					t.Errorf("it does not say %q:\n%s", place.Replace(want), said)
				}
			}
		})
	}
}

// put makes files, and links where the text begins with an arrow.
func (c *clone) put(t *testing.T, files map[string]string, place *strings.Replacer) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(c.folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write := func() error { return os.WriteFile(path, []byte(text), 0o600) }
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			write = func() error { return os.Symlink(place.Replace(target), path) }
		}
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
}

// called returns the environment of Compose, and its arguments as "command".
func (c *clone) called(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(c.programs, "called"))
	if err != nil {
		t.Fatal(err)
	}
	command, rest, _ := strings.Cut(string(raw), "\n")
	values := map[string]string{"command": command}
	for line := range strings.Lines(rest) {
		if name, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), "="); found {
			values[name] = value
		}
	}
	return values
}

// wantFile checks a file's text; "-" means that there must be none. What is secret is for
// its owner's eyes.
func (c *clone) wantFile(t *testing.T, path, want string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	switch {
	case want == "-" && err == nil:
		t.Errorf("%s is there: %q", path, raw)
	case want != "-" && (err != nil || string(raw) != want):
		t.Errorf("%s is %q, %v; want %q", path, raw, err, want)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm() != 0o600 {
		t.Errorf("%s has the mode %s", path, info.Mode())
	}
}

// A provider that cannot start, a function that fails, and a second run.
func TestScripts_UpSaysWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	port := portOf(listener.Addr().String())
	for _, tc := range []struct {
		name   string
		docker string // what docker does otherwise
		ok     bool
		want   string
	}{
		{"twice", "", true, "faas-docker is up at"},
		{"Compose fails", `case $1 in compose) [ "$2" = version ] || exit 1 ;; esac`, false, "Docker Compose could not start the provider"},
		{"the provider ends again and again", `case "$1 $4" in "exec healthcheck") exit 1 ;; "logs "*) echo "the port is wrong"; exit ;; esac; case $1 in inspect) echo 3; exit ;; esac`, false, "  the port is wrong\nThe provider does not start: its last lines are above."},
		{"the provider is never healthy", `case "$1 $4" in "exec healthcheck") echo "health check: 503"; exit 1 ;; esac; case $1 in logs) echo "no engine"; exit ;; esac`, false, "did not become healthy within 1s: health check: 503"},
		{"a function fails", `case "$1 $4" in "exec stack") echo "bad.openfaas-fn: failed: image: missing"; exit 1 ;; esac`, false, "bad.openfaas-fn: failed: image: missing\nThe provider runs, and so does each function that is ready."},
		{"no echo among the functions", `case "$1 $4" in "exec stack") printf 'a.dev: ready\nb.openfaas-fn: waiting: secret\n'; exit ;; esac`, true, "/function/a.dev -d"},
		{"only routes lead to it", `case "$1 $4" in "exec stack") printf 'a.openfaas-fn: ready: by its name only functions can call it\nb.openfaas-fn: ready\n'; exit ;; esac`, true, "/function/b -d"},
		{"no function at all", `case "$1 $4" in "exec stack") exit ;; esac`, true, "  faas-cli list"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newClone(t)
			c.provide(t, "docker", strings.Replace(stubDocker, "\n", "\n"+tc.docker+"\n", 1))
			for range 2 {
				said, err := c.run(t, "up.sh", "FAAS_PORT="+port, "STUB_PORT="+port)
				if (err == nil) != tc.ok || !strings.Contains(said, tc.want) {
					t.Errorf("%v; want it to say %q:\n%s", err, tc.want, said)
				}
			}
		})
	}
}

// Each installation has a folder of secrets of its own, and make down leaves that of others
// alone, even where two have the same.
func TestScripts_DownLeavesOtherInstallations(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	port := portOf(listener.Addr().String())
	for _, tc := range []struct {
		name       string
		down       []string // the variables of make down
		docker     string   // what docker does otherwise
		gone, left string
	}{
		{"the first", nil, "", ".secrets", ".secrets-nc2"},
		{"the second", []string{"COMPOSE_PROJECT_NAME=nc2"}, "", ".secrets-nc2", ".secrets"},
		{"what the provider has", []string{"STUB_PORT=1"}, `case "$1 $3" in "inspect {{range .Mounts}}"*) echo "$PWD/.secrets-nc2"; exit ;; esac; case $* in *volume=*) exit ;; esac`, ".secrets-nc2", ".secrets"},
		{"what both have", []string{"COMPOSE_PROJECT_NAME=nc2", "SECRETS_DIR=.secrets"}, `case $* in *volume=*/.secrets) echo 0123456789ab; exit ;; esac`, "none", ".secrets"},
	} {
		c := newClone(t)
		for _, project := range []string{"faas-docker", "nc2"} {
			if said, err := c.run(t, "up.sh", "FAAS_PORT="+port, "STUB_PORT="+port, "BASIC_AUTH=true", "COMPOSE_PROJECT_NAME="+project); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
		}
		c.provide(t, "docker", strings.Replace(stubDocker, "\n", "\n"+tc.docker+"\n", 1))
		said, err := c.run(t, "down.sh", tc.down...)
		if err != nil {
			t.Fatalf("%s: %v: %s", tc.name, err, said)
		}
		if _, err := os.Stat(filepath.Join(c.folder, tc.gone)); err == nil {
			t.Errorf("%s: %s is still there: %s", tc.name, tc.gone, said)
		}
		c.wantFile(t, filepath.Join(c.folder, tc.left, "basic-auth-user"), "admin")
		c.wantFile(t, filepath.Join(c.folder, tc.left, "stack.env"), "")
	}
}

// Whatever make up has made in the folder of secrets goes; what the user put there stays.
func TestScripts_DownUndoesUp(t *testing.T) {
	t.Parallel()
	for _, own := range []map[string]string{nil, {".secrets/basic-auth-user": "me"}, {".secrets/notes": "mine"}} {
		c := newClone(t)
		c.put(t, own, strings.NewReplacer())
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		port := portOf(listener.Addr().String())
		if said, err := c.run(t, "up.sh", "FAAS_PORT="+port, "STUB_PORT="+port, "BASIC_AUTH=true"); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		for range 2 {
			if said, err := c.run(t, "down.sh"); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
		}
		left, err := filepath.Glob(filepath.Join(c.folder, ".secrets*", "*"))
		if err != nil || len(left) != len(own) {
			t.Errorf("left are %v, want only what was there: %v", left, own)
		}
		if _, err := os.Stat(filepath.Join(c.folder, ".secrets")); (err == nil) != (own != nil) {
			t.Errorf("the folder of secrets: %v, with %v", err, own)
		}
	}
}
