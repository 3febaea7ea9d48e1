package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"faas-docker/function"
)

// explain translates what the Docker client reports into the words of package
// function, at the border: no other package asks Docker's own errors. The act is
// the attempt, such as "start replica".
func (d *daemon) explain(act string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", act, err)
	case client.IsErrConnectionFailed(err), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrPermission):
		return d.explainUnreachable(err)
	case errdefs.IsNotFound(err):
		return fmt.Errorf("%s: %w: %w", act, function.ErrNotFound, err)
	case errdefs.IsConflict(err), meaningOf(err) == notPaused:
		return fmt.Errorf("%s: %w: %w", act, function.ErrConflict, err)
	default:
		return fmt.Errorf("%s: %w", act, err)
	}
}

func (d *daemon) explainUnreachable(err error) error {
	address := d.docker.DaemonHost()
	if errors.Is(err, os.ErrPermission) {
		return function.Unavailable(err, "the Docker engine at %s may not be used by this user: %s", address, socketAdvice(address))
	}
	return function.Unavailable(err, "no Docker engine answers at %s: is it running (systemctl status docker), and is DOCKER_HOST right?", address)
}

// socketAdvice says which group opens the engine's socket.
func socketAdvice(address string) string {
	const fallback = "run as root, or as a member of the group that owns the socket"
	path, isSocket := strings.CutPrefix(address, "unix://")
	if !isSocket {
		return "check the credentials that DOCKER_CERT_PATH names"
	}
	info, err := os.Stat(path)
	if err != nil {
		return fallback
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return fallback
	}
	gid := strconv.FormatUint(uint64(owner.Gid), 10)
	group, err := user.LookupGroupId(gid)
	if err != nil {
		return fmt.Sprintf("run as root, or with the group id %s, which owns the socket (docker run --group-add %s)", gid, gid)
	}
	return fmt.Sprintf("run as root, or as a member of the group %q (usermod -aG %s <user>, then log in anew; in a container --group-add %s)", group.Name, group.Name, gid)
}
