package engine_test

import (
	"context"
	"net/http"
	"os"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"go.uber.org/goleak"

	"faas-docker/function"
)

// TestMain sees to it that what the engine starts ends with its callers and with
// Close.
func TestMain(m *testing.M) {
	code := m.Run()
	removeHolderImages()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

// removeHolderImages removes what an Engine loads when it makes its first holder.
// One that a provider on this machine uses stays: Docker refuses; and one that it
// does not use just now it loads again.
func removeHolderImages() {
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return
	}
	defer func() { _ = docker.Close() }()
	ctx := context.Background()
	loaded, _ := docker.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", function.LabelRole+"=holder-image"))})
	for _, i := range loaded {
		_, _ = docker.ImageRemove(ctx, i.ID, image.RemoveOptions{})
	}
}
