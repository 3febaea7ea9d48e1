package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// faas-cli new copies the folder "function" of a template, and faas-cli build takes only
// a template that has a template.yml.
func TestTemplate_HasWhatFaasCLITakes(t *testing.T) {
	for _, name := range []string{"template.yml", "function/Dockerfile"} {
		if _, err := os.Stat(filepath.Join("template/dockerfile", name)); err != nil {
			t.Error(err)
		}
	}
	raw, err := os.ReadFile("template/dockerfile/function/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	copied := regexp.MustCompile(`(?m)^COPY (\S+) `).FindAllStringSubmatch(string(raw), -1)
	if len(copied) == 0 {
		t.Error("the Dockerfile copies nothing of the function")
	}
	for _, file := range copied {
		if _, err := os.Stat(filepath.Join("template/dockerfile/function", file[1])); err != nil {
			t.Errorf("the Dockerfile copies %v", err)
		}
	}
}
