package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// fact is one line about the machine and the programs measured.
type fact struct{ name, value string }

// describeMachine names the machine and the programs measured. Facts that cannot be found
// out are said to be unknown: they are no reason to lose the figures.
func describeMachine(ctx context.Context) []fact {
	return []fact{
		{"Date", time.Now().UTC().Format(time.DateOnly)},
		{"Commit", commit(ctx)},
		{"Processors", fmt.Sprintf("%d × %s", runtime.NumCPU(), processorModel())},
		{"Kernel", fileText("/proc/sys/kernel/osrelease")},
		{"Docker Engine", known(output(ctx, "docker", "version", "--format", "{{.Server.Version}}"))},
		{"Go", strings.TrimPrefix(runtime.Version(), "go")},
		{"nginx", firstVersion(ctx, "nginx", "-v")},
		{"caddy", firstVersion(ctx, "caddy", "version")},
		{"wrk", firstVersion(ctx, "wrk", "-v")},
		{"h2load", firstVersion(ctx, "h2load", "--version")},
		{"faas-provider", moduleVersion(ctx, "github.com/openfaas/faas-provider")},
		{"grpc-go", moduleVersion(ctx, "google.golang.org/grpc")},
	}
}

func commit(ctx context.Context) string {
	revision := known(output(ctx, "git", "rev-parse", "--short=12", "HEAD"))
	changes, err := output(ctx, "git", "status", "--porcelain")
	if err == nil && changes != "" {
		return revision + ", with changes"
	}
	return revision
}

func moduleVersion(ctx context.Context, path string) string {
	return known(output(ctx, "go", "list", "-m", "-f", "{{.Version}}", path))
}

func processorModel() string {
	for line := range strings.Lines(fileText("/proc/cpuinfo")) {
		name, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// firstVersion finds the version in what a program says of itself, which some
// write to standard error, and with an exit code of 1.
func firstVersion(ctx context.Context, argv ...string) string {
	said, _ := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	for _, word := range strings.FieldsFunc(string(said), func(r rune) bool { return strings.ContainsRune(" /\n", r) }) {
		if strings.ContainsAny(word[:1], "0123456789") {
			return word
		}
	}
	return known("", nil)
}

func fileText(path string) string {
	text, err := os.ReadFile(path)
	return known(strings.TrimSpace(string(text)), err)
}

func known(value string, err error) string {
	if err != nil || value == "" {
		return "unknown"
	}
	return value
}
