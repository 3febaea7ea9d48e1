package main

import (
	"os"
	"strings"
	"testing"
)

func TestReadme_ListsEveryVariableAsHelpDoes(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range new(config).variables(env()) {
		if row := "| `" + v.name + "` | "; !strings.Contains(string(raw), row) {
			t.Errorf("README.md has no row for %s", v.name)
		}
		if !strings.Contains(string(raw), " | "+v.meaning+" |") {
			t.Errorf("README.md does not say of %s: %s", v.name, v.meaning)
		}
	}
}
