package enginetest_test

import (
	"testing"

	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

func TestImage_RunsOnDocker(t *testing.T) {
	t.Parallel()
	e := enginetest.Docker(t)
	id := enginetest.ImageID(t, e, enginetest.Image(t, "../testdata/probe"))
	f := function.Function{Spec: function.Spec{Name: "probe", Namespace: "dev"}, Revision: 1, ImageID: id}
	replica, err := e.Start(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if replica.State != function.Running || !replica.Address.IsValid() {
		t.Errorf("got %v at %v, want a running replica with an address", replica.State, replica.Address)
	}
}
