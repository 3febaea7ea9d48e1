package engine

import (
	"context"

	"github.com/docker/docker/client"
)

// NewThrough returns an Engine that calls Docker through a client.
func NewThrough(cfg Config, docker *client.Client) *Engine { return newEngine(cfg, docker) }

// MeaningOf returns what a refusal is about.
func MeaningOf(err error) string { return string(meaningOf(err)) }

// Meanings returns what the sayings are about.
func Meanings() []string {
	var all []string
	for _, s := range sayings() {
		all = append(all, string(s.means))
	}
	return all
}

// ReadyHolder makes one holder ready, and returns its ID, without a Keep that looks after
// it.
func (e *Engine) ReadyHolder(ctx context.Context) (string, error) {
	if err := e.Holders.Add(ctx); err != nil {
		return "", err
	}
	ready := e.Holders.Ready()
	return ready[len(ready)-1].ID, nil
}

// ReadyHolders says how many holders are ready.
func (e *Engine) ReadyHolders() int { return len(e.Holders.Ready()) }

// Facts returns what constraints are judged by.
func (e *Engine) Facts(ctx context.Context) (map[string]string, error) {
	info, err := e.Machine.inspect(ctx)
	return factsOf(info), err
}
