package routes

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"gopkg.in/yaml.v3"

	"faas-docker/function"
	"faas-docker/routes/routestest"
)

const document = "../docs/routes.md"

func readDocument(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// stubFunction answers what it sees, as the document says.
func stubFunction(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		for key, values := range r.Header {
			w.Header().Set("Saw-"+key, strings.Join(values, ", "))
		}
		w.Header().Set("Server", "stub")
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, "%s %s %s", name, r.Method, r.RequestURI)
		if name == "long" {
			_, _ = io.WriteString(w, strings.Repeat(" and so on", 1000))
		}
	}
}

// documentOptions are those that the document's examples are run with.
func documentOptions(now *time.Time) Options {
	return Options{
		Now:    func() time.Time { return *now },
		Invoke: func(n function.Name) http.Handler { return stubFunction(n.Name) },
	}
}

// installed is a rule's text with the files that it names in a folder of the test.
func installed(t *testing.T, text string) string {
	t.Helper()
	folder := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"htpasswd": "alex:" + string(hash), "keys": "key-of-alex", "hmac": strings.Repeat("s", 32)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(text, "/etc/faas-docker", folder)
}

// rulesOf reads the rules of a block from the source that it shows.
func rulesOf(t *testing.T, block routestest.Block) []Rule {
	t.Helper()
	switch block.Kind {
	case "yaml":
		var stack struct {
			Functions map[string]struct{ Annotations map[string]string }
		}
		if err := yaml.Unmarshal([]byte(block.Text), &stack); err != nil {
			t.Fatal(err)
		}
		var specs []function.Spec
		for name, f := range stack.Functions {
			specs = append(specs, function.Spec{Name: name, Namespace: function.DefaultNamespace, Annotations: f.Annotations})
		}
		return FromSpecs(specs)
	case "eskip file":
		rules, err := NewFile(writeFile(t, block.Text)).LoadAll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return rules
	}
	return parseEach(installed(t, block.Text))
}

func TestDocument_EveryExampleDoesWhatItSays(t *testing.T) {
	t.Parallel()
	blocks := routestest.Blocks(readDocument(t))
	for i := 0; i < len(blocks); i++ {
		rules := blocks[i]
		if rules.Kind == "http api" {
			continue // run against a provider
		}
		t.Run(fmt.Sprintf("%s, line %d", rules.Section, rules.Line), func(t *testing.T) {
			i++
			if i == len(blocks) || blocks[i].Kind != "http" {
				t.Fatal("no requests follow")
			}
			runExample(t, rules, blocks[i].Text)
		})
	}
}

func runExample(t *testing.T, rules routestest.Block, requests string) {
	t.Helper()
	var now time.Time
	table, problems := Build(rulesOf(t, rules), documentOptions(&now))
	defer table.close()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	exchanges, err := routestest.Exchanges(requests)
	if err != nil || len(exchanges) == 0 {
		t.Fatalf("%d requests, %v", len(exchanges), err)
	}
	for _, e := range exchanges {
		if now = time.Now(); e.Time != "" {
			if now, err = time.Parse(time.RFC3339, e.Time); err != nil {
				t.Fatal(err)
			}
		}
		w := answerOf(table, e)
		field := func(key string) string { return w.Header().Get(key) }
		if wrong := e.Wrong(w.Code, field, w.Body.String()); wrong != "" {
			t.Errorf("%s %s: %s", e.Method, e.Target, wrong)
		}
	}
}

func answerOf(table *Table, e routestest.Exchange) *httptest.ResponseRecorder {
	r := httptest.NewRequest(e.Method, e.Target, strings.NewReader(e.Body))
	r.Host = "localhost"
	for _, field := range e.Header {
		if r.Header.Add(field[0], field[1]); field[0] == "Host" {
			r.Host = field[1]
		}
	}
	w := httptest.NewRecorder()
	route, params := table.Lookup(r)
	if route == nil {
		w.WriteHeader(http.StatusNotFound)
		return w
	}
	name := route.Function.Name
	if route.Previous {
		name += "@previous"
	}
	route.Serve(w, r, params, stubFunction(name))
	return w
}

func TestDocument_TellsOfEveryConditionAndFilter(t *testing.T) {
	t.Parallel()
	text := readDocument(t)
	examples := ""
	for _, block := range routestest.Blocks(text) {
		if strings.HasPrefix(block.Kind, "eskip") {
			examples += block.Text
		}
	}
	for _, name := range append(Options{}.PredicateNames(), Options{}.FilterNames()...) {
		if !strings.Contains(text, "`"+name+"`") || !strings.Contains(examples, name+"(") {
			t.Errorf("%s says nothing of %s, or has no example", document, name)
		}
	}
}
