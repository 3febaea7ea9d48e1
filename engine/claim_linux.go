package engine

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"syscall"
	"time"
)

// claimPatience is how long a claim waits for another to be given up.
const claimPatience = time.Second

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
	for began := time.Now(); errors.Is(err, syscall.EADDRINUSE) && time.Since(began) < claimPatience; {
		time.Sleep(claimPatience / 20)
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
