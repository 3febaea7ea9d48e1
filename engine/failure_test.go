package engine

import (
	"net"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketAdvice_NamesTheGroupThatMayUseIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	current, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(current.Gid)
	if err != nil {
		t.Fatal(err)
	}
	if got := socketAdvice("unix://" + path); !strings.Contains(got, `group "`+group.Name+`"`) || !strings.Contains(got, "--group-add "+group.Gid) {
		t.Errorf("got %q, want group %s and its number %s", got, group.Name, group.Gid)
	}
	if got := socketAdvice("unix:///nowhere"); !strings.Contains(got, "root") {
		t.Errorf("got %q for a socket that is not there, want some advice", got)
	}
	if got := socketAdvice("tcp://10.0.0.1:2376"); !strings.Contains(got, "DOCKER_CERT_PATH") {
		t.Errorf("got %q for a remote engine, want its certificates", got)
	}
}
