// Command faas-docker turns a machine with a Docker engine into an OpenFaaS:
// faas-cli, the OpenFaaS gateway and curl use it directly.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"faas-docker/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := app.Run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
