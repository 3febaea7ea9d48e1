package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"faas-docker/handlers"
	"faas-docker/stack"
)

const (
	stackWait  = 2 * time.Minute        // how long "stack deploy" waits unless told otherwise
	stackPause = 300 * time.Millisecond // how often it looks
)

// stackCommand is the command "stack": see help.
func stackCommand(ctx context.Context, cfg Config, args []string, stdout io.Writer) error {
	c := stackClient{config: cfg, stdout: stdout}
	switch {
	case len(args) == 0:
		return c.show(ctx)
	case args[0] == "deploy" && len(args) <= 2:
		wait := stackWait
		if len(args) == 2 {
			var err error
			if wait, err = parseTime(args[1]); err != nil {
				return fmt.Errorf("stack deploy %q: %w", args[1], err)
			}
		}
		return c.deploy(ctx, wait)
	case args[0] == "check" && len(args) == 2:
		return checkStack(cfg, args[1], stdout)
	}
	return errors.New("want: faas-docker stack, faas-docker stack deploy [TIME], or faas-docker stack check FILE")
}

// checkStack says what is wrong with a stack file.
func checkStack(cfg Config, path string, stdout io.Writer) error {
	file, err := cfg.stackReader().Read(path)
	if err != nil {
		return err
	}
	for _, note := range file.Notes {
		fmt.Fprintln(stdout, note)
	}
	bad := slices.DeleteFunc(slices.Clone(file.Functions), func(f stack.Function) bool { return f.Err == nil })
	for _, f := range bad {
		fmt.Fprintf(stdout, "%s:%d: %s: %s\n", path, f.Line, f.Spec.Name, f.Err)
	}
	if len(bad) > 0 {
		return fmt.Errorf("%s: %d of %d functions cannot be deployed", path, len(bad), len(file.Functions))
	}
	fmt.Fprintf(stdout, "%s: nothing is wrong with it (functions: %d)\n", path, len(file.Functions))
	return nil
}

// stackClient asks the provider that is configured alike.
type stackClient struct {
	config Config
	stdout io.Writer
}

func (c stackClient) show(ctx context.Context) error {
	report, err := c.ask(ctx, http.MethodGet)
	if err != nil {
		return err
	}
	for _, note := range report.Notes {
		fmt.Fprintln(c.stdout, note)
	}
	for _, f := range report.Functions {
		fmt.Fprintln(c.stdout, stackLine(f))
	}
	return verdict(report)
}

// deploy has the file deployed again and returns when every function is ready or waits
// for what only a user can create. It prints each function whenever its state changes.
func (c stackClient) deploy(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	report, err := c.ask(ctx, http.MethodPost)
	if err != nil {
		return err
	}
	printed := map[string]bool{}
	for !c.isSettled(report, printed) {
		select {
		case <-ctx.Done():
			for _, f := range report.Functions {
				if isUnderWay(f) {
					c.tell(printed, stackLine(f))
				}
			}
			return fmt.Errorf("not ready within %s: %w", wait, cmp.Or(verdict(report), errors.New("the stack file is still being deployed")))
		case <-time.After(stackPause):
		}
		if report, err = c.ask(ctx, http.MethodGet); err != nil {
			return err
		}
	}
	return verdict(report)
}

// isSettled prints the news of a report, and tells whether waiting is over.
func (c stackClient) isSettled(report handlers.StackReport, printed map[string]bool) bool {
	c.tell(printed, report.Notes...)
	settled := !report.Busy
	for _, f := range report.Functions {
		settled = settled && !isUnderWay(f)
		tellsMore := f.Reason != "" && !strings.HasPrefix(f.Reason, handlers.StackStarting)
		if f.State == handlers.StackReady || tellsMore {
			c.tell(printed, stackLine(f))
		}
	}
	return settled
}

// tell prints the lines that were not printed yet.
func (c stackClient) tell(printed map[string]bool, lines ...string) {
	for _, line := range lines {
		if !printed[line] {
			printed[line] = true
			fmt.Fprintln(c.stdout, line)
		}
	}
}

func isUnderWay(f handlers.StackFunction) bool {
	return f.State == handlers.StackDeploying || f.State == handlers.StackStarting
}

func stackLine(f handlers.StackFunction) string {
	line := f.Name + "." + f.Namespace + ": " + f.State
	reason := strings.TrimPrefix(strings.TrimPrefix(f.Reason, handlers.StackStarting), ": ")
	if reason != "" {
		line += ": " + reason
	}
	return line
}

// verdict is nil if every function is ready or waits for a secret or a namespace.
func verdict(report handlers.StackReport) error {
	if report.Problem != "" {
		return errors.New(report.Problem)
	}
	bad := 0
	for _, f := range report.Functions {
		if f.State != handlers.StackReady && f.State != handlers.StackWaiting {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d functions of %s are not ready", bad, len(report.Functions), report.File)
	}
	return nil
}

func (c stackClient) ask(ctx context.Context, method string) (handlers.StackReport, error) {
	var (
		report      handlers.StackReport
		credentials handlers.BasicAuth
		err         error
	)
	if c.config.basicAuth {
		if credentials, err = handlers.LoadBasicAuth(c.config.secretMountPath); err != nil {
			return report, err
		}
	}
	body, err := c.config.ask(ctx, method, "/system/stack", credentials)
	if err == nil {
		err = json.Unmarshal(body, &report)
	}
	if err != nil {
		err = fmt.Errorf("ask for the stack file: %w", err)
	}
	return report, err
}
