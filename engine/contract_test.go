package engine_test

import (
	"testing"

	"github.com/docker/docker/api/types/container"

	"faas-docker/engine/contracttest"
	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

// The fleet's tests hold their engine in memory to the same.
func TestContract(t *testing.T) {
	t.Parallel()
	first := newScene(t)
	for name, holds := range contracttest.Properties() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := *first // its image, but a provider of its own
			s.Engine = enginetest.Docker(t)
			holds(t, s.subject())
		})
	}
}

func (s *scene) subject() contracttest.Subject {
	return contracttest.Subject{
		Engine: s.Engine,
		Function: func(name string, secrets ...string) function.Function {
			return s.function(name, withSecrets(secrets...))
		},
		Die: func(t *testing.T, replica function.Replica) {
			t.Helper()
			ended, failed := s.docker.ContainerWait(t.Context(), replica.ID, container.WaitConditionNotRunning)
			if err := s.docker.ContainerKill(t.Context(), replica.ID, "KILL"); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case err := <-failed:
				t.Fatal(err)
			}
		},
		ExitCode:  137,
		GoneImage: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	}
}
