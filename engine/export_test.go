package engine

import (
	"context"

	"github.com/docker/docker/client"
)

// ReadyHolder makes one holder ready, and returns its ID, without anybody who
// looks after it.
func (e *Engine) ReadyHolder(ctx context.Context) (string, error) {
	e.holders.open()
	if err := e.addHolder(ctx); err != nil {
		return "", err
	}
	ready := e.holders.see().ready
	return ready[len(ready)-1].id, nil
}

// ReadyHolders says how many holders are ready.
func (e *Engine) ReadyHolders() int { return len(e.holders.see().ready) }

// DialThrough has the engine called through the TCP address of a proxy.
func (e *Engine) DialThrough(address string) error {
	docker, err := client.NewClientWithOpts(client.WithHost("tcp://"+address), client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	_ = e.docker.Close()
	e.docker = docker
	return nil
}
