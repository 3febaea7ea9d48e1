package main

import (
	"fmt"
	"io"
	"os"

	"faas-docker/routes"
)

// checkRoutes is the command "routes check FILE": it says what is wrong with a file of
// rules, one line for each problem, and fails if anything is. FILE may be -, standard
// input.
func checkRoutes(cfg config, args []string, stdout io.Writer) error {
	if len(args) != 2 || args[0] != "check" {
		return fmt.Errorf("want: faas-docker routes check FILE")
	}
	read := func() ([]byte, error) { return os.ReadFile(args[1]) }
	if args[1] == "-" {
		read = func() ([]byte, error) { return io.ReadAll(os.Stdin) }
	}
	text, err := read()
	if err != nil {
		return fmt.Errorf("read routes: %w", err)
	}
	count, problems := routes.Check(string(text), cfg.routeOptions())
	for _, problem := range problems {
		fmt.Fprintf(stdout, "%s: %s\n", args[1], problem)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s: %d of %d rules cannot be used", args[1], len(problems), count)
	}
	fmt.Fprintf(stdout, "%s: nothing is wrong with it (rules: %d)\n", args[1], count)
	return nil
}
