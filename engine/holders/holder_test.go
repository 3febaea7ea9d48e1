package holders

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file anew")

func TestHolderConfig_IsWhatWasReviewed(t *testing.T) {
	t.Parallel()
	config, hostConfig := holderConfig("faas-docker/holder:abc", "faas-docker")
	got, err := json.MarshalIndent(map[string]any{"Config": config, "HostConfig": hostConfig}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", "container.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s: the container's configuration changed (go test ./engine/holders -update accepts it)\ngot:\n%s", path, got)
	}
}
