package app

import (
	"testing"
)

func TestDescriptors_ClientsLeaveRoom(t *testing.T) {
	for _, row := range []struct {
		files uint64
		want  int
	}{
		{0, 1}, {1, 1}, {16, 6}, {64, 24}, {128, 48}, {256, 96}, {1024, 480}, {4096, 2016}, {65536, 32736},
		{1 << 20, 524256}, {1 << 62, 1<<30 - 1}, {1<<64 - 1, 1<<30 - 1},
	} {
		if got := clientsFor(row.files); got != row.want {
			t.Errorf("with %d files %d clients, want %d", row.files, got, row.want)
		}
	}
}
