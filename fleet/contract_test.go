package fleet

import (
	"testing"
	"testing/synctest"

	"faas-docker/engine/contracttest"
	"faas-docker/function"
)

// Docker is held to the same by the engine's tests.
func TestContract(t *testing.T) {
	for name, holds := range contracttest.Properties() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newFakeEngine()
				holds(t, contracttest.Subject{
					Engine: e,
					Function: func(name string, secrets ...string) function.Function {
						sp := spec(name)
						sp.Secrets = secrets
						return function.Function{Spec: sp, Revision: 1, ImageID: "sha256:" + sp.Image}
					},
					Die: func(t *testing.T, replica function.Replica) {
						if err := e.set(replica.ID, function.Exited); err != nil {
							t.Fatal(err)
						}
					},
					ExitCode:  7,
					GoneImage: goneImage,
				})
			})
		})
	}
}
