package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program returns the path of the real binary, built once without the race
// detector, as it is shipped.
func program(t testing.TB) string {
	t.Helper()
	return common.make(t, func(tb testing.TB) string {
		if common.binary != "" {
			return common.binary
		}
		path := filepath.Join(tb.TempDir(), "faas-docker")
		command := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildvcs=false", "-o", path, ".")
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := command.CombinedOutput(); err != nil {
			tb.Fatalf("build the provider: %v\n%s", err, out)
		}
		common.binary = path
		return path
	})
}

// child is a provider in a process of its own, which can be killed.
type child struct {
	*host
	process *exec.Cmd
	began   time.Time
	ended   chan error
}

// spawn starts the binary and returns when it listens. It is killed after the
// test at the latest.
func spawn(t testing.TB, network, dataDir string, more ...string) *child {
	t.Helper()
	c, err := trySpawn(t, network, dataDir, more...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// trySpawn returns what the program said when it ended before it listened.
func trySpawn(t testing.TB, network, dataDir string, more ...string) (*child, error) {
	t.Helper()
	return trySpawnAs(t, exec.Command(program(t)), network, dataDir, more...)
}

// trySpawnAs is trySpawn with a command that becomes the program.
func trySpawnAs(t testing.TB, command *exec.Cmd, network, dataDir string, more ...string) (*child, error) {
	t.Helper()
	c := &child{host: &host{network: network, dataDir: dataDir, log: &logBuffer{}}, ended: make(chan error, 1)}
	c.process = command
	c.process.Env = append([]string{"port=0", "data_dir=" + dataDir, "function_network=" + network}, dockerEnvironment()...)
	c.process.Env = append(c.process.Env, more...)
	out, err := c.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	c.began = time.Now()
	if err := c.process.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(c.kill)
	address := make(chan string, 1)
	go c.read(out, address)
	select {
	case found, ok := <-address:
		if !ok {
			return nil, fmt.Errorf("the provider ended: %w: %s", <-c.ended, c.log.String())
		}
		c.connect("http://127.0.0.1:" + portOf(found))
		c.explainFailure(t)
		return c, nil
	case <-time.After(soon):
		return nil, errors.New("the provider does not listen: " + c.log.String())
	}
}

func dockerEnvironment() []string {
	var list []string
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "DOCKER_") || strings.HasPrefix(variable, "HOME=") || strings.HasPrefix(variable, "PATH=") {
			list = append(list, variable)
		}
	}
	return list
}

// read keeps the log, and finds in it where the provider listens.
func (c *child) read(out io.Reader, address chan<- string) {
	serving := regexp.MustCompile(`serving: address=(\S+)`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		_, _ = c.log.Write(append(lines.Bytes(), '\n'))
		if found := serving.FindSubmatch(lines.Bytes()); found != nil {
			address <- string(found[1])
		}
	}
	c.ended <- c.process.Wait()
	close(c.ended)
	close(address)
}

// kill ends the process as a power cut does, and waits until it is gone.
func (c *child) kill() {
	_ = c.process.Process.Signal(syscall.SIGKILL)
	<-c.ended
	if c.client != nil {
		c.client.CloseIdleConnections()
	}
}

// terminate asks the process to stop and returns how it ended.
func (c *child) terminate() error {
	_ = c.process.Process.Signal(syscall.SIGTERM)
	c.client.CloseIdleConnections()
	return <-c.ended
}
