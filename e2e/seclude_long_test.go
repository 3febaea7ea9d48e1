//go:build long

package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// secludedFolder and secludedCgroup name the variables that tell a test that it is
	// secluded, where it may keep an engine's data, and below which control group the
	// engine's containers belong.
	secludedFolder = "FAAS_DOCKER_TEST_FOLDER"
	secludedCgroup = "FAAS_DOCKER_TEST_CGROUP"
	// secludedSocket is where a secluded engine listens. It is on a /run of its own.
	secludedSocket = "/run/docker.sock"
	// seclude prepares the namespaces. The shell stays, because the first process has
	// to bury those whose parents have died.
	seclude = `ip link set lo up && mount -t tmpfs tmpfs /run && "$@"; exit $?`
	// secludedGrace is how long before its own time is up a test wants to hear from the
	// one that runs for it.
	secludedGrace = 20 * time.Second
)

// secluded reports whether the test may do to its engine what it likes. If not, it
// runs the same test once more, in a network, a table of mounts and a tree of processes
// that are its own and end with it, and returns what became of it; the caller has
// nothing left to do. Where that cannot be done the test is skipped.
func secluded(t *testing.T) bool {
	t.Helper()
	if os.Getenv(secludedFolder) != "" {
		return true
	}
	requireSeclusion(t)
	folder, err := os.MkdirTemp("", "engine-") // t.TempDir's is too long for containerd's sockets
	if err != nil {
		t.Fatal(err)
	}
	cgroup := filepath.Base(folder)
	t.Cleanup(func() {
		removeCgroups(t, cgroup)
		if err := os.RemoveAll(folder); err != nil {
			t.Errorf("remove the engine's data: %v", err)
		}
	})
	arguments := []string{"-test.run=^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$", "-test.v"}
	if deadline, limited := t.Deadline(); limited {
		arguments = append(arguments, "-test.timeout="+time.Until(deadline.Add(-secludedGrace)).String())
	}
	out, err := runSecluded(t, folder, cgroup, arguments)
	t.Logf("in namespaces of its own:\n%s", out)
	if err != nil {
		t.Errorf("in namespaces of its own: %v", err)
	}
	return false
}

// requireSeclusion skips the test, with the reason, where it cannot have an engine of
// its own.
func requireSeclusion(t *testing.T) {
	t.Helper()
	for _, program := range []string{"dockerd", "containerd", "runc", "iptables", "unshare", "mount", "ip", "sh"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("an engine of the test's own takes the program %s: %v", program, err)
		}
	}
	if out, err := exec.Command("unshare", unshareFlags("sh", "-c", seclude, "sh", "true")...).CombinedOutput(); err != nil {
		t.Skipf("an engine of the test's own takes namespaces, which this user may not make: %v: %s", err, bytes.TrimSpace(out))
	}
}

func unshareFlags(command ...string) []string {
	return append([]string{"--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"}, command...)
}

// runSecluded runs this program in namespaces. All that is started there is killed when
// it has ended, or when this process ends.
func runSecluded(t *testing.T, folder, cgroup string, arguments []string) ([]byte, error) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "unshare", unshareFlags(append([]string{"sh", "-c", seclude, "sh", program}, arguments...)...)...)
	command.Env = append(os.Environ(), secludedFolder+"="+folder, secludedCgroup+"="+cgroup,
		"DOCKER_HOST=unix://"+secludedSocket, "DOCKER_CONTEXT=", "DOCKER_TLS_VERIFY=", "DOCKER_CERT_PATH=")
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // it is the thread's death that the signal tells of
	defer runtime.UnlockOSThread()
	return command.CombinedOutput()
}

// removeCgroups removes the control groups of containers that are no more: namespaces
// do not hold those.
func removeCgroups(t *testing.T, name string) {
	t.Helper()
	roots, _ := filepath.Glob("/sys/fs/cgroup/*/" + name) // the pattern is good
	for _, root := range append(roots, "/sys/fs/cgroup/"+name) {
		var groups []string
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				groups = append(groups, path)
			}
			return err
		})
		for _, group := range slices.Backward(groups) {
			err = errors.Join(err, syscall.Rmdir(group))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("remove the control group %s: %v", root, err)
		}
	}
}
