// Command prepare is a provider that does nothing but prepare its engine: tests
// run it in a container.
package main

import (
	"context"
	"fmt"
	"os"

	"faas-docker/engine"
)

func main() {
	e, err := engine.New(engine.Config{Network: os.Getenv("network")})
	if err == nil {
		err = e.Prepare(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
