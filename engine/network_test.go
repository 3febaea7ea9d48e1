package engine

import (
	"strings"
	"testing"
)

func TestContainerOfMounts_FindsOnlyOurOwn(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0123456789abcdef", 4)
	inside := "712 711 8:1 /var/lib/docker/containers/" + id + "/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/sda1 rw\n"
	cases := []struct{ name, mounts, want string }{
		{"in a container", "700 600 0:50 / / rw - overlay overlay rw\n" + inside, id},
		{"data root elsewhere", strings.ReplaceAll(inside, "/var/lib/docker", "/mnt/data"), id},
		{"on the host, beside containers", "90 25 0:50 / /var/lib/docker/containers/" + id + "/mounts/shm rw - tmpfs shm rw\n", ""},
		{"on the host, which binds its own hosts file", "90 25 8:1 /srv/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n", ""},
		{"nothing", "", ""},
	}
	for _, c := range cases {
		if got := containerOfMounts(c.mounts); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
