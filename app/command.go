package app

import (
	"context"
	"fmt"
	"io"
)

// Run runs the command that args choose, "serve" without any, and returns the exit code: 0
// when all went well, 1 when the command failed, 2 when the configuration is wrong.
func Run(ctx context.Context, args []string, environment Environment, stdout, stderr io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "-h", "--help", "help":
		fmt.Fprint(stdout, help(environment))
		return 0
	case "-v", "--version", "version":
		fmt.Fprintln(stdout, versionLine())
		return 0
	}
	config, err := ReadConfig(environment)
	if err != nil {
		fmt.Fprintln(stderr, "faas-docker: "+err.Error())
		return 2
	}
	switch command {
	case "serve":
		err = serve(ctx, config, stderr)
	case "healthcheck":
		err = checkHealth(ctx, config)
	case "stack":
		err = stackCommand(ctx, config, args[1:], stdout)
	case "routes":
		err = checkRoutes(config, args[1:], stdout)
	default:
		err = fmt.Errorf("unknown command %q: see faas-docker --help", command)
	}
	if err != nil {
		fmt.Fprintln(stderr, "faas-docker: "+err.Error())
		return 1
	}
	return 0
}
