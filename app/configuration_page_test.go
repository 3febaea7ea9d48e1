package app

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// update writes the tables of docs/configuration.md anew: go test ./app -run ConfigurationPage -update
var update = flag.Bool("update", false, "write docs/configuration.md anew")

const configurationPage = "../docs/configuration.md"

// The tables of the page are those of the variables in config.go.
func TestConfigurationPage_IsGeneratedFromTheVariables(t *testing.T) {
	raw, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"
	before, rest, began := strings.Cut(string(raw), begin)
	shown, after, ended := strings.Cut(rest, end)
	if !began || !ended {
		t.Fatalf("%s has no place for the tables, between %q and %q", configurationPage, begin, end)
	}
	want := variableTables()
	if *update {
		if err := os.WriteFile(configurationPage, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if shown != want {
		t.Errorf("%s differs from the variables in config.go; write it anew: go test ./app -run ConfigurationPage -update\nit has:\n%s\nwant:\n%s", configurationPage, shown, want)
	}
}

// variableTables has one table for each group of variables, as root has them.
func variableTables() string {
	// Titles are those of the groups, by their first variables.
	titles := map[string]string{
		"host": "Address and files", "function_network": "Functions", "read_timeout": "Times",
		"max_request_header": "Sizes", "basic_auth": "Access", "log_level": "Logs",
	}
	var out strings.Builder
	for _, v := range Variables(func(string) (string, bool) { return "", false }) {
		if title, first := titles[v.Name]; first {
			fmt.Fprintf(&out, "\n### %s\n\n| variable | default | meaning |\n|---|---|---|\n", title)
		}
		standard := v.Standard
		switch {
		case v.Name == "data_dir":
			standard = "/var/lib/faas-docker"
		case standard == "":
			standard = "–"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", v.Name, standard, v.Meaning)
	}
	return out.String() + "\n"
}
