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
// function, at the border: outside nobody asks Docker's own errors. The act is
// what was tried, such as "start replica".
func (e *Engine) explain(act string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", act, err)
	case client.IsErrConnectionFailed(err), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrPermission):
		return e.explainUnreachable(err)
	case errdefs.IsNotFound(err):
		return fmt.Errorf("%s: %w: %w", act, function.ErrNotFound, err)
	case errdefs.IsConflict(err):
		return fmt.Errorf("%s: %w: %w", act, function.ErrConflict, err)
	default:
		return fmt.Errorf("%s: %w", act, err)
	}
}

// log returns what a failure is logged with that is put right later by itself. That
// the engine is away is said elsewhere, once.
func (e *Engine) log(err error) func(message string, args ...any) {
	if errors.Is(err, function.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		return e.logger.Debug
	}
	return e.logger.Warn
}

func (e *Engine) explainUnreachable(err error) error {
	address := e.docker.DaemonHost()
	if strings.Contains(err.Error(), "permission denied") {
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

// dockerText is what the engine itself says, without the client's prefix.
func dockerText(err error) string {
	return strings.TrimSpace(strings.TrimPrefix(err.Error(), "Error response from daemon: "))
}
