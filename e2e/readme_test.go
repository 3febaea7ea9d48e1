package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"faas-docker/engine/enginetest"
)

// README is short: the reference is in docs.
func TestReadme_IsShort(t *testing.T) {
	const most = 1300
	if words := len(strings.Fields(readPage(t, "README.md"))); words > most {
		t.Errorf("README.md has %d words, want at most %d: move details to docs", words, most)
	}
}

// Every page of docs can be reached from its table of contents.
func TestDocs_ContentsHaveEveryPage(t *testing.T) {
	contents := readPage(t, "docs/README.md")
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(contents, "]("+name+")") {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}

// The figures in README are those of the marks in BENCHMARKS.md.
func TestReadme_FiguresAreThoseOfTheBenchmarks(t *testing.T) {
	readme, marks := strings.Join(strings.Fields(readPage(t, "README.md")), " "), readPage(t, "BENCHMARKS.md")
	for mark, phrase := range map[string]string{
		"requests/s ÷ nginx, 13 B, 64 connections":                         "answered %.2f times as many requests per second as nginx",
		"requests/s ÷ faas-provider, 13 B, 64 connections":                 "%.2f times as many as OpenFaaS's own `faas-provider`",
		"nothing running → answer ÷ Docker's create, start and first call": "A cold start took %.2f of the time",
	} {
		_, row, found := strings.Cut(marks, "| "+mark+" | ")
		cells := strings.Split(row, " | ")
		if !found || len(cells) < 2 {
			t.Errorf("BENCHMARKS.md has no mark %q", mark)
			continue
		}
		measured, err := strconv.ParseFloat(cells[1], 64)
		if err != nil {
			t.Errorf("%s: %v", mark, err)
		}
		if want := fmt.Sprintf(phrase, measured); !strings.Contains(readme, want) {
			t.Errorf("README.md does not say %q", want)
		}
	}
}

func readPage(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// step is one command of the session, and what the documentation shows that it prints.
type step struct{ command, output string }

// session returns the commands of README's session, and those of the page that goes on with it.
func session(t *testing.T) []step {
	t.Helper()
	_, section, found := strings.Cut(readPage(t, "README.md"), "\n## A session with faas-cli\n")
	section, _, ended := strings.Cut(section, "\n## ")
	if !found || !ended {
		t.Fatal("README.md has no section \"A session with faas-cli\"")
	}
	steps := append(stepsOf(section), stepsOf(readPage(t, "docs/session.md"))...)
	if len(steps) < 10 {
		t.Fatalf("found only %d commands in README.md and docs/session.md", len(steps))
	}
	return steps
}

// stepsOf returns the commands of a text: the indented lines that begin with a dollar sign.
func stepsOf(text string) []step {
	var steps []step
	for line := range strings.Lines(text) {
		shown, indented := strings.CutPrefix(line, "    ")
		command, begins := strings.CutPrefix(shown, "$ ")
		switch {
		case indented && begins:
			steps = append(steps, step{command: strings.TrimSpace(command)})
		case indented && len(steps) > 0:
			steps[len(steps)-1].output += shown
		}
	}
	return steps
}

// The session is typed line by line. It begins in the root of the repository, as after make
// up, and each command has to print what the documentation shows. It is typed with a stand-in
// for faas-cli, and with faas-cli itself where that is on the PATH.
func TestNewcomer_SessionOfTheReadmePrintsWhatItShows(t *testing.T) {
	clients := map[string]string{"stand-in": buildStandIn(t)}
	if path, err := exec.LookPath("faas-cli"); err == nil {
		clients["faas-cli"] = path
	} else {
		t.Log("faas-cli is not on the PATH: the session is typed with its stand-in only")
	}
	for name, path := range clients {
		t.Run(name, func(t *testing.T) {
			s := newcomer(t, path)
			for _, step := range session(t) {
				s.follow(t, step)
			}
		})
	}
}

func buildStandIn(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "faas-cli")
	if out, err := exec.Command("go", "build", "-o", path, "./e2e/testdata/faas-cli").CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in for faas-cli: %v\n%s", err, out)
	}
	return path
}

// typist is somebody who types the session, with a provider that has the samples.
type typist struct {
	*host
	replace *strings.Replacer // the address and images of the documentation by those of the test
	environ []string
	folder  string // the folder that the typist is in
}

func newcomer(t *testing.T, client string) *typist {
	t.Helper()
	images := []string{}
	for _, sample := range []string{"crash", "echo", "env", "sleep", "sse"} {
		images = append(images, "faas-docker/"+sample+":latest", image(t, sample))
	}
	raw, err := os.ReadFile("stack.yml")
	if err != nil {
		t.Fatal(err)
	}
	stack := filepath.Join(t.TempDir(), "stack.yml")
	if err := os.WriteFile(stack, []byte(strings.NewReplacer(images...).Replace(string(raw))), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &typist{host: startHost(t, enginetest.Network(t), map[string]string{"stack_file": stack})}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the provider's log:\n%s", s.log)
		}
	})
	s.replace = strings.NewReplacer(append(images, "http://127.0.0.1:8080", s.url)...)
	s.folder, err = os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s.environ = append(os.Environ(), "HOME="+t.TempDir(), "OPENFAAS_URL="+s.url,
		"PATH="+filepath.Dir(client)+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, spec := range []string{"crash", "echo", "env", "sleep", "sse"} {
		eventually(t, "the sample "+spec+" is deployed", func() (bool, string) {
			got := s.get(t, "/system/function/"+spec)
			return got.StatusCode == 200, got.body
		})
		s.awaitReplicas(t, spec, 1)
	}
	return s
}

// follow types one command. What only asks is typed again until it prints what it should:
// nobody types as fast as a test.
func (s *typist) follow(t *testing.T, want step) {
	t.Helper()
	asks := regexp.MustCompile(`faas-cli (list|describe|logs|namespace list)|^(sleep 1; )?curl -s http`).MatchString(want.command)
	expected, printed := withoutChance(s.replace.Replace(want.output)), ""
	for deadline := time.Now().Add(soon); ; {
		out, err := s.typed(t, s.replace.Replace(want.command))
		if printed = withoutChance(out); printed == expected {
			return
		}
		if !asks || time.Now().After(deadline) {
			t.Fatalf("$ %s (%v)\nprints:\n%s\nthe documentation shows:\n%s", want.command, err, printed, expected)
		}
	}
}

// typed runs a command in the folder where the last one ended, and returns what it prints.
func (s *typist) typed(t *testing.T, text string) (string, error) {
	t.Helper()
	end := filepath.Join(t.TempDir(), "folder")
	command := exec.CommandContext(t.Context(), "bash", "-c", text+"\ncode=$?; pwd >"+end+"; exit $code")
	command.Dir, command.Env = s.folder, s.environ
	out, err := command.CombinedOutput()
	folder, unwritten := os.ReadFile(end)
	if unwritten != nil {
		t.Fatalf("$ %s ends in no folder: %v", text, unwritten)
	}
	s.folder = strings.TrimSuffix(string(folder), "\n")
	return string(out), err
}

// withoutChance drops what differs each time, and empty lines.
func withoutChance(output string) string {
	for _, r := range [][2]string{
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "TIME"},
		{`\.openfaas-fn\.[0-9a-f]{6}\b`, ".openfaas-fn.ID"},
		{`RAM:  \d+\.\d\d MB`, "RAM:  N MB"},
		{`CPU:  \d+ Mi`, "CPU:  N Mi"},
		{`(?m)[ \t]+$`, ""},
		{`\n{2,}`, "\n"},
	} {
		output = regexp.MustCompile(r[0]).ReplaceAllString(output, r[1])
	}
	return strings.TrimSpace(output)
}

// faas-cli takes the samples' stack file in the root for every command that is typed there:
// the session has to begin with a folder of the newcomer's own.
func TestReadme_SessionLeavesTheStackFileAlone(t *testing.T) {
	if _, err := os.Stat("stack.yml"); err != nil {
		t.Error(err)
	}
	if first := session(t)[0].command; !strings.Contains(first, "mkdir") || !strings.Contains(first, "cd ") {
		t.Errorf("the session begins with %q, and not with a folder of its own", first)
	}
}

// Whatever README and the pages of docs link to is there: the file, and the heading in it.
func TestReadme_LinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^):#]*)(?:#([^):]*))?\)`)
	links := 0
	for _, page := range append(pages, "README.md", "ARCHITECTURE.md") {
		for _, found := range link.FindAllStringSubmatch(readPage(t, page), -1) {
			links++
			target := page
			if found[1] != "" {
				target = filepath.Join(filepath.Dir(page), found[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if anchor := found[2]; anchor != "" && !slices.Contains(anchors(readPage(t, target)), anchor) {
				t.Errorf("%s: %s has no heading #%s", page, target, anchor)
			}
		}
	}
	if links < 10 {
		t.Errorf("only %d links were found", links)
	}
}

// anchors returns the names by which a page's headings are linked to.
func anchors(page string) []string {
	var names []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}
