package engine

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"faas-docker/function"
)

// claimWait is how long a claim waits for another to be given up.
const claimWait = time.Second

// Claim makes this process the only one on this machine that looks after the
// functions of this network, until it is closed or the process ends. Two providers
// with stores of their own would each remove what the other starts. The claim is a
// socket without a file, which nothing can leave behind; providers in containers of
// their own do not see one another's. A provider that has just ended may leave it for a moment
// to a program that it was about to start.
func (e *Engine) Claim() (io.Closer, error) {
	where := fnv.New64a()
	_, _ = where.Write([]byte(e.docker.DaemonHost())) // never fails
	name := fmt.Sprintf("@faas-docker/%x/%s", where.Sum64(), e.network)
	listener, err := net.Listen("unix", name)
	for began := time.Now(); errors.Is(err, syscall.EADDRINUSE) && time.Since(began) < claimWait; {
		time.Sleep(claimWait / 20)
		listener, err = net.Listen("unix", name)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("another faas-docker, with another data_dir, looks after the functions of the network %q: stop that one, or set function_network to another name", e.network)
	}
	if err != nil {
		return nil, fmt.Errorf("claim the function network %q: %w", e.network, err)
	}
	return listener, nil
}

// hostProcessors is what the processors of this machine have done, in containers too.
func hostProcessors() (p function.Processors) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return p
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	// What guests use is counted among what users do.
	for i := 1; i < min(len(fields), 9); i++ {
		ticks, err := strconv.ParseUint(fields[i], 10, 64)
		if err != nil {
			return function.Processors{}
		}
		p.Total += ticks
		if i == 4 || i == 5 { // idle, and idle while something is read
			p.Idle += ticks
		}
	}
	return p
}

// hostSwap is what this machine has of swap, in containers too.
func hostSwap() (function.Swap, error) {
	var host syscall.Sysinfo_t
	if err := syscall.Sysinfo(&host); err != nil {
		return function.Swap{}, fmt.Errorf("look for swap: %w", err)
	}
	unit := int64(host.Unit)
	return function.Swap{Known: true, Total: int64(host.Totalswap) * unit, Free: int64(host.Freeswap) * unit}, nil
}
