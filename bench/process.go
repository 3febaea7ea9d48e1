package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
)

// process is a program that the stage started.
type process struct {
	command *exec.Cmd
	said    *bytes.Buffer
	ended   chan struct{}
}

// start starts a program and waits until it listens on address. variables come on
// top of our own environment, which must not send calls through another proxy.
func (s *stage) start(ctx context.Context, address string, variables []string, argv ...string) (*process, error) {
	p := &process{command: exec.Command(argv[0], argv[1:]...), said: new(bytes.Buffer), ended: make(chan struct{})}
	p.command.Env = append(withoutProxies(os.Environ()), variables...)
	p.command.Stdout, p.command.Stderr = p.said, p.said
	// A Ctrl-C in the terminal is ours to act on: first we, then they.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(argv[0]), err)
	}
	s.processes = append(s.processes, p)
	go func() {
		_ = p.command.Wait()
		close(p.ended)
	}()
	return p, p.await(ctx, address)
}

func (p *process) pid() int { return p.command.Process.Pid }

// await returns as soon as the process listens on address.
func (p *process) await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %s", p.command.Path, p.said)
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %w", p.command.Path, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the process: kindly, then not.
func (p *process) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		_ = p.command.Process.Kill()
		<-p.ended
	}
}

func withoutProxies(environment []string) []string {
	var kept []string
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// output runs a program and returns its output, without the last line's end.
func output(ctx context.Context, argv ...string) (string, error) {
	printed, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w%s", strings.Join(argv, " "), err, complaint(err))
	}
	return strings.TrimSpace(string(printed)), nil
}

// complaint is the standard error of a program that failed.
func complaint(err error) string {
	var failed *exec.ExitError
	if errors.As(err, &failed) && len(failed.Stderr) > 0 {
		return ": " + strings.TrimSpace(string(failed.Stderr))
	}
	return ""
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
