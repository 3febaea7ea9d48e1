// Command steady is a load that sends requests at their times, whatever becomes of those
// before. A latency counts from the time at which the request was due: an answer that is
// late makes no other request late, and a stall counts for each request that it meets.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"runtime/debug"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "steady: "+err.Error())
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("steady", flag.ContinueOnError)
	rate := flags.Int("rate", 2000, "requests a second")
	length := flags.Duration("length", 2*time.Second, "how long to send them")
	if err := flags.Parse(args); err != nil {
		return err
	}
	target, err := url.Parse(flags.Arg(0))
	if err != nil || target.Host == "" || *rate < 1 {
		return fmt.Errorf("a rate and the URL to call are wanted: %v", args)
	}
	// The little that a run leaves behind is cheaper to keep than to look for meanwhile.
	debug.SetGCPercent(-1)
	return json.NewEncoder(os.Stdout).Encode(newLoad(target, *rate, *length).run())
}
